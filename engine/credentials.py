"""Owns ``Credential``: a session with a name and the sites that it is for (I17)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .cookies import Admission, Cookie, admit, domain_matches
from .errors import CredentialError, CredentialFormatError, UrlError
from .hosts import canonical_host, is_public_suffix, registrable_domain
from .records import Record
from .secret import Secret
from .session_files import read_session

MAX_NAME_LENGTH = 200
MAX_FILE_BYTES = 10_000_000


class Credential(Record, frozen=True, kw_only=True):
    """A session: its cookies go to *sites* and the hosts under them, and nowhere else."""

    auth_id: str
    sites: tuple[str, ...]
    cookies: tuple[Cookie, ...]

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, auth_id: str, sites: Sequence[str] = ()) -> Credential:
        """Read a session from cookies.txt, Playwright's ``storage_state`` or a browser extension's JSON.

        Without *sites* it is for the sites that its cookies name. Raises ``CredentialFormatError`` and
        ``CredentialError``.
        """
        check_auth_id(auth_id)
        cookies = read_session(_text_of(Path(path).expanduser()), source=str(path))
        named = tuple(checked_site(site) for site in sites) or sites_of(cookies)
        return cls(auth_id=auth_id, sites=named, cookies=cookies)

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
    """Return whether *host* is one of *sites* or lies under one."""
    try:
        name = canonical_host(host)
    except UrlError:
        return False
    return any(domain_matches(name, site) for site in sites)


def check_auth_id(auth_id: str) -> None:
    """Raise ``CredentialError`` for what is no name."""
    if not (0 < len(auth_id) <= MAX_NAME_LENGTH and auth_id.isprintable() and auth_id == auth_id.strip()):
        raise CredentialError(
            f"a credential's name has 1 to {MAX_NAME_LENGTH} printable characters, found another text"
        )


def checked_site(site: str) -> str:
    """Return a site in its canonical form; raises ``CredentialError`` for what is no host."""
    try:
        host = canonical_host(site)
    except UrlError as error:
        raise CredentialError(
            f"a site is a host name such as wiki.example, found {site!r}; leave out scheme and path"
        ) from error
    if is_public_suffix(host):
        raise CredentialError(f"{site!r} is a public suffix, under which anybody can have a host; name the host itself")
    return host


def sites_of(cookies: Sequence[Cookie]) -> tuple[str, ...]:
    """Return the sites that *cookies* are of: the registrable domain of each, or the host where it has none."""
    return tuple(sorted({registrable_domain(cookie.domain) for cookie in cookies}))


def encode_credential(credential: Credential) -> bytes:
    """Return the credential's cookies in the clear, to be sealed at once."""
    return msgspec.json.encode([_in_the_clear(cookie) for cookie in credential.cookies])


def decode_credential(plain: bytes, *, auth_id: str, sites: Sequence[str]) -> Credential:
    """Return the credential that ``encode_credential`` wrote."""
    cookies = msgspec.json.decode(plain, type=list[Cookie], dec_hook=_secret_from)
    return Credential(auth_id=auth_id, sites=tuple(sites), cookies=tuple(cookies))


def _in_the_clear(cookie: Cookie) -> dict[str, object]:
    return {**msgspec.structs.asdict(cookie), "value": cookie.value.reveal()}


def _secret_from(type_: type, value: object) -> object:
    if type_ is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"{type_.__name__} is no part of a credential")


def _text_of(path: Path) -> str:
    asked = f"asked to read a session from {path}"
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CredentialFormatError(f"{asked}, found more than {MAX_FILE_BYTES:,} bytes; name a cookies file")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CredentialFormatError(f"{asked}, found {error.strerror}; check the path and its rights") from error
    except UnicodeDecodeError:
        raise CredentialFormatError(f"{asked}, found no text; export the cookies as cookies.txt or JSON") from None
