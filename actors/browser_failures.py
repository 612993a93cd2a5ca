"""Owns what a failed navigation means: Chromium's error names turned into ``PageError`` (pure; no browser)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from ..engine.errors import PageError

NET_ERROR = re.compile(r"net::(ERR_[A-Z0-9_]+)")
CRASHES = ("crashed", "has been closed", "Connection closed")  # in Playwright's messages, for which it has no code
THROUGH_GUARD = frozenset({"ERR_SOCKS_CONNECTION_FAILED", "ERR_SOCKS_CONNECTION_HOST_UNREACHABLE"})
EMPTY_BODY = frozenset({"ERR_INVALID_AUTH_CREDENTIALS", "ERR_HTTP_RESPONSE_CODE_FAILURE"})  # a status, no page


class Failure(NamedTuple):
    """What is said of one kind of failure."""

    reason: str
    is_transient: bool
    found: str


FAILURES: Mapping[str, Failure] = MappingProxyType(
    {
        "timeout": Failure("timeout", True, "no complete answer in time"),
        "dns": Failure("dns", True, "no address for that host; check its spelling and the network"),
        "refused": Failure("refused", True, "that nothing listens there; check that the server runs"),
        "egress": Failure(
            "egress",
            False,
            "an address that is not public; if that is meant, give --allow-private or set allow_private = true",
        ),
        "network": Failure("network", True, "that the connection failed"),
        "crashed": Failure("crashed", True, "that the browser crashed or was closed"),
        "tls": Failure("tls", False, "that no trusted TLS connection can be made; check the server's certificate"),
        "not_html": Failure("not_html", False, "that it is not an HTML page"),
        "too_large": Failure("too_large", False, "a page that is too large"),
        "scheme": Failure("network", False, "that only http and https URLs with a host are fetched"),
        "impossible": Failure("network", False, "that the browser refuses this URL, or its redirects do not end"),
    }
)

BY_NET_ERROR: Mapping[str, str] = MappingProxyType(
    {
        "ERR_NAME_NOT_RESOLVED": "dns",
        "ERR_CONNECTION_REFUSED": "refused",
        "ERR_TIMED_OUT": "timeout",
        "ERR_CONNECTION_TIMED_OUT": "timeout",
        "ERR_BAD_SSL_CLIENT_AUTH_CERT": "tls",
        "ERR_TOO_MANY_REDIRECTS": "impossible",
        "ERR_UNSAFE_PORT": "impossible",
        "ERR_UNSAFE_REDIRECT": "impossible",
        "ERR_INVALID_REDIRECT": "impossible",
        "ERR_INVALID_URL": "impossible",
        "ERR_UNKNOWN_URL_SCHEME": "impossible",
        "ERR_DISALLOWED_URL_SCHEME": "impossible",
    }
)


def page_error(kind: str, url: str) -> PageError:
    """Return the error for a failure of that *kind* (a key of ``FAILURES``); of *url* it names host and path."""
    failure = FAILURES[kind]
    message = f"asked for {place(url)}, found {failure.found}"
    return PageError(message, reason=failure.reason, is_transient=failure.is_transient)


def bad_selector(field: str, url: str) -> PageError:
    """Return the error for a selector of the session check that the browser does not know."""
    message = f"asked for {place(url)}, found that session_check.{field} is no CSS selector of this browser; correct it"
    return PageError(message, reason="bad_selector", is_transient=False)


def net_error(message: str) -> str | None:
    """Return the name of Chromium's error in a message of Playwright, or None when it has none."""
    found = NET_ERROR.search(message)
    return found.group(1) if found else None


def kind_of(message: str) -> str:
    """Return the kind of failure (a key of ``FAILURES``) that a message of Playwright tells of."""
    name = net_error(message)
    if name is None:
        if "Download is starting" in message:
            return "not_html"
        return "crashed" if any(word in message for word in CRASHES) else "network"
    if name.startswith(("ERR_SSL_", "ERR_CERT_")):
        return "tls"
    return BY_NET_ERROR.get(name, "network")


def place(url: str) -> str:
    """Return the host and path of *url*, which messages may hold; its query and user info they may not."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a malformed URL"
    return f"{parts.hostname or '(no host)'}{parts.path}"


def is_fetchable(url: str) -> bool:
    """Return whether *url* is http or https and names a host; all else can read local files."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
