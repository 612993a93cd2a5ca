"""Owns cookies as JSON: as Playwright and Selenium spell them, and as ``chrome.cookies`` and the extensions do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cookies import Cookie, SameSite
from .errors import CredentialFormatError
from .secret import Secret
from .session_reading import Asked, Reading, read_domain, read_flag, read_items, read_seconds, read_text

SAME_SITE: Mapping[str, SameSite | None] = {
    "strict": "Strict",
    "lax": "Lax",
    "none": "None",
    "no_restriction": "None",
    "unspecified": None,
    "": None,
}
EXPIRIES = ("expires", "expiry", "expirationDate")  # Playwright's, Selenium's, and the extensions'


def read_cookie_list(items: list[Any], asked: Asked) -> Reading:  # Any: JSON
    """Return the cookies of a JSON list; raises ``CredentialFormatError`` naming the cookie by its number."""
    return Reading(form="a JSON list of cookies", cookies=read_cookie_items(items, asked.source))


def read_cookie_items(found: object, source: str, *, host: str | None = None) -> tuple[Cookie, ...]:
    """Return cookies of a JSON list; those without a domain are of *host*, if there is one."""
    return tuple(_cookie(item, place, host) for item, place in read_items(found, source, "cookie"))


def _cookie(item: Mapping[str, Any], place: str, host: str | None) -> Cookie:
    name, value = read_text(item, "name", place), read_text(item, "value", place)
    has_host = bool(item.get("domain")) or host is None
    domain = read_text(item, "domain", place) if has_host else str(host)
    return Cookie(
        name=name,
        value=Secret(value),
        domain=read_domain(domain, place),
        host_only=read_flag(item, "hostOnly", place, default=not domain.startswith(".")) if has_host else True,
        path=str(item.get("path") or "/"),
        expires=_expires(item, place),
        secure=read_flag(item, "secure", place),
        http_only=read_flag(item, "httpOnly", place),
        same_site=_same_site(item, place),
        partition_key=_partition_key(item),
    )


def _expires(item: Mapping[str, Any], place: str) -> float | None:
    key = next((key for key in EXPIRIES if key in item), EXPIRIES[0])
    if item.get(key) is None or read_flag(item, "session", place):
        return None
    number = read_seconds(item[key], f"{place}: its {key}")
    return None if number < 0 else number  # -1 is how Playwright writes a session cookie; 0 is long past


def _partition_key(item: Mapping[str, Any]) -> str | None:
    found = item.get("partitionKey")
    site = found.get("topLevelSite") if isinstance(found, dict) else found
    return None if site is None else str(site)


def _same_site(item: Mapping[str, Any], place: str) -> SameSite | None:
    found = item.get("sameSite")
    word = "" if found is None else str(found).lower()
    if word not in SAME_SITE:
        raise CredentialFormatError(
            f"{place}: expected {', '.join(sorted(SAME_SITE)[1:])} under 'sameSite', found another word"
        )
    return SAME_SITE[word]
