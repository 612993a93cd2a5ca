"""Playwright's ``storage_state``: what scripts stored is read by origin."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from bequest.engine.errors import CredentialFormatError
from bequest.engine.secret import Secret
from bequest.engine.session_files import read_session
from bequest.engine.sessions import OriginStorage, Skipped

DATABASES = [{"name": "db", "version": 1, "stores": [{"name": "s", "records": [{"key": 1, "value": "canary"}]}]}]


def state_of(*origins: Any) -> str:  # Any: JSON
    return json.dumps({"cookies": [], "origins": origins})


def test_storage_state_without_cookies_is_a_session() -> None:
    """A site that keeps its token in localStorage has no cookies; databases are kept as they were written."""
    origin = {
        "origin": "https://Wiki.example:443",
        "localStorage": [{"name": "token", "value": "canary"}, {"name": "empty", "value": ""}],
        "indexedDB": DATABASES,
    }

    (storage,) = read_session(state_of(origin), source="f").storages

    assert storage.origin == "https://wiki.example"
    assert storage.local == {"token": Secret("canary"), "empty": Secret("")}
    assert storage.indexed_db is not None
    assert msgspec.json.decode(storage.indexed_db.reveal()) == DATABASES


def test_storage_state_is_read_once_for_each_origin() -> None:
    """Two spellings of one origin are one storage, of which the last value stays; one with nothing in it is none."""
    first = {"origin": "https://wiki.example", "localStorage": [{"name": "a", "value": "1"}], "indexedDB": DATABASES}
    again = {"origin": "https://wiki.example:443", "localStorage": [{"name": "a", "value": "2"}], "indexedDB": []}
    empty = {"origin": "https://other.example", "localStorage": []}

    (storage,) = read_session(state_of(first, again, empty), source="f").storages

    assert storage.local == {"a": Secret("2")}
    assert storage.indexed_db is not None


def test_storage_of_no_web_origin_is_skipped() -> None:
    """What an extension stored is left out with the reason, and the rest is read."""
    text = state_of(
        {"origin": "chrome-extension://abc", "localStorage": [{"name": "a", "value": "canary"}]},
        {"origin": "https://wiki.example", "localStorage": [{"name": "a", "value": "1"}]},
    )

    reading = read_session(text, source="f")

    assert reading.storages == (OriginStorage(origin="https://wiki.example", local={"a": Secret("1")}),)
    assert reading.skipped == (Skipped(kind="storage", name="f, origin 1", reason="no http or https origin"),)


@pytest.mark.parametrize(
    ("origin", "place"),
    [
        ("canary", "f, origin 1: expected an object, found a str"),
        ({"origin": 1}, "f, origin 1: expected a text under 'origin'"),
        ({"origin": "https://a.example", "localStorage": {"canary": 1}}, "f, origin 1: expected a list of values"),
        ({"origin": "https://a.example", "localStorage": [["canary"]]}, "f, origin 1, value 1: expected an object"),
        ({"origin": "https://a.example", "localStorage": [{"name": "canary", "value": 1}]}, "f, origin 1, value 1"),
        ({"origin": "https://a.example", "indexedDB": "canary"}, "f, origin 1: expected a list under 'indexedDB'"),
    ],
)
def test_storage_that_cannot_be_read_is_named(origin: Any, place: str) -> None:  # Any: JSON
    """Origin and value are named by their numbers, and nothing is shown (I16)."""
    with pytest.raises(CredentialFormatError) as caught:
        read_session(state_of(origin), source="f")

    assert str(caught.value).startswith(place)
    assert "canary" not in str(caught.value)
