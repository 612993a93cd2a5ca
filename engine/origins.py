"""Owns origins: scheme, host and port, which a header or a storage belongs to (RFC 6454, 4)."""

from __future__ import annotations

from urllib.parse import urlsplit

from .cookies import read_host
from .errors import CredentialError, UrlError

DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """Return the origin of an http or https URL in canonical form, without a default port; None for what has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = read_host(f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "")
    except (ValueError, UrlError):
        return None
    if parts.scheme not in DEFAULT_PORTS:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}")


def checked_origin(text: str) -> str:
    """Return an origin in canonical form; raises ``CredentialError``, which quotes no more of *text* than its host."""
    found = origin_of(text)
    if found is None:
        raise CredentialError(
            "an origin is a scheme, host and port such as https://wiki.example:8443, found another text"
        )
    if text.rstrip("/").count("/") > 2 or "@" in text or "?" in text or "#" in text:
        raise CredentialError(f"an origin has no user, path or query, found one; write {found!r}")
    return found


def host_of_origin(origin: str) -> str:
    """Return the host of a canonical origin, an IPv6 address without its brackets."""
    return urlsplit(origin).hostname or ""
