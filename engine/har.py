"""Owns HAR, the recording of a browser's requests: what of it is still the session at its end.

Requests are taken in the order of their time, and the last writer wins: a response by its ``Set-Cookie`` (RFC 6265bis),
a request by its ``Cookie`` where a script has changed one. It is read for the sites that are asked for, else for the
site of the first document; hosts outside are left out, so that nothing of them is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .cookie_headers import read_cookie_pairs, read_set_cookie
from .cookie_jar import CookieJar
from .cookies import Cookie, domain_matches, narrow
from .errors import CredentialFormatError
from .hosts import registrable_domain
from .moments import read_moment
from .origins import host_of_origin, origin_of
from .pasted_headers import LOGS_IN, origin_headers, why_left_out
from .session_reading import Asked, Reading, merged_headers
from .sessions import OriginHeader, Skipped

OUTSIDE = "outside the session's sites"


class Pair(msgspec.Struct, rename="camel"):
    """A header, or a cookie with its attributes."""

    name: str = ""
    value: str | None = None
    domain: str | None = None
    path: str | None = None
    expires: str | None = None
    http_only: bool | None = None
    secure: bool | None = None
    same_site: str | None = None

    def spelled(self) -> str | None:
        """Return the cookie as ``Set-Cookie`` has it but for its expiry, or None for a value that no cookie has."""
        attributes = (("Domain", self.domain), ("Path", self.path), ("SameSite", self.same_site))
        flags = ("HttpOnly" if self.http_only else "", "Secure" if self.secure else "")
        parts = (f"{self.name}={self.value or ''}", *(f"{name}={text or ''}" for name, text in attributes), *flags)
        return None if any(";" in part for part in parts) else "; ".join(parts)


class Content(msgspec.Struct, rename="camel"):
    """The body of a response, but for the body."""

    mime_type: str | None = None


class Message(msgspec.Struct):
    """A request or a response."""

    url: str = ""
    headers: list[Pair] = []
    cookies: list[Pair] = []
    content: Content = msgspec.field(default_factory=Content)

    def values(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [one.value for one in self.headers if one.name.lower() == name and one.value]


class Entry(msgspec.Struct, rename="camel"):
    """One request and what came back."""

    request: Message
    response: Message = msgspec.field(default_factory=Message)
    started_date_time: str = ""
    resource_type: str | None = msgspec.field(default=None, name="_resourceType")

    @property
    def at(self) -> float | None:
        """When it was sent, in seconds since the epoch."""
        return read_moment(self.started_date_time)

    @property
    def is_document(self) -> bool:
        """Whether it is a page and not a part of one."""
        mime_type = (self.response.content.mime_type or "").lower()
        return self.resource_type == "document" or (self.resource_type is None and mime_type.startswith("text/html"))


class Recording(msgspec.Struct):
    """The ``log`` of a HAR."""

    entries: list[Entry]


def read_har(decoded: Mapping[str, Any], asked: Asked) -> Reading:  # Any: JSON
    """Return the session of a recording; raises ``CredentialFormatError`` naming the part that cannot be read."""
    exchanges = _in_order(_recording(decoded, asked.source).entries)
    reading = _played(exchanges, asked.sites or _first_site(exchanges))
    if reading.is_empty and not reading.skipped:
        raise CredentialFormatError(
            f"{asked.source}: expected cookies in the HAR, found none in {len(exchanges)} requests; browsers leave them"
            " out unless told: export the HAR with sensitive data, after the login"
        )
    return reading


def _recording(decoded: Mapping[str, Any], source: str) -> Recording:  # Any: JSON
    try:
        return msgspec.convert(decoded["log"], Recording)
    except msgspec.ValidationError as error:
        found = re.search(r"`\$([\w.\[\]]*)`$", str(error))  # a path of keys and numbers, never a value
        raise CredentialFormatError(
            f"{source}: expected a HAR, found another kind of value in its log{found[1] if found else ''}"
        ) from None


def _played(exchanges: list[tuple[Entry, str]], sites: tuple[str, ...]) -> Reading:
    """Return what the browser has of *sites* after all *exchanges*."""
    jar = CookieJar()
    for entry, host in exchanges:
        _play(entry, host, jar)
    headers, skipped = _login_headers(exchanges, sites)
    hosts = sorted({cookie.domain for cookie in jar.cookies if not narrow(cookie, sites)})
    outside = (Skipped(kind="host", name=host, reason=OUTSIDE) for host in hosts)
    agents = [
        agent for entry, host in exchanges if _covers(sites, host) for agent in entry.request.values("user-agent")
    ]
    return Reading(
        form="a HAR",
        sites=sites,
        cookies=tuple(cookie for cookie in jar.cookies if narrow(cookie, sites)),
        headers=merged_headers(headers),
        skipped=tuple(dict.fromkeys((*jar.skipped, *skipped, *outside))),
        user_agent=agents[-1] if agents else None,
        captured_at=max((entry.at for entry, _ in exchanges if entry.at is not None), default=None),
    )


def _in_order(entries: list[Entry]) -> list[tuple[Entry, str]]:
    """Return the entries that went to the web, by their time, with their hosts; without one it keeps its place."""
    timed = []
    last = 0.0
    for entry in entries:
        last = last if entry.at is None else entry.at
        origin = origin_of(entry.request.url)
        if origin is not None:
            timed.append((last, entry, host_of_origin(origin)))
    return [(entry, host) for _, entry, host in sorted(timed, key=lambda one: one[0])]


def _first_site(exchanges: list[tuple[Entry, str]]) -> tuple[str, ...]:
    hosts = [host for entry, host in exchanges if entry.is_document] or [host for _, host in exchanges]
    return tuple(registrable_domain(host) for host in hosts[:1])


def _covers(sites: tuple[str, ...], host: str) -> bool:
    return any(domain_matches(host, site) for site in sites)


def _play(entry: Entry, host: str, jar: CookieJar) -> None:
    """Do with *jar* what the browser did with its own."""
    parts = urlsplit(entry.request.url)
    path = parts.path or "/"
    for name, value in _sent(entry.request):
        jar.saw(name, value, host=host, path=path, is_secure=parts.scheme == "https")
    lines = [line for value in entry.response.values("set-cookie") for line in value.split("\n")]
    for line in lines:
        jar.put(read_set_cookie(line, host=host, path=path, at=entry.at), name=line.partition("=")[0], at=entry.at)
    for one in () if lines else entry.response.cookies:
        text = one.spelled()
        found = "bad value" if text is None else read_set_cookie(text, host=host, path=path, at=entry.at)
        if isinstance(found, Cookie):
            found = msgspec.structs.replace(found, expires=read_moment(one.expires or ""))
        jar.put(found, name=one.name, at=entry.at)


def _sent(request: Message) -> list[tuple[str, str]]:
    headers = request.values("cookie")
    if headers:
        return [pair for header in headers for pair in read_cookie_pairs(header)]
    return [(one.name, one.value or "") for one in request.cookies]


def _login_headers(
    exchanges: list[tuple[Entry, str]], sites: tuple[str, ...]
) -> tuple[list[OriginHeader], list[Skipped]]:
    """Return the headers with which requests logged in, and which of them are of no use."""
    kept: list[OriginHeader] = []
    skipped: list[Skipped] = []
    for entry, host in exchanges:
        for one in entry.request.headers:
            if one.name.lower() not in LOGS_IN or not one.value:
                continue
            reason = why_left_out(one.name, one.value)
            if not _covers(sites, host):
                skipped.append(Skipped(kind="host", name=host, reason=OUTSIDE))
            elif reason is not None:
                skipped.append(Skipped(kind="header", name=one.name, reason=reason))
            else:
                made, faults = origin_headers(one.name, one.value, [origin_of(entry.request.url) or ""])
                kept += made
                skipped += faults
    return kept, skipped
