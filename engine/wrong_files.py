"""Owns what is said of a file that holds no session: what it is, and how to get one from there."""

from __future__ import annotations

import re

_WEB_PAGE = re.compile(r"<(?:!doctype|html|head|body|\?xml|!--|[a-z]+[\s>])", re.IGNORECASE)
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)  # a JSON web token
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def why_no_text(content: bytes) -> str:
    """Return what *content*, which is no UTF-8 or begins as another kind of file, is and what to do."""
    if content.startswith(b"SQLite format 3\0"):
        if b"moz_cookies" in content:
            return "Firefox's own database of cookies; export them with an extension, as cookies.txt or JSON"
        if b"encrypted_value" in content or b"host_key" in content:
            return (
                "Chrome's own database of cookies, whose values it has sealed; export them with an extension, as"
                " cookies.txt or JSON"
            )
        return "an SQLite database; export the cookies as cookies.txt or JSON"
    packed = next((name for magic, name in _PACKED.items() if content.startswith(magic)), None)
    if packed is not None:
        return f"a file that {packed} has packed; unpack it first"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "no text in UTF-8 but UTF-16, as PowerShell writes it; save it as UTF-8"
    return "no text; export the cookies as cookies.txt or JSON"


def is_packed(content: bytes) -> bool:
    """Return whether *content* begins as a file that is no text, even where it could be read as such."""
    return content.startswith((b"SQLite format 3\0", *_PACKED))


def why_no_session(text: str) -> str | None:
    """Return what *text*, whose format is none of those that hold a session, is and what to do; None if unknown."""
    stripped = text.strip()
    if not stripped:
        return "an empty file; log in first, then export"
    if _WEB_PAGE.match(stripped):
        return "a web page; export the cookies of the site, and not the page"
    if stripped.startswith("fetch("):
        return 'a fetch() call, in which browsers leave out the cookies; copy the request "as cURL" instead'
    if re.match(r"\$session *= *New-Object|Invoke-WebRequest", stripped):
        return 'a PowerShell command; copy the request "as cURL" instead'
    if _TOKEN.fullmatch(stripped):
        return "a token alone; store it for an origin with `bequest auth add NAME --bearer ORIGIN`"
    return None
