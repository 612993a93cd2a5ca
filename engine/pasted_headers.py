"""Owns what the headers of one request say of a session: pasted alone, or as part of a curl command.

A ``Cookie`` header says neither domain nor path nor any flag. So its cookies are for the request's host alone, and
Secure unless the request was plain http: what was sent over https is not to leave in the clear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from .cookie_headers import cookies_of_header
from .cookies import read_host
from .errors import CredentialError, CredentialFormatError, UrlError
from .origins import DEFAULT_PORTS
from .records import Record
from .secret import Secret
from .session_reading import FORMATS, Asked, Reading, merged_headers
from .sessions import OriginHeader, Skipped

LOGS_IN = frozenset(
    {
        *("authorization", "api-key", "x-api-key", "x-access-token", "x-auth-token", "x-authorization"),
        *("job-token", "private-token", "x-vault-token"),
    }
)
# What a browser sends by itself, and what belongs to one request.
NO_PART_OF_A_SESSION = re.compile(
    "accept|accept-.*|access-control-.*|alt-used|baggage|cache-control|connection|content-.*|cookie|dnt|expect|host|if-.*"
    "|keep-alive|origin|pragma|priority|proxy-.*|purpose|range|referer|sec-.*|te|traceparent|tracestate|trailer"
    "|transfer-encoding|upgrade.*|user-agent|via|x-client-data|x-requested-with|:.*"
)
ONE_REQUEST_SCHEMES = frozenset({"aws4-hmac-sha256", "digest", "dpop", "hawk", "negotiate", "ntlm"})

_HEADER = re.compile(r"(:?[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)", re.DOTALL)
_REQUEST_LINE = re.compile(r"[A-Z]{3,7} \S+( HTTP/[0-9.]+)?")
_BARE_COOKIES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+=[^\s;]*(;[ ]*[!#$%&'*+.^_`|~0-9A-Za-z-]+=[^\s;]*)*;?")


class Request(Record, frozen=True, kw_only=True):
    """Whom a request went to; an unknown port is the scheme's own."""

    hosts: tuple[str, ...]
    scheme: str = "https"
    port: int | None = None

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of it, canonical."""
        port = "" if self.port in (None, DEFAULT_PORTS[self.scheme]) else f":{self.port}"
        return tuple(f"{self.scheme}://{f'[{host}]' if ':' in host else host}{port}" for host in self.hosts)


def looks_like_headers(text: str) -> bool:
    """Return whether *text* is request headers, one a line, or what stands behind ``Cookie:`` alone."""
    first = text.strip().partition("\n")[0].strip()
    if first.count("\t") > 1:
        return False  # a line of cookies.txt
    found = _HEADER.fullmatch(first)
    if found and found[1].lower() in {"http", "https"} and found[2].startswith("//"):
        return False  # a URL
    return bool(found or _REQUEST_LINE.fullmatch(first) or _BARE_COOKIES.fullmatch(text.strip()))


def read_pasted_headers(text: str, asked: Asked) -> Reading:
    """Return the session of request headers; raises ``CredentialFormatError`` naming the line, or asking for a site."""
    stripped = text.strip()
    if _BARE_COOKIES.fullmatch(stripped):
        stripped = f"Cookie: {stripped}"
    headers = list(_headers(stripped, asked.source))
    named = [value for name, value in headers if name.lower() in ("host", ":authority")]
    request = _request(named[0], asked) if named else Request(hosts=asked.hosts)
    if not request.hosts:
        raise CredentialFormatError(
            f"{asked.source}: expected the site beside a Cookie header, which does not say whose it is, found none;"
            " name the host, with --site on the command line or as sites in Python"
        )
    return session_of_request(headers, request, form="request headers")


def session_of_request(headers: Sequence[tuple[str, str]], request: Request, *, form: str) -> Reading:
    """Return the session that the headers of *request* carry; *form* is what people call the text that had them."""
    kept: list[OriginHeader] = []
    skipped: list[Skipped] = []
    for name, value in headers:
        reason = why_left_out(name, value)
        if reason is not None:
            skipped.append(Skipped(kind="header", name=name, reason=reason))
        elif name.lower() in LOGS_IN:
            made, faults = origin_headers(name, value, request.origins)
            kept += made
            skipped += faults
    is_secure = request.scheme == "https"
    return Reading(
        form=form,
        sites=request.hosts,
        cookies=tuple(
            cookie
            for name, value in headers
            if name.lower() == "cookie"
            for host in request.hosts
            for cookie in cookies_of_header(value, host=host, is_secure=is_secure)
        ),
        headers=merged_headers(kept),
        skipped=tuple(skipped),
        user_agent=next((value for name, value in headers if name.lower() == "user-agent" and value), None),
    )


def origin_headers(name: str, value: str, origins: Iterable[str]) -> tuple[list[OriginHeader], list[Skipped]]:
    """Return the header for each of *origins*, or why there is none."""
    try:
        return [OriginHeader(origin=origin, name=name, value=Secret(value)) for origin in origins], []
    except CredentialError:
        return [], [Skipped(kind="header", name=name, reason="characters that a header cannot have")]


def why_left_out(name: str, value: str) -> str | None:
    """Return why a header that may log in does not do so for long; None for one that does, or never would."""
    lowered = name.lower()
    if lowered == "authorization" and value.partition(" ")[0].lower() in ONE_REQUEST_SCHEMES:
        return "made for one request"
    if lowered not in LOGS_IN and not NO_PART_OF_A_SESSION.fullmatch(lowered):
        return "not known to log in; give it by itself where it does"
    return None


def _headers(text: str, source: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        content = line.strip()
        found = _HEADER.fullmatch(content)
        if found:
            yield found[1], found[2].strip(" \t")
        elif content and not (number == 1 and _REQUEST_LINE.fullmatch(content)):
            raise CredentialFormatError(
                f"{source}, line {number}: expected a header such as Cookie: name=value, found another line;"
                f" expected {FORMATS}"
            )


def _request(named: str, asked: Asked) -> Request:
    name, colon, port = named.rpartition(":")
    has_port = bool(colon) and port.isascii() and port.isdigit() and int(port[:6]) < 65_536
    try:
        return Request(hosts=(read_host(name if has_port else named),), port=int(port[:6]) if has_port else None)
    except UrlError:
        raise CredentialFormatError(f"{asked.source}: expected a host in its Host header, found another text") from None
