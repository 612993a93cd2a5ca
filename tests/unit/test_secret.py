"""A secret shows itself to nobody who does not ask it to."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest

from bequest.engine.records import Record
from bequest.engine.secret import Secret

CANARY = "canary-value"


class Holder(Record, frozen=True, kw_only=True):
    """A record with a secret in it."""

    name: str
    value: Secret


def secret() -> Secret:
    return Secret(CANARY)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{:>40}".format,
        "{!r:^20}".format,
        "%s".__mod__,
        "%r".__mod__,
        lambda one: f"{one}",
        lambda one: f"{[one]} {{'a': {one!r}}}",
        lambda one: repr(Holder(name="sid", value=one)),
        lambda one: repr(vars(type(one)).keys()),
        lambda one: repr(dir(one)),
    ],
)
def test_secret_shows_nothing_of_itself(show: Callable[[Secret], str]) -> None:
    """No repr, format or container of it holds its value (I16)."""
    assert CANARY not in show(secret())


def test_secret_fills_the_place_that_a_format_gives_it() -> None:
    """In a column it takes the width that was asked for, as any text does."""
    assert f"{secret():>14}" == "   Secret(...)"


def test_secret_reveals_itself_when_asked() -> None:
    """There is one way to the value."""
    assert secret().reveal() == CANARY


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_secret_is_not_pickled_or_copied(take: Callable[[Secret], object]) -> None:
    """It goes into no other process and no file that way, and the error says what to do instead."""
    with pytest.raises(TypeError, match="is not pickled or copied; pass the sealed record") as caught:
        take(secret())

    assert CANARY not in str(caught.value)


def test_secret_is_no_json() -> None:
    """A record that holds one cannot be written by accident."""
    with pytest.raises(TypeError):
        msgspec.json.encode(Holder(name="sid", value=secret()))


def test_secret_stays_out_of_a_traceback_with_its_locals() -> None:
    """Whoever logs the variables of every frame logs no value."""

    def fail(session: Secret) -> None:
        raise ValueError(f"cannot use {session}")

    try:
        fail(secret())
    except ValueError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert "session = Secret(...)" in text
    assert CANARY not in text


def test_secrets_are_equal_by_value_and_to_nothing_else() -> None:
    """Two secrets of one value are one key of a dict; a text is no secret."""
    assert secret() == secret()
    assert hash(secret()) == hash(secret())
    assert secret() != Secret("other")
    assert secret() != CANARY
    assert {secret(), secret()} == {secret()}


def test_secrets_of_any_text_are_compared() -> None:
    """Half of a surrogate pair, which UTF-8 has not, is compared as well."""
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("\ud800") != Secret("\ud801")


@pytest.mark.parametrize(("value", "expected"), [("", False), ("x", True)])
def test_secret_is_true_when_there_is_something_to_keep(value: str, expected: bool) -> None:
    """An empty one is as good as none."""
    assert bool(Secret(value)) is expected


def test_secret_takes_no_other_attribute() -> None:
    """Nothing can be hung on it that a dump of its attributes would show."""
    assert not hasattr(secret(), "__dict__")
