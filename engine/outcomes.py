"""Owns the judgement of what a fetch came to: content, to be tried again, failed, or in need of a session.

A status of 400 or more, a redirect to a login page, or a login form where content was expected is no success: that is
how login pages once came to be stored as content.
"""

from __future__ import annotations

import enum
from urllib.parse import urlsplit

from .definitions import AuthPolicy
from .errors import PageError
from .login_pages import is_login_form, is_login_url
from .pages import PageSnapshot
from .policies import is_retryable_status
from .records import JobError, Record
from .session_checks import SessionCheck, expired_sign

UNAUTHORIZED = 401  # RFC 9110, 15.5.2
FORBIDDEN = 403  # RFC 9110, 15.5.4


class Verdict(enum.StrEnum):
    """What becomes of the page."""

    CONTENT = "content"
    RETRY = "retry"
    FAIL = "fail"
    NEEDS_SESSION = "needs session"


class Outcome(Record, frozen=True, kw_only=True):
    """A verdict and, unless it is content, its reason."""

    verdict: Verdict
    error: JobError | None = None


def judge(
    snapshot: PageSnapshot,
    *,
    auth_policy: AuthPolicy,
    auth_id: str | None,
    has_session_worked: bool = False,
    session_check: SessionCheck | None = None,
) -> Outcome:
    """Judge what the browser found; a login page needs a session where one was named and is required.

    A 403 means a page that this user may not see where *has_session_worked* for another page of the run, and else a
    session that is none: applications without a login page answer so.
    """
    refused = _login_reason(snapshot, session_check)
    if refused is None and is_forbidden_to_session(snapshot) and not has_session_worked:
        refused = f"http_{FORBIDDEN}", f"{place(snapshot.url)} answered with status {FORBIDDEN}"
    if refused is not None:
        return _login_outcome(refused, snapshot, auth_policy, auth_id)
    status = snapshot.status
    if 200 <= status < 300:
        return Outcome(verdict=Verdict.CONTENT)
    verdict = Verdict.RETRY if is_retryable_status(status) else Verdict.FAIL
    message = f"{place(snapshot.url)} answered with status {status}"
    return Outcome(verdict=verdict, error=JobError(type=f"http_{status}", message=message))


def is_forbidden_to_session(snapshot: PageSnapshot) -> bool:
    """Return whether a session was used and the answer was that it may not see the page."""
    return snapshot.status == FORBIDDEN and snapshot.cookies is not None


def is_session_refused(snapshot: PageSnapshot, session_check: SessionCheck | None) -> bool:
    """Return whether a session was used and the page looks as if it was none, or none that may see it."""
    is_refused = snapshot.status == FORBIDDEN or _login_reason(snapshot, session_check) is not None
    return is_refused and snapshot.cookies is not None


def page_error_outcome(error: PageError) -> Outcome:
    """Judge a fetch that found no page."""
    verdict = Verdict.RETRY if error.is_transient else Verdict.FAIL
    return Outcome(verdict=verdict, error=JobError(type=error.reason, message=str(error)))


def place(url: str) -> str:
    """Return host and path of *url*; its query may be a secret."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{parts.path}"


def _login_reason(snapshot: PageSnapshot, check: SessionCheck | None) -> tuple[str, str] | None:
    """Return a word and a sentence for a page that is none without a session, or None."""
    where = place(snapshot.url)
    if snapshot.status == UNAUTHORIZED:
        return f"http_{UNAUTHORIZED}", f"{where} answered with status {UNAUTHORIZED}"
    if snapshot.status < 400 and snapshot.was_redirected and is_login_url(snapshot.url):
        return "login_redirect", f"the page led to the login page {where}"
    if snapshot.status < 400 and is_login_form(snapshot.login_form):
        return "login_form", f"{where} shows a login form instead of content"
    sign = None
    if check is not None:
        sign = expired_sign(check, snapshot.expired_signs, url=snapshot.url, status=snapshot.status)
    return None if sign is None else ("session_check", f"{where} has no session as session_check.{sign} says")


def _login_outcome(
    reason: tuple[str, str], snapshot: PageSnapshot, auth_policy: AuthPolicy, auth_id: str | None
) -> Outcome:
    word, sentence = reason
    if auth_id is None:
        advice = "it wants a session; give one with --cookies or --auth"
    elif snapshot.cookies is None:
        advice = f"credential {auth_id!r} was not used for this host; see its sites with `bequest auth show`"
    else:
        advice = f"the session of credential {auth_id!r} was not accepted; put a new one with `bequest auth add`"
    error = JobError(type=word, message=f"{sentence}; {advice}")
    waits = auth_id is not None and auth_policy is AuthPolicy.REQUIRE
    return Outcome(verdict=Verdict.NEEDS_SESSION if waits else Verdict.FAIL, error=error)
