"""Owns the two headers that carry cookies: ``Cookie`` from a browser and ``Set-Cookie`` to one (RFC 6265bis)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .cookie_dates import read_cookie_date
from .cookies import Cookie, SameSite, domain_matches, read_host
from .errors import UrlError
from .hosts import is_public_suffix, registrable_domain
from .secret import Secret

MAX_ATTRIBUTE_LENGTH = 1024  # RFC 6265bis, 5.6
SAME_SITE: Mapping[str, SameSite] = {"strict": "Strict", "lax": "Lax", "none": "None"}

_SPACE = " \t"
_MAX_AGE = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def read_cookie_pairs(header: str) -> list[tuple[str, str]]:
    """Return the names and values of a ``Cookie`` header; what has no equals sign is a value without a name."""
    pairs = []
    for part in header.split(";"):
        name, equals, value = part.strip(_SPACE).partition("=")
        if name or value:
            pairs.append((name.strip(_SPACE), value.strip(_SPACE)) if equals else ("", name))
    return pairs


def cookies_of_header(header: str, *, host: str, is_secure: bool) -> tuple[Cookie, ...]:
    """Return what a ``Cookie`` header to *host* holds: for that host alone, for it says no more."""
    return tuple(
        Cookie(name=name, value=Secret(value), domain=host, host_only=True, secure=is_secure)
        for name, value in read_cookie_pairs(header)
    )


def read_set_cookie(header: str, *, host: str, path: str, at: float | None) -> Cookie | str:
    """Return the cookie that a response of *host* for *path* sets at the time *at*, or why a browser ignores it.

    Follows RFC 6265bis, 5.6 and 5.7; a lifetime that is counted from an unknown time is taken for a session's.
    """
    pair, *parts = header.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    attributes = dict(map(_attribute, parts))
    domain = _domain(attributes.get("domain", ""), host)
    if domain is None:
        return "domain of another host"
    if domain != host and is_public_suffix(domain):
        return "public suffix"
    is_host_only = not attributes.get("domain") or is_public_suffix(domain)
    given_path = attributes.get("path", "")
    return Cookie(
        name=name.strip(_SPACE),
        value=Secret(value.strip(_SPACE)),
        domain=domain,
        host_only=is_host_only,
        path=given_path if given_path.startswith("/") else default_path(path),
        expires=_expires(attributes, at),
        secure="secure" in attributes,
        http_only="httponly" in attributes,
        same_site=SAME_SITE.get(attributes.get("samesite", "").lower()),
        partition_key=f"https://{registrable_domain(host)}" if "partitioned" in attributes else None,
    )


def default_path(path: str) -> str:
    """Return the path of a cookie that a response for *path* sets without one (RFC 6265bis, 5.1.4)."""
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def _attribute(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    stripped = value.strip(_SPACE)
    return (name.strip(_SPACE).lower(), stripped) if len(stripped) <= MAX_ATTRIBUTE_LENGTH else ("", "")


def _domain(text: str, host: str) -> str | None:
    """Return the host that a ``Domain`` attribute names, or None where *host* may not set a cookie for it."""
    try:
        domain = read_host(text.removeprefix(".")) if text.removeprefix(".") else host
    except UrlError:
        return None
    return domain if domain_matches(host, domain) else None


def _expires(attributes: Mapping[str, str], at: float | None) -> float | None:
    if _MAX_AGE.fullmatch(attributes.get("max-age", "")):
        seconds = int(attributes["max-age"])
        if seconds <= 0:
            return 0.0
        return None if at is None else at + seconds
    return read_cookie_date(attributes["expires"]) if "expires" in attributes else None
