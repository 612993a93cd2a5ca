"""Owns what a cookie is, where it may go, and its two spellings: ours and the browser's (RFC 6265bis).

Holds I17 together with the credential's scope: a cookie that would also go to hosts outside the credential's sites is
narrowed to them before it reaches a browser. What Chromium would refuse or drop in silence is skipped with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from .hosts import canonical_host, canonical_ipv6, is_ip_address, is_public_suffix
from .records import Record
from .secret import Secret

MAX_BYTES = 4096  # of name and value together, RFC 6265bis, 5.6
MAX_PATH_BYTES = 1024  # RFC 6265bis, 5.6
MAX_AGE_S = 400 * 86_400.0  # RFC 6265bis, 5.5: no cookie lives longer
SESSION = -1  # what Playwright calls a cookie without an expiry

SameSite = Literal["Strict", "Lax", "None"]

_NEVER_SENT = re.compile("[\x00-\x1f\x7f;\ud800-\udfff]")  # control characters, the separator, half pairs


class Cookie(Record, frozen=True, kw_only=True):
    """One cookie; its value shows nowhere."""

    name: str
    value: Secret
    domain: str  # a canonical host, without a leading dot or brackets
    host_only: bool  # whether it goes to that host alone, or to its subdomains too
    path: str = "/"
    expires: float | None = None  # seconds since the epoch; None lives as long as the browser
    secure: bool = False
    http_only: bool = False
    same_site: SameSite | None = None
    partition_key: str | None = None  # the top-level site that it was set under; such cookies are kept and not sent


class CookieAdmission(Record, frozen=True, kw_only=True):
    """Which cookies may be used, and why the others may not."""

    kept: tuple[Cookie, ...]
    skipped: tuple[tuple[str, str], ...]  # name and reason
    narrowed: tuple[tuple[str, str, tuple[str, ...]], ...] = ()  # name, the domain that it had, and the sites


def read_host(text: str) -> str:
    """Return a host, an IPv6 address with or without brackets, in canonical form; raises ``UrlError``."""
    return canonical_ipv6(text[1:-1]) if text.startswith("[") and text.endswith("]") else canonical_host(text)


def domain_matches(host: str, domain: str) -> bool:
    """Return whether *host* is *domain* or lies under it (RFC 6265bis, 5.1.3).

    An IP address and a single label only match themselves; browsers take a lone label for a public suffix.
    """
    return host == domain or (_has_subdomains(domain) and host.endswith(f".{domain}") and not is_ip_address(host))


def admit(cookies: Sequence[Cookie], *, sites: Sequence[str], now: float) -> CookieAdmission:
    """Return what of *cookies* may be used for *sites*, each narrowed to them; of two alike the last is kept.

    A cookie of a parent domain (``.example.com`` for the site ``www.example.com``) becomes one of the site. Alike are
    those that a browser would keep in one place (RFC 6265bis, 5.7).
    """
    kept: dict[tuple[str, str, bool, str], Cookie] = {}
    skipped: list[tuple[str, str]] = []
    wider: list[tuple[str, str, tuple[str, ...]]] = []
    for cookie in cookies:
        reason = why_skipped(cookie, now)
        narrowed = narrow(cookie, sites) if reason is None else ()
        if reason is None and not narrowed:
            reason = "outside the credential's sites"
        if reason is not None:
            skipped.append((cookie.name, reason))
        domains = tuple(one.domain for one in narrowed)
        if domains and domains != (cookie.domain,):
            wider.append((cookie.name, cookie.domain, domains))
        for one in narrowed:
            key = (one.name, one.domain, one.host_only, one.path)
            if key in kept:
                skipped.append((one.name, "repeated"))
            kept[key] = one
    return CookieAdmission(kept=tuple(kept.values()), skipped=tuple(skipped), narrowed=tuple(wider))


def why_skipped(cookie: Cookie, now: float) -> str | None:
    """Return why a browser would not take or send *cookie*, or None."""
    if cookie.expires is not None and cookie.expires <= now:
        return "expired"
    if not cookie.name and not cookie.value:
        return "empty"
    if "=" in cookie.name or not (_is_sendable(cookie.name) and _is_sendable(cookie.value.reveal())):
        return "characters that a cookie cannot have"
    if len(cookie.name.encode()) + len(cookie.value.reveal().encode()) > MAX_BYTES:
        return "too large"
    if not (cookie.path.startswith("/") and _is_sendable(cookie.path) and len(cookie.path.encode()) <= MAX_PATH_BYTES):
        return "bad path"
    if cookie.partition_key is not None:
        return "partitioned"
    if cookie.same_site == "None" and not cookie.secure:
        return "SameSite=None without Secure"
    if not cookie.host_only and is_public_suffix(cookie.domain):
        return "public suffix"
    return _why_prefix_refused(cookie)


def narrow(cookie: Cookie, sites: Sequence[str]) -> tuple[Cookie, ...]:
    """Return *cookie* as it goes to *sites* and to no other host; empty when it goes to none of them."""
    if any(domain_matches(cookie.domain, site) for site in sites):
        is_alone = cookie.host_only or not _has_subdomains(cookie.domain)  # a browser would store it so
        return (msgspec.structs.replace(cookie, host_only=is_alone),)
    if cookie.host_only:
        return ()
    under = [site for site in sites if domain_matches(site, cookie.domain)]
    return tuple(msgspec.structs.replace(cookie, domain=site) for site in under)


def to_playwright(cookie: Cookie, *, now: float) -> dict[str, Any]:  # Any: Playwright's own keys
    """Return *cookie* in the browser's spelling; a leading dot means subdomains too, and the value is in the clear."""
    host = f"[{cookie.domain}]" if ":" in cookie.domain else cookie.domain
    spelled: dict[str, Any] = {
        "name": cookie.name,
        "value": cookie.value.reveal(),
        "domain": host if cookie.host_only else f".{host}",
        "path": cookie.path,
        "expires": SESSION if cookie.expires is None else min(cookie.expires, now + MAX_AGE_S),
        "httpOnly": cookie.http_only,
        "secure": cookie.secure,
    }
    if cookie.same_site is not None:
        spelled["sameSite"] = cookie.same_site
    return spelled


def from_playwright(spelled: Mapping[str, Any]) -> Cookie:
    """Return the cookie that the browser spells so."""
    domain = str(spelled["domain"])
    expires = float(spelled.get("expires", SESSION))
    return Cookie(
        name=str(spelled["name"]),
        value=Secret(str(spelled["value"])),
        domain=domain.removeprefix(".").lower().strip("[]"),
        host_only=not domain.startswith("."),
        path=str(spelled.get("path", "/")),
        expires=None if expires < 0 else expires,
        secure=bool(spelled.get("secure", False)),
        http_only=bool(spelled.get("httpOnly", False)),
        same_site=cast(SameSite | None, spelled.get("sameSite")),
        partition_key=spelled.get("partitionKey"),
    )


def _why_prefix_refused(cookie: Cookie) -> str | None:
    """Apply RFC 6265bis, 5.7: a cookie without a name is judged by its value, which is all that a server sees."""
    name = (cookie.name or cookie.value.reveal()).lower()
    if name.startswith("__secure-") and not cookie.secure:
        return "__Secure- without Secure"
    if name.startswith("__host-") and not (cookie.secure and cookie.host_only and cookie.path == "/"):
        return "__Host- without Secure, for more than one host or not for the path /"
    return None


def _has_subdomains(host: str) -> bool:
    return "." in host and not is_ip_address(host)


def _is_sendable(text: str) -> bool:
    """Return whether Chromium takes *text*; it refuses tabs too, which RFC 6265bis allows."""
    return text == text.strip(" ") and not _NEVER_SENT.search(text)
