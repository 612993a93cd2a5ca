"""Owns ``Credential``: a session with a name and the sites that it is for (I17)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .cookies import Cookie, admit, domain_matches, read_host
from .errors import CredentialError, CredentialFormatError, UrlError
from .hosts import is_public_suffix, registrable_domain
from .origins import host_of_origin
from .records import Record
from .secret import Secret
from .session_files import read_session
from .sessions import OriginHeader, OriginStorage, Session
from .urls import host_of

MAX_NAME_LENGTH = 200
MAX_FILE_BYTES = 10_000_000
OUTSIDE = "outside the credential's sites"


class Admission(Record, frozen=True, kw_only=True):
    """What of a session may be used now, and why the rest may not."""

    cookies: tuple[Cookie, ...] = ()  # narrowed to the sites
    headers: tuple[OriginHeader, ...] = ()
    storages: tuple[OriginStorage, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()  # name and reason


class Credential(Session, frozen=True, kw_only=True):
    """A session with a name: it goes to *sites* and the hosts under them, and nowhere else.

    Making one raises ``CredentialError`` for a bad name, and for a site that is none or not in canonical form: a scope
    that is wrong is not found out when the session has left (I17).
    """

    auth_id: str
    sites: tuple[str, ...]  # canonical hosts
    secrets: dict[str, Secret] = msgspec.field(default_factory=dict)  # by name: what a scripted login types

    def __post_init__(self) -> None:
        check_auth_id(self.auth_id)
        for site in self.sites:
            if checked_site(site) != site:
                raise CredentialError(f"expected a site in its canonical form, write {checked_site(site)!r}")
        for name in self.secrets:
            if not is_name(name):
                raise CredentialError(f"a secret of credential {self.auth_id!r} has no name; give it one")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, auth_id: str, sites: Sequence[str] = ()) -> Credential:
        """Read a session from cookies.txt, Playwright's ``storage_state`` or a browser extension's JSON.

        Without *sites* it is for the sites that its parts name. Raises ``CredentialFormatError`` and
        ``CredentialError``. Cookies that have expired are read too; ``admitted`` tells them apart.
        """
        check_auth_id(auth_id)
        named = tuple(dict.fromkeys(map(checked_site, sites)))
        try:
            session = read_session(_text_of(Path(path)), source=str(path))
        except CredentialError as error:  # without the frames that it passed: their variables hold what was read
            raise error.with_traceback(None) from None
        return cls(auth_id=auth_id, sites=named or sites_of(session), **msgspec.structs.asdict(session))

    def covers(self, host: str) -> bool:
        """Return whether the session may go to *host*, which has no port."""
        return covers(self.sites, host)

    def admitted(self, now: float) -> Admission:
        """Return what can be used now; raises ``CredentialFormatError`` when there is nothing, nor a secret."""
        found = admit(self.cookies, sites=self.sites, now=now)
        headers = tuple(one for one in self.headers if self.covers(host_of_origin(one.origin)))
        storages = tuple(one for one in self.storages if self.covers(host_of_origin(one.origin)))
        outside = [f"header {one.name} for {one.origin}" for one in self.headers if one not in headers]
        outside += [f"storage of {one.origin}" for one in self.storages if one not in storages]
        skipped = (*found.skipped, *((name, OUTSIDE) for name in outside))
        if not (found.kept or headers or storages or self.secrets):
            reasons = sorted({reason for _, reason in skipped}) or ["it is empty"]
            raise CredentialFormatError(
                f"credential {self.auth_id!r}: none of its {len(self.cookies)} cookies can be used"
                f" ({', '.join(reasons)}); log in again in your browser and export them once more"
            )
        return Admission(cookies=found.kept, headers=headers, storages=storages, skipped=skipped)


def covers(sites: Sequence[str], host: str) -> bool:
    """Return whether *host*, an IPv6 address with or without brackets, is one of *sites* or lies under one."""
    try:
        name = read_host(host)
    except UrlError:
        return False
    return any(domain_matches(name, site) for site in sites)


def check_auth_id(auth_id: str) -> None:
    """Raise ``CredentialError`` for what is no name of a credential."""
    if not is_name(auth_id):
        raise CredentialError(
            f"a credential's name has 1 to {MAX_NAME_LENGTH} printable characters, found another text"
        )


def is_name(text: str) -> bool:
    """Return whether *text* can name a credential, or a secret of one."""
    return 0 < len(text) <= MAX_NAME_LENGTH and text.isprintable() and text == text.strip()


def checked_site(site: str) -> str:
    """Return a site in its canonical form; raises ``CredentialError`` for what is no host."""
    try:
        host = read_host(site)
    except UrlError:
        raise CredentialError(_why_no_site(site)) from None
    if is_public_suffix(host):
        raise CredentialError(f"{site!r} is a public suffix, under which anybody can have a host; name the host itself")
    return host


def sites_of(session: Session) -> tuple[str, ...]:
    """Return the sites that the parts of *session* are of: the registrable domain of each, or the host without one.

    A public suffix is nobody's site, so that a cookie of one has none.
    """
    hosts = {cookie.domain for cookie in session.cookies}
    hosts |= {host_of_origin(one.origin) for one in (*session.headers, *session.storages)}
    return tuple(sorted({registrable_domain(host) for host in hosts if not is_public_suffix(host)}))


class Contents(Session, frozen=True, kw_only=True):
    """What of a credential is sealed; its name and its sites stand beside it."""

    secrets: dict[str, Secret]


def encode_credential(credential: Credential) -> bytes:
    """Return what is secret of the credential in the clear, to be sealed at once; raises ``CredentialError``."""
    fields = {name: getattr(credential, name) for name in Contents.__struct_fields__}
    with contextlib.suppress(UnicodeEncodeError):  # it holds the text, so nothing is raised from it
        return msgspec.json.encode(Contents(**fields), enc_hook=_in_the_clear)
    raise CredentialError(
        f"credential {credential.auth_id!r} has characters that are not Unicode;"
        " log in again in your browser and export it once more"
    )


def decode_credential(plain: bytes, *, auth_id: str, sites: Sequence[str]) -> Credential:
    """Return the credential that ``encode_credential`` wrote; raises ``msgspec.ValidationError`` for another text."""
    contents = msgspec.json.decode(plain, type=Contents, dec_hook=_secret_from)
    return Credential(auth_id=auth_id, sites=tuple(sites), **msgspec.structs.asdict(contents))


def _why_no_site(text: str) -> str:
    """Say what to write in the place of *text*, which may be a URL with a secret in it and is not quoted."""
    asked = "a site is a host name such as wiki.example, found"
    try:
        host = host_of(text if "://" in text else f"http://{text}")
    except UrlError:
        return f"{asked} none; leave out scheme and path"
    return f"{asked} more than that; leave out scheme and path and port: write {host!r}"


def _in_the_clear(value: object) -> str:
    if not isinstance(value, Secret):
        raise TypeError(f"expected no {type(value).__name__} in a credential")
    return value.reveal()


def _secret_from(_type: type, value: object) -> Secret:
    if not isinstance(value, str):
        raise TypeError("expected a text")  # msgspec makes a ValidationError of it
    return Secret(value)


def _text_of(path: Path) -> str:
    asked = f"asked to read a session from {path}"
    try:
        with path.expanduser().open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)  # a pipe and a device have no size to ask for
        if len(content) > MAX_FILE_BYTES:
            raise CredentialFormatError(f"{asked}, found more than {MAX_FILE_BYTES:,} bytes; name a cookies file")
        return content.decode("utf-8-sig")
    except RuntimeError:  # of expanduser
        raise CredentialFormatError(f"{asked}, found no user of that name; check the path") from None
    except OSError as error:
        raise CredentialFormatError(f"{asked}, found {error.strerror}; check the path and its rights") from error
    except UnicodeDecodeError:
        raise CredentialFormatError(f"{asked}, found no text; export the cookies as cookies.txt or JSON") from None
