"""Owns the formats that sessions come in; which one a file has is recognised, not asked.

Netscape's cookies.txt (with and without its first line), Playwright's ``storage_state`` or the list of cookies in it,
and the JSON of browser extensions, which is that of ``chrome.cookies``. No message quotes what a file holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from .cookies import Cookie, SameSite, read_host
from .errors import CredentialFormatError, UrlError
from .secret import Secret
from .sessions import Session

HTTP_ONLY = "#HttpOnly_"
FIELDS = 7  # domain, subdomains, path, secure, expiry, name, value
FLAGS = {"TRUE": True, "FALSE": False}
SAME_SITE: Mapping[str, SameSite | None] = {
    "strict": "Strict",
    "lax": "Lax",
    "none": "None",
    "no_restriction": "None",
    "unspecified": None,
    "": None,
}
FORMATS = "cookies.txt, Playwright's storage_state or a browser extension's JSON"


def read_session(text: str, *, source: str) -> Session:
    """Return what a session file holds; raises ``CredentialFormatError`` naming *source* and the place."""
    stripped = text.lstrip("\ufeff \t\r\n")
    cookies = _from_json(stripped, source) if stripped[:1] in ("{", "[") else _from_lines(text, source)
    if not cookies:
        raise CredentialFormatError(f"{source}: expected {FORMATS}, found no cookie in it; log in first, then export")
    return Session(cookies=cookies)


def _from_lines(text: str, source: str) -> tuple[Cookie, ...]:
    cookies: list[Cookie] = []
    for number, line in enumerate(text.lstrip("\ufeff").split("\n"), 1):  # splitlines() also splits within values
        is_http_only = line.startswith(HTTP_ONLY)
        content = line.removeprefix(HTTP_ONLY).rstrip("\r")
        if content.strip() and (is_http_only or not content.startswith("#")):
            cookies.append(_from_line(content, f"{source}, line {number}", http_only=is_http_only))
    return tuple(cookies)


def _from_line(line: str, place: str, *, http_only: bool) -> Cookie:
    fields = line.split("\t", FIELDS - 1) if "\t" in line else re.split(r" +", line.strip(), maxsplit=FIELDS - 1)
    if len(fields) == FIELDS - 1:
        fields.append("")  # an empty value, whose tab an editor took away
    if len(fields) != FIELDS or fields[1].upper() not in FLAGS or fields[3].upper() not in FLAGS:
        raise CredentialFormatError(
            f"{place}: expected {FORMATS}, found a line of another kind; export the cookies again"
        )
    domain, subdomains, path, secure, expiry, name, value = fields
    expires = _number(expiry, f"{place}: its expiry")
    return Cookie(
        name=name.strip(),
        value=Secret(value.strip(" \t")),  # RFC 6265bis, 5.6
        domain=_domain(domain, place),
        host_only=not FLAGS[subdomains.upper()] and not domain.startswith("."),
        path=path if path.startswith("/") else "/",
        expires=expires if expires > 0 else None,  # 0 is how the format writes a session cookie
        secure=FLAGS[secure.upper()],
        http_only=http_only,
    )


def _from_json(text: str, source: str) -> tuple[Cookie, ...]:
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise CredentialFormatError(
            f"{source}: expected {FORMATS}, found JSON that cannot be read; export it again"
        ) from None
    items = decoded.get("cookies") if isinstance(decoded, dict) else decoded
    if not isinstance(items, list):
        raise CredentialFormatError(f"{source}: expected {FORMATS}, found JSON of another kind")
    return tuple(_from_item(item, f"{source}, cookie {index}") for index, item in enumerate(items, 1))


def _from_item(item: object, place: str) -> Cookie:
    """Read one cookie as Playwright writes it (``expires``) or as an extension does (``expirationDate``)."""
    if not isinstance(item, dict):
        raise CredentialFormatError(f"{place}: expected an object, found a {type(item).__name__}")
    for key in ("name", "value", "domain"):
        if not isinstance(item.get(key), str):
            raise CredentialFormatError(f"{place}: expected a text under {key!r}, found none; export the session again")
    return Cookie(
        name=item["name"],
        value=Secret(item["value"]),
        domain=_domain(item["domain"], place),
        host_only=_flag(item, "hostOnly", place, default=not item["domain"].startswith(".")),
        path=str(item.get("path") or "/"),
        expires=_expires(item, place),
        secure=_flag(item, "secure", place),
        http_only=_flag(item, "httpOnly", place),
        same_site=_same_site(item, place),
        partition_key=_partition_key(item),
    )


def _expires(item: Mapping[str, Any], place: str) -> float | None:
    key = "expires" if "expires" in item else "expirationDate"
    if item.get(key) is None or _flag(item, "session", place):
        return None
    number = _number(item[key], f"{place}: its {key}")
    return None if number < 0 else number  # -1 is how Playwright writes a session cookie; 0 is long past


def _flag(item: Mapping[str, Any], key: str, place: str, *, default: bool = False) -> bool:
    found = item.get(key)
    if not isinstance(found, bool | None):
        raise CredentialFormatError(f"{place}: expected true or false under {key!r}, found a {type(found).__name__}")
    return default if found is None else found


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


def _domain(domain: str, place: str) -> str:
    try:
        return read_host(domain.strip().removeprefix("."))
    except UrlError:
        raise CredentialFormatError(f"{place}: expected a host as its domain, found another text") from None


def _number(value: object, place: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever it is, float judges
    except (TypeError, ValueError, OverflowError):
        raise CredentialFormatError(f"{place}: expected seconds since 1970, found no number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise CredentialFormatError(f"{place}: expected seconds since 1970, found no number")
    return number
