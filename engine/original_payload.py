"""Owns the payload ``{cookies, tokens, userAgent, baseUrl, timestamp}`` that browser extensions post.

Cookies are as ``chrome.cookies`` gives them; one without a domain is of the base URL's host. A token is

- a value of localStorage or sessionStorage, where it says that it came from there;
- else the bearer header of the base URL's origin, where its name or type says so; only one can be, and the first is;
- else skipped: a refresh or CSRF token in a header helps nobody and tells it to the server's log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .cookie_json import read_cookie_items
from .errors import CredentialError, CredentialFormatError
from .moments import read_moment
from .origins import host_of_origin, origin_of
from .records import Record
from .secret import Secret
from .session_reading import Asked, Reading, merged_storages, read_items, read_seconds, read_text
from .sessions import OriginHeader, OriginStorage, Skipped

MARKS = frozenset({"baseUrl", "tokens", "userAgent", "timestamp"})
BEARERS = frozenset({"authorization", "bearer", "bearertoken", "accesstoken", "authtoken", "token", "jwt", "idtoken"})
SOURCES = ("source", "storage", "location", "from", "type")  # where an extension may say where a token lay
NAMES = ("name", "key", "type")
LATEST_SECONDS = 1e11  # in the year 5138; above it is milliseconds

_BEARER = re.compile(r"bearer +", re.IGNORECASE)


class Token(Record, frozen=True, kw_only=True):
    """One token as the payload has it."""

    name: str
    value: Secret
    kinds: frozenset[str]  # the words that it has for itself, without case and punctuation
    area: str | None  # local, session or None


def read_payload(decoded: Mapping[str, Any], asked: Asked) -> Reading:  # Any: JSON
    """Return the session of a payload; raises ``CredentialFormatError`` naming the part that cannot be read."""
    base_url = decoded.get("baseUrl")
    origin = origin_of(base_url) if isinstance(base_url, str) else None
    if base_url is not None and origin is None:
        raise CredentialFormatError(f"{asked.source}: expected an http or https URL under 'baseUrl', found another")
    host = host_of_origin(origin) if origin else asked.host or next(iter(asked.sites), None)
    agent = decoded.get("userAgent")
    tokens = list(_tokens(decoded.get("tokens"), asked.source))
    headers: tuple[OriginHeader, ...] = ()
    storages: tuple[OriginStorage, ...] = ()
    if origin is None:
        skipped = [Skipped(kind="header", name=one.name, reason="no baseUrl that it is for") for one in tokens]
    else:
        headers, skipped = _headers(tokens, origin)
        storages = _storages(tokens, origin)
    return Reading(
        form="an extension's payload",
        sites=() if host is None else (host,),
        cookies=read_cookie_items(decoded.get("cookies"), asked.source, host=host),
        headers=headers,
        storages=storages,
        skipped=tuple(skipped),
        user_agent=agent if isinstance(agent, str) and agent else None,
        captured_at=_captured_at(decoded.get("timestamp"), asked.source),
    )


def _captured_at(found: object, source: str) -> float | None:
    if found is None:
        return None
    moment = read_moment(found) if isinstance(found, str) else None
    seconds = read_seconds(found, f"{source}: its timestamp") if moment is None else moment
    return seconds / 1000 if seconds > LATEST_SECONDS else seconds


def _tokens(found: object, source: str) -> Iterator[Token]:
    if isinstance(found, str):
        found = {"token": found}
    if not isinstance(found, dict):
        for item, place in read_items(found, source, "token"):
            name = next((item[key] for key in NAMES if isinstance(item.get(key), str)), place)
            yield _token(name, item, place)
        return
    for index, (name, value) in enumerate(found.items(), 1):
        place = f"{source}, token {index}"
        area = _area([name])
        if area is not None and isinstance(value, dict):  # a whole storage
            for key, text in value.items():
                yield _token(key, {"value": text, "source": name}, place)
        elif value is not None:
            yield _token(name, value if isinstance(value, dict) else {"value": value}, place)


def _token(name: str, item: Mapping[str, Any], place: str) -> Token:
    words = [item[key] for key in SOURCES if isinstance(item.get(key), str)]
    return Token(
        name=name,
        value=Secret(read_text(item, "value", place)),
        kinds=frozenset(map(_plain, (name, *words))),
        area=_area(words),
    )


def _area(words: list[str]) -> str | None:
    plain = [_plain(word) for word in words]
    if any(word in ("localstorage", "local") for word in plain):
        return "local"
    return "session" if any(word in ("sessionstorage", "session") for word in plain) else None


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).lower()


def _headers(tokens: list[Token], origin: str) -> tuple[tuple[OriginHeader, ...], list[Skipped]]:
    headers: list[OriginHeader] = []
    skipped: list[Skipped] = []
    for token in tokens:
        if token.area is not None:
            continue
        if not token.kinds & BEARERS:
            skipped.append(Skipped(kind="header", name=token.name, reason="not said to be a bearer token"))
        elif headers:
            skipped.append(Skipped(kind="header", name=token.name, reason="another token is the bearer already"))
        else:
            try:
                headers.append(
                    OriginHeader.bearer(origin, token=_BEARER.sub("", token.value.reveal().strip(), count=1))
                )
            except CredentialError:
                reason = "characters that a header cannot have"
                skipped.append(Skipped(kind="header", name=token.name, reason=reason))
    return tuple(headers), skipped


def _storages(tokens: list[Token], origin: str) -> tuple[OriginStorage, ...]:
    return merged_storages(
        OriginStorage(
            origin=origin,
            local={token.name: token.value} if token.area == "local" else {},
            session={token.name: token.value} if token.area == "session" else {},
        )
        for token in tokens
        if token.area is not None
    )
