"""Owns ``Session``: all that a login leaves in a browser, and the HTTP headers that stand in for one.

Each part knows where it belongs: a cookie its domain, a header and a storage their origin (I17).
"""

from __future__ import annotations

import base64
import contextlib
import re

import msgspec

from .cookies import Cookie
from .errors import CredentialError
from .origins import checked_origin
from .records import Record
from .secret import Secret

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_NEVER_IN_A_VALUE = re.compile("[^\t\x20-\x7e\x80-\xff]")  # RFC 9110, 5.5
# What belongs to the connection, to the browser or to the cookies, and is not a session's to say.
NOT_OURS = frozenset(
    {
        *("connection", "content-length", "cookie", "expect", "host", "keep-alive", "origin", "proxy-authorization"),
        *("referer", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


class OriginHeader(Record, frozen=True, kw_only=True):
    """A header that goes with every request to one origin, and with none to another.

    Making one raises ``CredentialError`` for an origin, a name or a value that HTTP does not have.
    """

    origin: str  # canonical, such as https://wiki.example:8443
    name: str
    value: Secret

    def __post_init__(self) -> None:
        check_is_canonical(self.origin)
        if not _TOKEN.fullmatch(self.name) or self.name.lower() in NOT_OURS:
            raise CredentialError("a header of a session has a name such as Authorization, found another text")
        if not _is_value(self.value):
            raise CredentialError(f"header {self.name!r} holds characters that no header can; copy it once more")

    @classmethod
    def basic(cls, origin: str, *, user: str, password: Secret | str) -> OriginHeader:
        """Return the header of HTTP's Basic login (RFC 7617, UTF-8), sent without waiting to be asked for it."""
        secret = password if isinstance(password, Secret) else Secret(password)
        del password  # a traceback may show the variables of its frames
        if ":" in user:
            raise CredentialError("a user name of HTTP's Basic login has no colon, found one")
        with contextlib.suppress(UnicodeEncodeError):  # it holds the password, so nothing is raised from it
            return cls(origin=origin, name="Authorization", value=_basic(user, secret))
        raise CredentialError("a login of HTTP's Basic is Unicode, found characters that are no Unicode")

    @classmethod
    def bearer(cls, origin: str, *, token: Secret | str) -> OriginHeader:
        """Return the header of a bearer token (RFC 6750, 2.1)."""
        value = Secret(f"Bearer {token.reveal() if isinstance(token, Secret) else token}")
        del token  # a traceback may show the variables of its frames
        return cls(origin=origin, name="Authorization", value=value)


class OriginStorage(Record, frozen=True, kw_only=True):
    """What scripts of one origin have stored; raises ``CredentialError`` for what is no origin."""

    origin: str  # canonical
    local: dict[str, Secret] = msgspec.field(default_factory=dict)
    session: dict[str, Secret] = msgspec.field(default_factory=dict)  # lost with its tab, and put into each new one
    indexed_db: Secret | None = None  # a JSON list of databases, as Playwright's storage_state writes them

    def __post_init__(self) -> None:
        check_is_canonical(self.origin)


class Session(Record, frozen=True, kw_only=True):
    """What was read of a session, wherever from."""

    cookies: tuple[Cookie, ...] = ()
    headers: tuple[OriginHeader, ...] = ()
    storages: tuple[OriginStorage, ...] = ()
    user_agent: str | None = None  # of the browser that logged in; some sites bind a session to it


def _is_value(value: Secret) -> bool:
    """Return whether a header can have that value."""
    text = value.reveal()
    return bool(text) and text == text.strip() and not _NEVER_IN_A_VALUE.search(text)


def _basic(user: str, password: Secret) -> Secret:
    """Return the value of a Basic header."""
    return Secret(f"Basic {base64.b64encode(f'{user}:{password.reveal()}'.encode()).decode()}")


class Skipped(Record, frozen=True, kw_only=True):
    """A part of a session that is not used, and why; nothing of its value."""

    kind: str  # cookie, header, storage, or host for all that belongs to one
    name: str  # a storage's is its origin
    reason: str


class Narrowed(Record, frozen=True, kw_only=True):
    """A cookie of a parent domain that is used for the sites alone."""

    name: str
    domain: str  # where it came from
    sites: tuple[str, ...]  # where it goes


def check_is_canonical(origin: str) -> None:
    """Raise ``CredentialError`` for an origin that no URL's would ever be equal to."""
    meant = checked_origin(origin)
    if meant != origin:
        raise CredentialError(f"expected an origin in its canonical form, write {meant!r}")
