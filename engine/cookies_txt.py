"""Owns cookies.txt, the format of Netscape, curl, wget and yt-dlp: with and without its first line.

``#HttpOnly_`` before a domain is curl's; an expiry of 0 is how the format writes a session cookie; spaces in the place
of tabs are what a clipboard or an editor makes of them.
"""

from __future__ import annotations

import re

from .cookies import Cookie
from .errors import CredentialFormatError
from .secret import Secret
from .session_reading import FORMATS, Asked, Reading, read_domain, read_seconds

HTTP_ONLY = "#HttpOnly_"
FIELDS = 7  # domain, subdomains, path, secure, expiry, name, value
FLAGS = {"TRUE": True, "FALSE": False}


def read_cookies_txt(text: str, asked: Asked) -> Reading:
    """Return the cookies of a cookies.txt; raises ``CredentialFormatError`` naming the line."""
    cookies: list[Cookie] = []
    for number, line in enumerate(text.lstrip("\ufeff").split("\n"), 1):  # splitlines() also splits within values
        is_http_only = line.startswith(HTTP_ONLY)
        content = line.removeprefix(HTTP_ONLY).rstrip("\r")
        if content.strip() and (is_http_only or not content.startswith("#")):
            cookies.append(_cookie(content, f"{asked.source}, line {number}", http_only=is_http_only))
    return Reading(form="cookies.txt", cookies=tuple(cookies))


def _cookie(line: str, place: str, *, http_only: bool) -> Cookie:
    domain, subdomains, path, secure, expiry, name, value = _fields(line, place)
    expires = read_seconds(expiry, f"{place}: its expiry")
    return Cookie(
        name=name.strip(),
        value=Secret(value.strip(" \t")),  # RFC 6265bis, 5.6
        domain=read_domain(domain, place),
        host_only=not FLAGS[subdomains.upper()] and not domain.startswith("."),
        path=path if path.startswith("/") else "/",
        expires=expires if expires > 0 else None,
        secure=FLAGS[secure.upper()],
        http_only=http_only,
    )


def _fields(line: str, place: str) -> list[str]:
    fields = line.split("\t", FIELDS - 1) if "\t" in line else re.split(r" +", line.strip(), maxsplit=FIELDS - 1)
    is_short = len(fields) == FIELDS - 1
    if is_short:
        fields.append("")  # an empty value, whose tab an editor took away
    is_cookie = len(fields) == FIELDS and fields[1].upper() in FLAGS and fields[3].upper() in FLAGS
    if is_cookie and not (is_short and not _is_number(fields[4])):
        return fields
    if is_short or ("\t" in line and len(fields) != FIELDS):
        raise CredentialFormatError(
            f"{place}: expected {FIELDS} fields with tabs between them (domain, subdomains, path, secure, expiry, name,"
            f" value), found {FIELDS - 1 if is_short else len(fields)}; export the cookies again"
        )
    raise CredentialFormatError(f"{place}: expected {FORMATS}, found a line of another kind; export the cookies again")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+(\.\d*)?\s*", text) is not None
