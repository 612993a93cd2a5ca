"""Owns what may be written as config and metadata: JSON, and nothing that JSON would quietly change.

msgspec encodes dates, bytes, enums and NaN without a word; here they are refused, with the job and the key named.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

import msgspec

from .errors import MetadataError
from .records import Json

MAX_DEPTH = 200  # nested lists and objects; SQLite itself reads 1,000
MAX_INTEGER = 2**63 - 1

_encode = msgspec.json.encode
decode_json = msgspec.json.decode


def encode_json(value: Json, *, owner: str) -> str:
    """Return *value* as compact JSON; *owner* names it in the ``MetadataError`` for what JSON cannot hold."""
    fault = _fault_in(value)
    if fault is not None:
        raise MetadataError(f"{owner}: {fault}")
    return _encode(value).decode()


def encode_object(value: Mapping[str, Json], *, owner: str) -> str:
    """Return a mapping as a JSON object; raises ``MetadataError`` for anything else."""
    if not isinstance(value, Mapping):
        raise MetadataError(f"{owner}: expected a mapping of names to values, found a {type(value).__name__}")
    return encode_json(dict(value), owner=owner)


def encode_record(value: object) -> str:
    """Return what the library itself has put together as compact JSON.

    In texts for people, such as an error's, half of a surrogate pair becomes a question mark: UTF-8 has none, and what
    they come with is not lost for it.
    """
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        plain = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
        return plain.encode("utf-8", "replace").decode()


def _fault_in(value: Json) -> str | None:
    """Return what is wrong with *value*, and under which key, or None."""
    if _is_plain_object(value):
        return None
    left: list[tuple[str, int, Json]] = [("", 0, value)]
    while left:
        path, depth, item = left.pop()
        found = _found(item)
        if found is not None:
            where = f"key {path!r} holds" if path else "it holds"
            return f"{where} {found}; convert it first"
        if isinstance(item, dict | list | tuple):
            if depth >= MAX_DEPTH:
                return f"it is nested more than {MAX_DEPTH} deep, or holds itself"
            left.extend((inner, depth + 1, child) for inner, child in _children(path, item))
    return None


def _is_plain_object(value: Json) -> bool:
    """Whether one quick look shows an object of harmless values, as most are; what it doubts is looked at in full."""
    if type(value) is not dict:
        return False
    for key, item in value.items():
        if type(key) is not str or not key.isascii() or "\0" in key:
            return False
        kind = type(item)
        if kind is str:
            if not item.isascii() or "\0" in item:
                return False
        elif not ((kind is int and -MAX_INTEGER <= item <= MAX_INTEGER) or item is None or kind is bool):
            return False
    return True


def _found(item: Json) -> str | None:
    """Return what *item* is in words, where JSON cannot hold it."""
    kind = type(item)
    if item is None or kind is bool:
        return None
    if kind is str:
        return None if _is_text(item) else "half of a surrogate pair or a NUL, which text in JSON cannot hold"
    if kind is int:
        return None if abs(item) <= MAX_INTEGER else "an integer of more than 64 bits, which JSON readers lose"
    if kind is float:
        return None if math.isfinite(item) else f"{item}, which JSON cannot hold"
    if kind is dict:
        wrong = [type(key).__name__ for key in item if type(key) is not str or not _is_text(key)]
        return f"a key of type {wrong[0]} that is no text" if wrong else None
    if kind is list or kind is tuple:
        return None
    return f"a {kind.__name__}, which JSON cannot hold"


def _children(path: str, item: dict[str, Json] | list[Json] | tuple[Json, ...]) -> Iterator[tuple[str, Json]]:
    if isinstance(item, dict):
        return ((f"{path}.{key}" if path else key, child) for key, child in item.items())
    return ((f"{path}[{index}]", child) for index, child in enumerate(item))


def _is_text(text: str) -> bool:
    """Whether SQLite keeps *text* whole: its JSON functions end it at a NUL, and UTF-8 has no half of a pair."""
    if "\0" in text:
        return False
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
