"""Owns what a pasted curl command says of a session: its URL, headers, cookies, user and user agent.

This is how a browser's developer tools copy a request ("Copy as cURL"). Other options are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from .cookies import read_host
from .curl_words import command_words
from .errors import CredentialError, CredentialFormatError, UrlError
from .origins import DEFAULT_PORTS
from .pasted_headers import Request, session_of_request
from .session_reading import Asked, Reading, merged_headers
from .sessions import OriginHeader, Skipped

URL = "--url"
SHORT: Mapping[str, str] = MappingProxyType(
    {"H": "--header", "b": "--cookie", "u": "--user", "A": "--user-agent", "e": "--referer"}
)
SHORT_WITH_VALUE = frozenset("CDEFHKPQTUXYAbcdehmortuwxyz")
LONG_WITH_VALUE = frozenset(
    {
        *("--aws-sigv4", "--cacert", "--capath", "--cert", "--cert-type", "--ciphers", "--connect-timeout"),
        *("--connect-to", "--continue-at", "--cookie", "--cookie-jar", "--data", "--data-ascii", "--data-binary"),
        *("--data-raw", "--data-urlencode", "--dns-servers", "--dump-header", "--form", "--form-string"),
        *("--happy-eyeballs-timeout-ms", "--header", "--interface", "--json", "--key", "--key-type"),
        *("--limit-rate", "--max-filesize", "--max-redirs", "--max-time", "--noproxy", "--oauth2-bearer"),
        *("--output", "--output-dir", "--pass", "--pinnedpubkey", "--proto", "--proto-default", "--proxy"),
        *("--proxy-header", "--proxy-user", "--range", "--referer", "--request", "--request-target", "--resolve"),
        *("--retry", "--retry-delay", "--retry-max-time", "--socks5", "--socks5-hostname", "--speed-limit"),
        *("--speed-time", "--stderr", "--tls-max", "--tls13-ciphers", "--trace", "--trace-ascii", "--unix-socket"),
        *("--upload-file", "--url", "--url-query", "--user", "--user-agent", "--variable", "--write-out"),
    }
)
ONE_REQUEST_LOGINS = frozenset({"--anyauth", "--aws-sigv4", "--digest", "--negotiate", "--ntlm"})
NEXT_REQUEST = frozenset({"--next", "-:"})

_CURL = re.compile(r"(?:[$>%] ?)?curl(?:\.exe)?(?=[\s^\\])")
_HEADER = re.compile(r"([^:;@\s][^:;\s]*)[ \t]*[:;][ \t]*(.*)", re.DOTALL)

Options = list[tuple[str, str]]


def looks_like_curl(text: str) -> bool:
    """Return whether *text* is a curl command, with a prompt before it or without."""
    return _CURL.match(text.strip()) is not None


def read_curl(text: str, asked: Asked) -> Reading:
    """Return the session that a curl command sends; raises ``CredentialFormatError`` for one that cannot be read."""
    words = command_words(_CURL.sub("", text.strip(), count=1))
    if words is None:
        raise CredentialFormatError(
            f"{asked.source}: expected a whole curl command, found a quote that is not closed; copy it once more"
        )
    options = list(_options(words))
    parts = _url([value for name, value in options if name == URL], asked.source)
    request = _request(parts, asked.source)
    reading = session_of_request(list(_headers(options, asked.source)), request, form="a curl command")
    headers, skipped = _logins(options, parts, request, asked.source)
    return msgspec.structs.replace(
        reading, headers=merged_headers((*headers, *reading.headers)), skipped=(*reading.skipped, *skipped)
    )


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield options in their long names with their values, a URL under ``--url``."""
    rest = iter(words)
    for word in rest:
        if word in NEXT_REQUEST:
            return
        if word.startswith("--"):
            yield word, (next(rest, "") if word in LONG_WITH_VALUE else "")
        elif word.startswith("-"):
            flags = word[1:]
            at = next((index for index, flag in enumerate(flags) if flag in SHORT_WITH_VALUE), None)
            if at is not None:
                name = SHORT.get(flags[at], f"-{flags[at]}")
                yield name, flags[at + 1 :] or next(rest, "")
        else:
            yield URL, word


def _url(urls: list[str], source: str) -> SplitResult:
    try:
        return urlsplit(urls[0] if "://" in urls[0] else f"http://{urls[0]}")  # as curl guesses it
    except (IndexError, ValueError):
        raise CredentialFormatError(
            f"{source}: expected an http or https URL in the curl command, found none; copy the whole command"
        ) from None


def _request(parts: SplitResult, source: str) -> Request:
    try:
        host = parts.hostname or ""
        if parts.scheme.lower() in DEFAULT_PORTS:
            found = read_host(f"[{host}]" if ":" in host else host)
            return Request(hosts=(found,), scheme=parts.scheme.lower(), port=parts.port)
    except (ValueError, UrlError):
        pass
    raise CredentialFormatError(
        f"{source}: expected an http or https URL in the curl command, found another; copy the whole command"
    )


def _headers(options: Options, source: str) -> Iterator[tuple[str, str]]:
    for name, value in options:
        found = _HEADER.fullmatch(value)
        if name == "--header" and found and found[2]:
            yield found[1], found[2].strip(" \t")
        elif name == "--user-agent":
            yield "User-Agent", value
        elif name == "--cookie" and "=" in value:
            yield "Cookie", value
        elif name == "--cookie" and value:
            raise CredentialFormatError(
                f"{source}: expected the cookies in the curl command, found the name of a file of cookies;"
                " give that file itself"
            )


def _logins(
    options: Options, parts: SplitResult, request: Request, source: str
) -> tuple[list[OriginHeader], list[Skipped]]:
    """Return the headers of ``--user``, of a user in the URL and of ``--oauth2-bearer``."""
    users = [value for name, value in options if name == "--user"]
    if parts.username is not None:
        users.insert(0, f"{unquote(parts.username)}:{unquote(parts.password or '')}")
    if users and any(name in ONE_REQUEST_LOGINS for name, _ in options):
        return [], [Skipped(kind="header", name="Authorization", reason="made for one request")]
    headers: list[OriginHeader] = []
    try:
        for text in users:
            user, colon, password = text.partition(":")
            if not colon:
                return headers, [Skipped(kind="header", name="Authorization", reason="a user without a password")]
            headers += [OriginHeader.basic(origin, user=user, password=password) for origin in request.origins]
        for name, value in options:
            if name == "--oauth2-bearer":
                headers += [OriginHeader.bearer(origin, token=value) for origin in request.origins]
    except CredentialError:
        raise CredentialFormatError(
            f"{source}: expected a user or a token that a header can hold, found other characters"
        ) from None
    return headers, []
