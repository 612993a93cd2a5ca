"""Owns what every format of a session file shares: what is asked, what was read, and how a single field is understood.

An error names the file and the place in it, and quotes nothing of what is there (I16).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .cookies import read_host
from .errors import CredentialFormatError, UrlError
from .records import Record
from .sessions import OriginHeader, OriginStorage, Session, Skipped

FORMATS = (
    "cookies.txt, a browser extension's JSON, Playwright's storage_state, a HAR, a Cookie header or a curl command"
)


class Asked(Record, frozen=True, kw_only=True):
    """What is known of a session before its file is read."""

    source: str  # how errors name the file
    sites: tuple[str, ...] = ()  # canonical; empty: the format says them, or its parts do
    host: str | None = None  # where cookies that name no domain belong, else to each of the sites

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of cookies that name none."""
        return self.sites if self.host is None else (self.host,)


class Reading(Session, frozen=True, kw_only=True):
    """What a file holds of a session, and what of it was left out already when it was read."""

    form: str  # the format's name, for people
    sites: tuple[str, ...] = ()  # whom the format itself says that the session is for
    captured_at: float | None = None  # when it was taken from the browser
    skipped: tuple[Skipped, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to log in with."""
        return not (self.cookies or self.headers or self.storages)


def read_domain(text: str, place: str) -> str:
    """Return the canonical host of a cookie's domain, without its leading dot."""
    try:
        return read_host(text.strip().removeprefix("."))
    except UrlError:
        raise CredentialFormatError(f"{place}: expected a host as its domain, found another text") from None


def read_seconds(value: object, place: str) -> float:
    """Return a number of seconds."""
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever it is, float judges
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise CredentialFormatError(f"{place}: expected seconds since 1970, found no number")
    return number


def read_flag(item: Mapping[str, Any], key: str, place: str, *, default: bool = False) -> bool:
    """Return the truth value under *key*."""
    found = item.get(key)
    if not isinstance(found, bool | None):
        raise CredentialFormatError(f"{place}: expected true or false under {key!r}, found a {type(found).__name__}")
    return default if found is None else found


def read_text(item: Mapping[str, Any], key: str, place: str) -> str:
    """Return the text under *key*."""
    found = item.get(key)
    if not isinstance(found, str):
        raise CredentialFormatError(f"{place}: expected a text under {key!r}, found none; export the session again")
    return found


def read_items(found: object, place: str, word: str) -> list[tuple[Mapping[str, Any], str]]:
    """Return the objects of a list, each with the place that errors name; no list at all is an empty one."""
    if found is None:
        return []
    if not isinstance(found, list):
        raise CredentialFormatError(f"{place}: expected a list of {word}s, found a {type(found).__name__}")
    items = [(item, f"{place}, {word} {index}") for index, item in enumerate(found, 1)]
    for item, where in items:
        if not isinstance(item, dict):
            raise CredentialFormatError(f"{where}: expected an object, found a {type(item).__name__}")
    return items


def merged_storages(storages: Iterable[OriginStorage]) -> tuple[OriginStorage, ...]:
    """Return one storage for each origin; of two values under one key the last stays."""
    merged: dict[str, OriginStorage] = {}
    for one in storages:
        known = merged.get(one.origin, OriginStorage(origin=one.origin))
        merged[one.origin] = msgspec.structs.replace(
            known,
            local={**known.local, **one.local},
            session={**known.session, **one.session},
            indexed_db=one.indexed_db or known.indexed_db,
        )
    return tuple(merged.values())


def merged_headers(headers: Iterable[OriginHeader]) -> tuple[OriginHeader, ...]:
    """Return one header for each origin and name; the last stays."""
    return tuple({(one.origin, one.name.lower()): one for one in headers}.values())
