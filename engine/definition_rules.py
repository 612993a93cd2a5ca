"""Owns what the fields of a definition must hold, and how a fault in one is put into words.

Works on plain values by key, so that it knows nothing of the record. A fault is a text such as ``max_depth: expected
an integer of at least 0, found -1``. Start URLs are never quoted: their query may hold a token.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit

MAX_NAME_LENGTH = 200
MAX_CONCURRENCY = 64
MAX_PAGE_TIMEOUT_S = 86_400.0
MAX_INTEGER = 2**63 - 1  # what a column of the database holds

_NAME = f"a name of 1 to {MAX_NAME_LENGTH} printable characters"
_PATTERN = "a regular expression"

EXPECTED: Mapping[str, str] = MappingProxyType(
    {
        "name": _NAME,
        "start_urls": "a list of one or more http or https URLs",
        "auth_id": f"{_NAME}, of a stored session",
        "auth_policy": '"require" (beside an auth_id) or "degrade"',
        "max_pages": "an integer of at least 1",
        "max_depth": "an integer of at least 0",
        "include": "a list of regular expressions",
        "exclude": "a list of regular expressions",
        "scope": '"site", "host" or "any"',
        "concurrency": f"an integer from 1 to {MAX_CONCURRENCY}",
        "allow_private": "true or false",
        "error_tolerance": "a number from 0 to 1",
        "page_timeout_s": f"a number of seconds above 0 and at most {MAX_PAGE_TIMEOUT_S:.0f}",
        "max_attempts": "an integer of at least 1",
        "timeout_s": "a number of seconds above 0",
        "labels": "a table of named texts, numbers and booleans",
    }
)
_EXPECTED_INSIDE = {
    "start_urls": "an http or https URL",
    "include": _PATTERN,
    "exclude": _PATTERN,
    "labels": "a text, a number, true or false",
}
_LISTS = frozenset({"start_urls", "include", "exclude"})
_INNER_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(_LISTS, (str,)),
    "labels": (str, int, float, type(None)),
}


def first_fault(fields: Mapping[str, Any]) -> str | None:
    """Return what is wrong first with *fields*, all of a definition's and of the right types, or None."""
    return next(_faults(fields), None)


def unknown_key(key: object, known: Sequence[str]) -> str:
    """Say that *key* is unknown, and which known one is near it."""
    near = difflib.get_close_matches(str(key), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
    return f"{key_shown(key)}: unknown key; {advice}"


def wrong_type(key: str, value: object) -> str:
    """Say where in *value*, which is not of the type of *key*, the fault is."""
    for inner_key, inner in _inner_values(key, value):
        if not isinstance(inner, _INNER_TYPES[key]):
            return f"{inner_key}: expected {_EXPECTED_INSIDE[key]}, found {shown(inner)}"
    found = "a text" if key == "start_urls" and isinstance(value, str) else shown(value)
    return f"{key}: expected {EXPECTED[key]}, found {found}"


def shown(value: object) -> str:
    """Return *value* as a definition file would write it, shortened; of a list or table only what it is."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() if abs(value) > MAX_INTEGER:
            return "a number of more than 64 bits"
        case int() | float():
            return repr(value)
        case str():
            return repr(str(value) if len(value) <= 60 else f"{value[:57]}...")
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a table"
        case _:
            return f"a value of type {type(value).__name__}"


def _faults(fields: Mapping[str, Any]) -> Iterator[str]:
    if not fields["steps"] and not fields["start_urls"]:
        yield f"start_urls: expected {EXPECTED['start_urls']}, or steps, found an empty list"
    if fields["steps"] and fields["start_urls"]:
        yield "start_urls: expected none beside steps, found some; give them in the config of a crawl step"
    for key, is_right in _RULES.items():
        if not is_right(fields[key]):
            yield f"{key}: expected {EXPECTED[key]}, found {shown(fields[key])}"
    if fields["auth_policy"] == "require" and fields["auth_id"] is None:
        yield f"auth_policy: expected {EXPECTED['auth_policy']}, found 'require' and no auth_id"
    if fields["login"] and fields["auth_id"] is None:
        yield "login: expected an auth_id beside it, whose secrets it types, found none"
    for key, fault_of in _INNER_RULES.items():
        for inner_key, inner in _inner_values(key, fields[key]):
            found = fault_of(inner)
            if found is not None:
                yield f"{inner_key}: expected {_EXPECTED_INSIDE[key]}, found {found}"


def table_faults(value: object, record: type[object], expected: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a table of optional texts, or with a *record* of them, each with its key.

    *expected* says of each key what its text is; nothing of a text is quoted, for it may be a secret's.
    """
    fields = value
    if isinstance(value, record):
        fields = {name: getattr(value, name) for name in expected}
    if not isinstance(fields, dict):
        yield "", f"expected a table, found {shown(value)}"
        return
    for name, text in fields.items():
        if name not in expected:
            near = difflib.get_close_matches(str(name), expected, n=1)
            yield (
                f".{key_shown(name)}",
                f"unknown key; did you mean {near[0]}?" if near else f"unknown key; the keys are {', '.join(expected)}",
            )
        elif text is not None and not (isinstance(text, str) and text.strip() and is_unicode(text)):
            yield (
                f".{name}",
                f"expected {expected[name]}, found {'an empty text' if isinstance(text, str) else shown(text)}",
            )


def _inner_values(key: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield what the list or table of *key* holds, each value with the key that names it in a message."""
    if key == "labels" and isinstance(value, dict):
        named = cast(dict[object, object], value)
        yield from ((f"labels.{key_shown(name)}", label) for name, label in named.items())
    elif key in _LISTS and isinstance(value, list | tuple):
        items = cast(Sequence[object], value)
        yield from ((f"{key}[{index}]", item) for index, item in enumerate(items))


def key_shown(key: object) -> str:
    """Return *key* as it stands in a file where that fits on a line, else as a shortened text."""
    return str(key) if isinstance(key, str) and len(key) <= 60 and key.isidentifier() else shown(key)


def _is_name(value: str) -> bool:
    return 0 < len(value) <= MAX_NAME_LENGTH and value.isprintable() and value == value.strip()


# Types are right by now; an integer has an upper end because SQLite's have.
_RULES: Mapping[str, Callable[[Any], bool]] = {
    "name": _is_name,
    "auth_id": lambda auth_id: auth_id is None or _is_name(auth_id),
    "max_pages": lambda pages: 1 <= pages <= MAX_INTEGER,
    "max_depth": lambda depth: 0 <= depth <= MAX_INTEGER,
    "concurrency": lambda pages: 1 <= pages <= MAX_CONCURRENCY,
    "error_tolerance": lambda share: 0 <= share <= 1,
    "page_timeout_s": lambda seconds: 0 < seconds <= MAX_PAGE_TIMEOUT_S,
    "max_attempts": lambda attempts: 1 <= attempts <= MAX_INTEGER,
    "timeout_s": lambda seconds: seconds is None or 0 < seconds < math.inf,
    "labels": lambda labels: all(is_unicode(name) for name in labels),
}


def url_fault(url: str) -> str | None:
    """Return what *url* is instead of a URL to start from, never quoting more of it than its scheme."""
    if not url.isprintable() or any(character.isspace() for character in url):
        return "one with white space or control characters"
    try:
        parts = urlsplit(url)
        port_is_wrong = parts.port == 0
    except ValueError:  # a bracket left open, a port that is no number
        return "one whose host or port cannot be read"
    if parts.scheme not in ("http", "https"):
        return (
            f"one that begins with {shown(parts.scheme + ':')}" if "://" in url else "one without http:// or https://"
        )
    if "@" in parts.netloc:
        return "one with a user name in it; store that as a credential and name it in auth_id"
    return "one without a host" if not parts.hostname else "one with port 0" if port_is_wrong else None


def pattern_fault(pattern: str) -> str | None:
    """Return why *pattern* is no regular expression, or None."""
    if not is_unicode(pattern):
        return "characters that are not Unicode"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # the last two: absurd repeats, absurd nesting
        return f"{shown(pattern)} ({on_one_line(error)})"
    return None


def on_one_line(error: Exception) -> str:
    """Return what *error* says; it may quote characters that would end the line, or that a terminal obeys."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in str(error))


def _label_fault(label: object) -> str | None:
    if isinstance(label, str):
        return None if is_unicode(label) else "characters that are not Unicode"
    if isinstance(label, float):
        return None if math.isfinite(label) else shown(label)
    return shown(label) if isinstance(label, int) and abs(label) > MAX_INTEGER else None


def is_unicode(text: str) -> bool:
    """Whether *text* can be encoded: half of a surrogate pair cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


_INNER_RULES: Mapping[str, Callable[[Any], str | None]] = {
    "start_urls": url_fault,
    "include": pattern_fault,
    "exclude": pattern_fault,
    "labels": _label_fault,
}
