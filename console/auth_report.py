"""Owns how it is said what of a session can be used, and why not the rest; no value is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..engine.cookies import Cookie
from ..engine.credentials import Admission, Credential
from ..engine.session_reading import Reading
from ..engine.sessions import OriginHeader, OriginStorage
from .terminal import Terminal
from .words import counted, moment


def report(terminal: Terminal, source: str, reading: Reading, credential: Credential, admission: Admission) -> None:
    """Print what was read from *source*, one line for each part that is kept, narrowed or skipped."""
    captured = "" if reading.captured_at is None else f", of {moment(reading.captured_at)} (UTC)"
    terminal.print(f"{source}: {reading.form}{captured}, for {', '.join(credential.sites)}")
    for line in lines_of(reading, admission):
        terminal.print(line, indent=2)


def lines_of(reading: Reading, admission: Admission) -> Iterator[str]:
    """Yield what became of each part."""
    for cookie in admission.cookies:
        until = "with the session" if cookie.expires is None else f"until {moment(cookie.expires)} (UTC)"
        where = cookie.domain if cookie.host_only else f"{cookie.domain} and under it"
        yield f"kept cookie {named(cookie.name)}: {where}, {until}"
    yield from (f"kept {line}" for line in lines_of_parts(admission.headers, admission.storages))
    for narrowed in admission.narrowed:
        yield f"narrowed cookie {named(narrowed.name)}: from {narrowed.domain} to {', '.join(narrowed.sites)}"
    for one in (*reading.skipped, *admission.skipped):
        yield f"skipped {one.kind} {named(one.name)}: {one.reason}"


def as_json(source: str, reading: Reading, credential: Credential, admission: Admission) -> dict[str, Any]:  # Any: JSON
    """Return the same as one JSON object."""
    return {
        "source": source,
        "format": reading.form,
        "captured_at": reading.captured_at,
        "sites": credential.sites,
        "kept": {
            "cookies": list(map(cookie_as_json, admission.cookies)),
            **parts_as_json(admission.headers, admission.storages),
        },
        "narrowed": msgspec.to_builtins(admission.narrowed),
        "skipped": msgspec.to_builtins((*reading.skipped, *admission.skipped)),
    }


def lines_of_parts(headers: Sequence[OriginHeader], storages: Sequence[OriginStorage]) -> Iterator[str]:
    """Yield a line for each header and each storage."""
    for header in headers:
        yield f"header {header.name}: {header.origin}"
    for storage in storages:
        yield f"storage {storage.origin}: {contents(storage)}"


def parts_as_json(headers: Sequence[OriginHeader], storages: Sequence[OriginStorage]) -> dict[str, Any]:  # Any: JSON
    """Return what is said of headers and storages."""
    return {
        "headers": [{"name": one.name, "origin": one.origin} for one in headers],
        "storages": list(map(storage_as_json, storages)),
    }


def kept(admission: Admission) -> str:
    """Return how much can be used, in words."""
    parts = [counted(count, word.removesuffix("s")) for word, count in admission.counts.items() if count]
    return ", ".join(parts) or "nothing"


def cookie_as_json(cookie: Cookie) -> dict[str, Any]:  # Any: JSON
    """Return what is said of a cookie."""
    return {"name": cookie.name, "domain": cookie.domain, "host_only": cookie.host_only, "expires": cookie.expires}


def storage_as_json(storage: OriginStorage) -> dict[str, Any]:  # Any: JSON
    """Return what is said of a storage."""
    return {
        "origin": storage.origin,
        "local": len(storage.local),
        "session": len(storage.session),
        "indexed_db": storage.indexed_db is not None,
    }


def contents(storage: OriginStorage) -> str:
    """Return what is in a storage, in words."""
    values = counted(len(storage.local) + len(storage.session), "value")
    return f"{values} and databases" if storage.indexed_db is not None else values


def named(name: str) -> str:
    """Return a name that a person can see."""
    return name or "without a name"
