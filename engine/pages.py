"""Owns what passes between a crawler and the browser about one page: plain values, no browser."""

from __future__ import annotations

from .cookies import Cookie
from .records import Record, SealedCredential
from .session_checks import SessionCheck


class PageRequest(Record, frozen=True, kw_only=True):
    """One URL to read, and how."""

    url: str
    credential: SealedCredential | None = None  # None is anonymous
    allow_private: bool = False  # whether addresses that are not public may be dialled
    timeout_s: float = 30.0
    session_check: SessionCheck | None = None  # what of the page speaks against its session is looked for too
    is_trial: bool = False  # of a credential that is not stored yet: in a context of its own, closed afterwards


class LoginFormFacts(Record, frozen=True, kw_only=True):
    """What the page's script saw of forms with a password field; judged by ``engine.login_pages``."""

    password_fields: int = 0  # visible ones, open shadow roots too
    says_new_password: bool = False  # its name, id, autocomplete or label speaks of a new password
    text_fields: int = 0  # in the password field's form, as are the next four
    checkboxes: int = 0
    selects: int = 0
    has_user_field: bool = False  # a user name or e-mail field
    has_login_word: bool = False  # in a button, the URL, the title or the form's action
    has_other_button: bool = False  # save, create, change or reset, and none that says log in
    text_outside_form: int = 0  # characters


class CookieReport(Record, frozen=True, kw_only=True):
    """What became of a credential's cookies, headers and storages: counts and names, never values."""

    offered: int = 0
    injected: int = 0
    confirmed: int = 0  # read back from the browser
    headers: int = 0  # that go with requests to their origins
    storages: int = 0  # of origins, given to the browser
    skipped: tuple[tuple[str, str], ...] = ()  # cookie name, or what else it is and of where, and reason


class PageSnapshot(Record, frozen=True, kw_only=True):
    """What the browser read of one URL."""

    url: str  # in the end, after redirects
    status: int
    content_type: str
    html: str  # of the whole document, after scripts ran
    was_redirected: bool
    login_form: LoginFormFacts | None
    cookies: CookieReport | None  # None when anonymous
    expired_signs: tuple[str, ...] = ()  # fields of the session check that the page gave the wrong answer to
    session_state: int = 0  # which state of the session's cookies it left, for ``JudgeSession``; 0: none that is new
    left: tuple[Cookie, ...] = ()  # of a trial: all cookies of its context afterwards
