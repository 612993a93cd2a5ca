"""Owns ``Credential``: a session with a name and the sites that it is for (I17)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

import msgspec

from .cookies import Cookie, admit, domain_matches, read_host
from .errors import CredentialError, CredentialFormatError, UrlError
from .hosts import is_public_suffix, registrable_domain
from .origins import host_of_origin
from .records import Record
from .secret import Secret
from .session_files import read_session, read_session_file
from .session_reading import Reading
from .sessions import Narrowed, OriginHeader, OriginStorage, Session, Skipped
from .urls import host_of

MAX_NAME_LENGTH = 200
OUTSIDE = "outside the credential's sites"


class Admission(Record, frozen=True, kw_only=True):
    """What of a session may be used now, and why the rest may not."""

    cookies: tuple[Cookie, ...] = ()  # narrowed to the sites
    headers: tuple[OriginHeader, ...] = ()
    storages: tuple[OriginStorage, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    narrowed: tuple[Narrowed, ...] = ()  # kept for fewer hosts than they were for

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the session can be used."""
        return not (self.cookies or self.headers or self.storages)

    @property
    def counts(self) -> dict[str, int]:
        """How many parts of each kind can be used."""
        return {"cookies": len(self.cookies), "headers": len(self.headers), "storages": len(self.storages)}


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
    def from_file(
        cls, path: str | os.PathLike[str], *, auth_id: str, sites: Sequence[str] = (), host: str | None = None
    ) -> Credential:
        """Read a session from a file, whatever format it has; docs/howto/cookies.md lists them.

        Without *sites* it is for the sites that the format or its parts name. Cookies that name no domain, as those of
        a ``Cookie`` header, are for *host*, else for each of the sites. Raises ``CredentialFormatError`` and
        ``CredentialError``. Cookies that have expired are read too; ``admitted`` tells them apart.
        """
        check_auth_id(auth_id)
        named = checked_sites(sites)
        try:
            reading = read_session_file(path, sites=named, host=host)
        except CredentialError as error:  # without the frames that it passed: their variables hold what was read
            raise error.with_traceback(None) from None
        return credential_of(reading, auth_id=auth_id, sites=named)

    @classmethod
    def from_text(cls, text: str, *, auth_id: str, sites: Sequence[str] = (), host: str | None = None) -> Credential:
        """Read a session as ``from_file`` does, from a text, such as a curl command that was copied."""
        check_auth_id(auth_id)
        named = checked_sites(sites)
        reading = read_session(text, source="the text", sites=named, host=host)
        return credential_of(reading, auth_id=auth_id, sites=named)

    def covers(self, host: str) -> bool:
        """Return whether the session may go to *host*, which has no port."""
        return covers(self.sites, host)

    def examined(self, now: float) -> Admission:
        """Return what can be used now and why not the rest; it may be nothing."""
        found = admit(self.cookies, sites=self.sites, now=now)
        origins = {*(one.origin for one in self.headers), *(one.origin for one in self.storages)}
        inside = {origin for origin in origins if self.covers(host_of_origin(origin))}
        outside = [("header", f"{one.name} for {one.origin}") for one in self.headers if one.origin not in inside]
        outside += [("storage", one.origin) for one in self.storages if one.origin not in inside]
        return Admission(
            cookies=found.kept,
            headers=tuple(one for one in self.headers if one.origin in inside),
            storages=tuple(one for one in self.storages if one.origin in inside),
            skipped=(
                *(Skipped(kind="cookie", name=name, reason=reason) for name, reason in found.skipped),
                *(Skipped(kind=kind, name=name, reason=OUTSIDE) for kind, name in outside),
            ),
            narrowed=tuple(Narrowed(name=name, domain=domain, sites=to) for name, domain, to in found.narrowed),
        )

    def admitted(self, now: float) -> Admission:
        """Return what can be used now; raises ``CredentialFormatError`` when there is nothing, nor a secret."""
        admission = self.examined(now)
        if admission.is_empty and not self.secrets:
            reasons = sorted({one.reason for one in admission.skipped}) or ["it is empty"]
            is_mixed = self.headers or self.storages
            count = len(self.cookies) + len(self.headers) + len(self.storages)
            raise CredentialFormatError(
                f"credential {self.auth_id!r}: none of its {count} {'parts' if is_mixed else 'cookies'} can be used"
                f" ({', '.join(reasons)}); log in again in your browser and export them once more"
            )
        return admission


def credential_of(reading: Reading, *, auth_id: str, sites: Sequence[str]) -> Credential:
    """Return what was read under a name; without *sites* for those that the format or the parts name."""
    parts = {name: getattr(reading, name) for name in Session.__struct_fields__}
    named = sites or checked_sites(reading.sites) or sites_of(reading)
    return Credential(auth_id=auth_id, sites=tuple(named), **parts)


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


def checked_sites(sites: Sequence[str]) -> tuple[str, ...]:
    """Return sites in their canonical form, each once; raises ``CredentialError``."""
    return tuple(dict.fromkeys(map(checked_site, sites)))


def sites_of(session: Session) -> tuple[str, ...]:
    """Return the sites that the parts of *session* are of: the registrable domain of each, or the host without one.

    A public suffix is nobody's site, so that a cookie of one has none.
    """
    hosts = {cookie.domain for cookie in session.cookies}
    origins = {*(one.origin for one in session.headers), *(one.origin for one in session.storages)}
    hosts |= set(map(host_of_origin, origins))
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
