"""Owns the formats that sessions come in; which one a file has is recognised, not asked.

Netscape's cookies.txt (with and without its first line), Playwright's ``storage_state``, and the JSON of browser
extensions, which is that of ``chrome.cookies``. No message quotes what a file holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from .cookies import Cookie, SameSite, from_playwright
from .errors import CredentialFormatError
from .secret import Secret

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


def read_session(text: str, *, source: str) -> tuple[Cookie, ...]:
    """Return all cookies of a session file; raises ``CredentialFormatError`` naming *source* and the place."""
    stripped = text.lstrip("\ufeff \t\r\n")
    cookies = _from_json(stripped, source) if stripped[:1] in ("{", "[") else _from_lines(text, source)
    if not cookies:
        raise CredentialFormatError(f"{source}: expected {FORMATS}, found no cookie in it; log in first, then export")
    return cookies


def _from_lines(text: str, source: str) -> tuple[Cookie, ...]:
    cookies: list[Cookie] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        is_http_only = line.startswith(HTTP_ONLY)
        content = line.removeprefix(HTTP_ONLY).rstrip("\r\n") if is_http_only else line.rstrip("\r\n")
        if content.strip() and (is_http_only or not content.startswith("#")):
            cookies.append(_from_line(content, f"{source}, line {number}", http_only=is_http_only))
    return tuple(cookies)


def _from_line(line: str, place: str, *, http_only: bool) -> Cookie:
    fields = line.split("\t") if "\t" in line else re.split(r" +", line.strip(), maxsplit=FIELDS - 1)
    if len(fields) == FIELDS - 1:
        fields.append("")  # an empty value, whose tab an editor took away
    if len(fields) != FIELDS or fields[1].upper() not in FLAGS or fields[3].upper() not in FLAGS:
        raise CredentialFormatError(
            f"{place}: expected {FORMATS}, found a line of another kind; export the cookies again"
        )
    domain, subdomains, path, secure, expiry, name, value = fields
    expires = _number(expiry, f"{place}: its expiry")
    return Cookie(
        name=name,
        value=Secret(value),
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
    except msgspec.DecodeError as error:
        raise CredentialFormatError(
            f"{source}: expected {FORMATS}, found JSON that breaks off; export it again"
        ) from error
    if isinstance(decoded, dict) and isinstance(decoded.get("cookies"), list):
        items, read = decoded["cookies"], _from_state
    elif isinstance(decoded, list):
        items, read = decoded, _from_extension
    else:
        raise CredentialFormatError(f"{source}: expected {FORMATS}, found JSON of another kind")
    return tuple(_read(read, item, f"{source}, cookie {index}") for index, item in enumerate(items, 1))


def _read(read: Any, item: object, place: str) -> Cookie:
    if not isinstance(item, dict):
        raise CredentialFormatError(f"{place}: expected an object, found a {type(item).__name__}")
    for key in ("name", "value", "domain"):
        if not isinstance(item.get(key), str):
            raise CredentialFormatError(f"{place}: expected a text under {key!r}, found none; export the session again")
    cookie: Cookie = read(item, place)
    return cookie


def _from_state(item: Mapping[str, Any], place: str) -> Cookie:
    same_site = _same_site(item, place)
    expires = _number(item.get("expires", -1), f"{place}: its expiry")
    _domain(item["domain"], place)
    return from_playwright({**item, "expires": expires, "sameSite": same_site})


def _from_extension(item: Mapping[str, Any], place: str) -> Cookie:
    domain = item["domain"]
    expires = item.get("expirationDate")
    is_session = bool(item.get("session", expires is None)) or expires is None
    return Cookie(
        name=item["name"],
        value=Secret(item["value"]),
        domain=_domain(domain, place),
        host_only=bool(item.get("hostOnly", not domain.startswith("."))),
        path=str(item.get("path") or "/"),
        expires=None if is_session else _number(expires, f"{place}: its expirationDate"),
        secure=bool(item.get("secure", False)),
        http_only=bool(item.get("httpOnly", False)),
        same_site=_same_site(item, place),
    )


def _same_site(item: Mapping[str, Any], place: str) -> SameSite | None:
    found = item.get("sameSite")
    word = "" if found is None else str(found).lower()
    if word not in SAME_SITE:
        raise CredentialFormatError(
            f"{place}: expected {', '.join(sorted(SAME_SITE)[1:])} under 'sameSite', found another word"
        )
    return SAME_SITE[word]


def _domain(domain: str, place: str) -> str:
    bare = domain.strip().removeprefix(".").lower()
    if not bare or (any(character in bare for character in "/:@ ") and not bare.startswith("[")):
        raise CredentialFormatError(f"{place}: expected a host as its domain, found another text")
    return bare


def _number(value: object, place: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever it is, float judges
    except (TypeError, ValueError):
        raise CredentialFormatError(f"{place}: expected seconds since 1970, found no number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise CredentialFormatError(f"{place}: expected seconds since 1970, found no number")
    return number
