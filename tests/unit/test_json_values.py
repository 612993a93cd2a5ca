"""What JSON cannot hold is refused by name, and what is written is read back equal."""

from __future__ import annotations

import datetime
import enum
from collections import OrderedDict, UserDict
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bequest.engine.errors import MetadataError
from bequest.engine.json_values import MAX_DEPTH, decode_json, encode_json, encode_object, encode_record
from bequest.engine.records import JobError, Progress


class Colour(enum.StrEnum):
    RED = "red"


class Pair(msgspec.Struct):
    left: int


class Loud(str):
    """A text with a meaning of its own, which would be lost."""


class Huge(int):
    """An integer of another type."""


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def endless() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        2**63 - 1,
        -(2**63) + 1,
        1.5,
        5e-324,
        "",
        "é 漢 😀 \x01 \u2028",
        [],
        {},
        [1, [2, {"a": None}]],
        {"": "an empty key", "é": {"b": [True, False]}},
        nested(MAX_DEPTH),
    ],
)
def test_value_is_read_back_as_it_was_written(value: object) -> None:
    """JSON of any shape comes back equal."""
    assert decode_json(encode_json(value, owner="it")) == value


def test_tuple_is_read_back_as_a_list() -> None:
    """A tuple is the one thing that is taken and changed: JSON has one kind of list."""
    assert decode_json(encode_json({"a": (1, (2,))}, owner="it")) == {"a": [1, [2]]}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (float("nan"), "nan, which JSON cannot hold"),
        (float("-inf"), "-inf, which JSON cannot hold"),
        (2**63, "an integer of more than 64 bits, which JSON readers lose"),
        (-(2**63), "an integer of more than 64 bits"),
        (b"bytes", "a bytes, which JSON cannot hold"),
        ({1, 2}, "a set"),
        (datetime.date(2026, 1, 1), "a date"),
        (Decimal(1), "a Decimal"),
        (object(), "a object"),
        (Colour.RED, "a Colour"),
        (Loud("text"), "a Loud"),
        (Huge(1), "a Huge"),
        (Pair(1), "a Pair"),
        (OrderedDict(a=1), "a OrderedDict"),
        ("\ud800", "half of a surrogate pair or a NUL"),
        ("a\0b", "half of a surrogate pair or a NUL"),
        ({1: "a"}, "a key of type int that is no text"),
        ({None: "a"}, "a key of type NoneType that is no text"),
        ({"a\0": 1}, "a key of type str that is no text"),
        ({"\udfff": 1}, "a key of type str that is no text"),
        ({Colour.RED: 1}, "a key of type Colour that is no text"),
    ],
)
def test_value_that_json_would_change_is_refused_where_it_stands(value: object, found: str) -> None:
    """What msgspec would write as something else is an error that names its owner and the path to it."""
    with pytest.raises(MetadataError, match=f"^metadata of job 7: it holds {found}.*; convert it first$"):
        encode_json(value, owner="metadata of job 7")
    with pytest.raises(MetadataError, match=rf"^metadata of job 7: key 'tags\[1\]\.deep' holds {found}"):
        encode_object({"ok": 1, "tags": ["ok", {"deep": value}]}, owner="metadata of job 7")


@pytest.mark.parametrize("value", [nested(MAX_DEPTH + 1), endless()])
def test_value_that_is_nested_too_deep_is_refused(value: object) -> None:
    """What holds itself, or nests deeper than SQLite reads, is an error and no endless loop."""
    with pytest.raises(MetadataError, match=f"it is nested more than {MAX_DEPTH} deep, or holds itself"):
        encode_json(value, owner="it")


def test_refusal_shows_no_value() -> None:
    """The message says what kind of thing is wrong and never shows it, for metadata may be private (I16)."""
    with pytest.raises(MetadataError) as caught:
        encode_json({"note": b"canary", "other": "canary\0"}, owner="it")

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", [[("a", 1)], "a", None, 7])
def test_object_is_made_of_a_mapping_alone(value: Any) -> None:  # Any: wrong on purpose
    """Metadata is an object: a list, a text or nothing is refused."""
    with pytest.raises(MetadataError, match="it: expected a mapping of names to values, found a"):
        encode_object(value, owner="it")


def test_object_is_made_of_any_mapping() -> None:
    """A mapping need not be a dict."""
    assert encode_object(UserDict(a=1), owner="it") == '{"a":1}'


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (JobError(type="x", message="é"), '{"type":"x","message":"é"}'),
        (JobError(type="x", message="half \ud83d of a pair"), '{"type":"x","message":"half ? of a pair"}'),
        ([1, "\udc00", None], '[1,"?",null]'),
        (Progress(done=1), '{"done":1,"total":null,"message":""}'),
    ],
)
def test_record_for_people_is_written_whatever_its_text(record: object, text: str) -> None:
    """What says why or how far is kept: half of a surrogate pair, which UTF-8 has not, becomes a question mark."""
    assert encode_record(record) == text


def test_text_that_is_not_ascii_is_kept_as_it_is() -> None:
    """A quick look doubts other letters than ASCII's, and a full one lets them pass."""
    assert encode_json({"name": "漢"}, owner="it") == '{"name":"漢"}'
