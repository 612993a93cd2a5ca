"""Owns ``Credential``: a session with a name and the sites that it is for (I17)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .cookies import Admission, Cookie, admit, domain_matches, read_host
from .errors import CredentialError, CredentialFormatError, UrlError
from .hosts import is_public_suffix, registrable_domain
from .records import Record
from .secret import Secret
from .session_files import read_session
from .urls import host_of

MAX_NAME_LENGTH = 200
MAX_FILE_BYTES = 10_000_000


class Credential(Record, frozen=True, kw_only=True):
    """A session: its cookies go to *sites* and the hosts under them, and nowhere else.

    Making one raises ``CredentialError`` for a bad name, and for a site that is none or not in canonical form: a scope
    that is wrong is not found out when the session has left (I17).
    """

    auth_id: str
    sites: tuple[str, ...]  # canonical hosts
    cookies: tuple[Cookie, ...]

    def __post_init__(self) -> None:
        check_auth_id(self.auth_id)
        for site in self.sites:
            if checked_site(site) != site:
                raise CredentialError(f"expected a site in its canonical form, write {checked_site(site)!r}")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, auth_id: str, sites: Sequence[str] = ()) -> Credential:
        """Read a session from cookies.txt, Playwright's ``storage_state`` or a browser extension's JSON.

        Without *sites* it is for the sites that its cookies name. Raises ``CredentialFormatError`` and
        ``CredentialError``. Cookies that have expired are read too; ``admitted`` tells them apart.
        """
        check_auth_id(auth_id)
        named = tuple(dict.fromkeys(map(checked_site, sites)))
        cookies = read_session(_text_of(Path(path)), source=str(path))
        return cls(auth_id=auth_id, sites=named or sites_of(cookies), cookies=cookies)

    def covers(self, host: str) -> bool:
        """Return whether the session may go to *host*, which has no port."""
        return covers(self.sites, host)

    def admitted(self, now: float) -> Admission:
        """Return the cookies that can be used now; raises ``CredentialFormatError`` when there are none."""
        admission = admit(self.cookies, sites=self.sites, now=now)
        if not admission.kept:
            reasons = sorted({reason for _, reason in admission.skipped}) or ["it is empty"]
            raise CredentialFormatError(
                f"credential {self.auth_id!r}: none of its {len(self.cookies)} cookies can be used"
                f" ({', '.join(reasons)}); log in again in your browser and export them once more"
            )
        return admission


def covers(sites: Sequence[str], host: str) -> bool:
    """Return whether *host*, an IPv6 address with or without brackets, is one of *sites* or lies under one."""
    try:
        name = read_host(host)
    except UrlError:
        return False
    return any(domain_matches(name, site) for site in sites)


def check_auth_id(auth_id: str) -> None:
    """Raise ``CredentialError`` for what is no name of a credential."""
    if not (0 < len(auth_id) <= MAX_NAME_LENGTH and auth_id.isprintable() and auth_id == auth_id.strip()):
        raise CredentialError(
            f"a credential's name has 1 to {MAX_NAME_LENGTH} printable characters, found another text"
        )


def checked_site(site: str) -> str:
    """Return a site in its canonical form; raises ``CredentialError`` for what is no host."""
    try:
        host = read_host(site)
    except UrlError:
        raise CredentialError(_why_no_site(site)) from None
    if is_public_suffix(host):
        raise CredentialError(f"{site!r} is a public suffix, under which anybody can have a host; name the host itself")
    return host


def sites_of(cookies: Sequence[Cookie]) -> tuple[str, ...]:
    """Return the sites that *cookies* are of: the registrable domain of each, or the host where it has none.

    A public suffix is nobody's site, so that a cookie of one has none.
    """
    return tuple(
        sorted({registrable_domain(cookie.domain) for cookie in cookies if not is_public_suffix(cookie.domain)})
    )


def encode_credential(credential: Credential) -> bytes:
    """Return the credential's cookies in the clear, to be sealed at once; raises ``CredentialError``."""
    for cookie in credential.cookies:
        if any("\ud800" <= character <= "\udfff" for character in cookie.name + cookie.value.reveal() + cookie.path):
            raise CredentialError(
                f"cookie {cookie.name!r} of credential {credential.auth_id!r} has characters that are not Unicode;"
                " log in again in your browser and export it once more"
            )
    return msgspec.json.encode([_in_the_clear(cookie) for cookie in credential.cookies])


def decode_credential(plain: bytes, *, auth_id: str, sites: Sequence[str]) -> Credential:
    """Return the credential that ``encode_credential`` wrote; raises ``msgspec.ValidationError`` for another text."""
    cookies = msgspec.json.decode(plain, type=list[Cookie], dec_hook=_secret_from)
    return Credential(auth_id=auth_id, sites=tuple(sites), cookies=tuple(cookies))


def _why_no_site(text: str) -> str:
    """Say what to write in the place of *text*, which may be a URL with a secret in it and is not quoted."""
    asked = "a site is a host name such as wiki.example, found"
    try:
        host = host_of(text if "://" in text else f"http://{text}")
    except UrlError:
        return f"{asked} none; leave out scheme and path"
    return f"{asked} more than that; leave out scheme and path and port: write {host!r}"


def _in_the_clear(cookie: Cookie) -> dict[str, object]:
    return {**msgspec.structs.asdict(cookie), "value": cookie.value.reveal()}


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
