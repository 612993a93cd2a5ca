"""Owns how a session's format is recognised: it is never asked, and each has a module of its own.

cookies.txt, cookies as JSON, Playwright's ``storage_state``, HAR, request headers, a curl command, and the payload of
a browser extension. No message quotes what a file holds (I16).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from .cookie_json import read_cookie_list
from .cookies_txt import read_cookies_txt
from .curl_commands import looks_like_curl, read_curl
from .errors import CredentialFormatError
from .har import read_har
from .original_payload import MARKS, read_payload
from .pasted_headers import looks_like_headers, read_pasted_headers
from .session_reading import FORMATS, Asked, Reading
from .storage_state import read_storage_state
from .wrong_files import is_packed, why_no_session, why_no_text

MAX_FILE_BYTES = 100_000_000  # a HAR holds the bodies too


def read_session(content: str | bytes, *, source: str, sites: Sequence[str] = (), host: str | None = None) -> Reading:
    """Return what a session file holds; raises ``CredentialFormatError`` naming *source* and the place.

    *sites* are canonical. Cookies that name no domain are for *host*, else for each of the sites.
    """
    asked = Asked(source=source, sites=tuple(sites), host=host)
    text = content if isinstance(content, str) else _decoded(content, source)
    reading = _read(text, asked)
    if reading.is_empty and not reading.skipped:
        raise CredentialFormatError(f"{source}: expected {FORMATS}, found no cookie in it; log in first, then export")
    return reading


def read_session_file(path: str | os.PathLike[str], *, sites: Sequence[str] = (), host: str | None = None) -> Reading:
    """Return what the file at *path* holds, as ``read_session`` does; a pipe or a device is one too."""
    asked = f"asked to read a session from {path}"
    try:
        with Path(path).expanduser().open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)  # a pipe and a device have no size to ask for
    except RuntimeError:  # of expanduser
        raise CredentialFormatError(f"{asked}, found no user of that name; check the path") from None
    except OSError as error:
        raise CredentialFormatError(f"{asked}, found {error.strerror}; check the path and its rights") from error
    return read_session(content, source=str(path), sites=sites, host=host)


def _decoded(content: bytes, source: str) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise CredentialFormatError(
            f"asked to read a session from {source}, found more than {MAX_FILE_BYTES:,} bytes; name a cookies file"
        )
    if not is_packed(content):
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass  # the error would hold the content
    raise CredentialFormatError(f"asked to read a session from {source}, found {why_no_text(content)}")


def _read(text: str, asked: Asked) -> Reading:
    stripped = text.lstrip("\ufeff \t\r\n")
    if stripped[:1] in ("{", "["):
        return _read_json(stripped, asked)
    reason = why_no_session(stripped)
    if reason is not None:
        place = f"{asked.source}, line 1" if stripped else asked.source
        raise CredentialFormatError(f"{place}: expected {FORMATS}, found {reason}")
    if looks_like_curl(stripped):
        return read_curl(stripped, asked)
    return read_pasted_headers(stripped, asked) if looks_like_headers(stripped) else read_cookies_txt(text, asked)


def _read_json(text: str, asked: Asked) -> Reading:
    try:
        decoded: Any = msgspec.json.decode(text)  # Any: JSON
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise CredentialFormatError(
            f"{asked.source}: expected {FORMATS}, found JSON that cannot be read; export it again"
        ) from None
    if isinstance(decoded, list):
        return read_cookie_list(decoded, asked)
    log = decoded.get("log")
    if isinstance(log, dict) and "entries" in log:
        return read_har(decoded, asked)
    if MARKS & decoded.keys():
        return read_payload(decoded, asked)
    if isinstance(decoded.get("cookies"), list) or isinstance(decoded.get("origins"), list):
        return read_storage_state(decoded, asked)
    raise CredentialFormatError(f"{asked.source}: expected {FORMATS}, found JSON of another kind")
