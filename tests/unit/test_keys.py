"""The key: its text, its former keys, and that it shows nothing."""

from __future__ import annotations

import base64
import copy
import pickle
from collections.abc import Callable
from traceback import walk_tb

import pytest

from bequest.engine.errors import KeyFileError
from bequest.engine.keys import Key

SECRET = bytes(range(32))


def test_key_is_made_of_the_random_bytes_that_it_is_given() -> None:
    """A generated key has 32 bytes of the source that it was given."""
    key = Key.generate(lambda count: b"k" * count)

    assert key.reveal() == b"k" * 32


def test_keys_generated_are_different() -> None:
    """Two new keys differ, and so do their ids."""
    first, second = Key.generate(), Key.generate()

    assert first.reveal() != second.reveal()
    assert first.id != second.id


def test_key_text_is_read_as_it_was_written() -> None:
    """Encoding and decoding give the same key, also with white space around the text."""
    key = Key(SECRET)

    again = Key.decode(f" {key.encode()}\r\n")

    assert (again.reveal(), again.id) == (SECRET, key.id)


def test_key_shows_nothing_of_itself() -> None:
    """repr, str and id hold neither the bytes nor their text (I16)."""
    key = Key(SECRET)

    shown = f"{key!r} {key} {key.id}"

    assert shown == f"Key(id={key.id!r}) Key(id={key.id!r}) {key.id}"
    for secret in (SECRET.hex(), key.encode(), repr(SECRET)):
        assert key.id not in secret


def test_key_is_not_pickled_or_copied() -> None:
    """A key leaves its process in no way but ``encode``."""
    key = Key(SECRET)

    with pytest.raises(TypeError, match="not pickled or copied"):
        pickle.dumps(key)
    with pytest.raises(TypeError, match="not pickled or copied"):
        copy.deepcopy(key)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "found 0"),
        ("canary", "found another text"),
        ("canary!=", "found another text"),
        ("ключ", "found another text"),
        (base64.urlsafe_b64encode(b"canary" * 5).decode(), "found 30"),
        (base64.urlsafe_b64encode(b"c" * 33).decode(), "found 33"),
        (f"{Key(SECRET).encode()[:20]} {Key(SECRET).encode()[20:]}", "found another text"),
    ],
)
def test_key_text_is_refused_without_quoting_it(text: str, found: str) -> None:
    """What is not base64url of 32 bytes is no key, and the message does not show it (I16)."""
    with pytest.raises(KeyFileError, match=found) as caught:
        Key.decode(text)

    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


# Former keys


def test_key_text_has_a_line_for_each_key() -> None:
    """The key that seals comes first, the former ones below it, and so they are read again."""
    key = Key(SECRET, former=[Key(b"b" * 32), Key(b"c" * 32)])

    again = Key.decode(key.encode())

    assert key.encode().splitlines() == [one.encode() for one in (Key(SECRET), *key.former)]
    assert again.ids == key.ids == (Key(SECRET).id, Key(b"b" * 32).id, Key(b"c" * 32).id)
    assert [one.reveal() for one in again.former] == [b"b" * 32, b"c" * 32]


def test_key_takes_over_the_former_ones_of_those_that_it_follows() -> None:
    """Whatever opened before opens with the next key, each once, the newest first."""
    oldest = Key(b"a" * 32)
    second = Key(b"b" * 32, former=[oldest])

    third = Key.generate(lambda count: b"c" * count, former=[second, oldest, Key(b"c" * 32)])

    assert third.ids == (Key(b"c" * 32).id, second.id, oldest.id)


def test_key_shows_nothing_of_the_former_ones() -> None:
    """repr names them by their ids alone (I16)."""
    key = Key(SECRET, former=[Key(b"canary" * 5 + b"ca")])

    assert repr(key) == f"Key(id={key.id!r}, former=[{key.former[0].id!r}])"


def test_key_is_left_without_a_former_one() -> None:
    """A former key can be dropped; the one that seals, and one that is not there, cannot."""
    key = Key(SECRET, former=[Key(b"b" * 32), Key(b"c" * 32)])

    left = key.without(key.ids[1])

    assert left.ids == (key.ids[0], key.ids[2])
    for key_id, found in ((key.id, "that it is the one that seals"), ("nobody", "no such key")):
        with pytest.raises(KeyFileError, match=f"asked to drop key {key_id}, found {found}"):
            key.without(key_id)


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps, lambda key: key.__getstate__()])
def test_key_gives_no_state_of_itself(take: Callable[[Key], object]) -> None:
    """No protocol of copying gives what it holds (I16)."""
    with pytest.raises(TypeError, match="not pickled or copied"):
        take(Key(SECRET))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Key(b"canary" * 5),
        lambda: Key.decode(base64.urlsafe_b64encode(b"canary" * 5).decode()),
        lambda: Key.decode("not-a-key-but-canary"),
        lambda: Key.decode(f"{Key(b'canary' * 5 + b'ca').encode()}\nx"),
    ],
)
def test_key_that_is_refused_stays_out_of_the_variables_of_a_traceback(make: Callable[[], Key]) -> None:
    """Whoever logs the variables of every frame logs nothing that may be most of a key (I16)."""
    with pytest.raises(KeyFileError) as caught:
        make()

    frames = [frame for frame, _ in walk_tb(caught.value.__traceback__) if "/engine/" in frame.f_code.co_filename]
    shown = repr([frame.f_locals for frame in frames])
    assert frames
    for spelling in ("canary", base64.urlsafe_b64encode(b"canary" * 4).decode()):
        assert spelling not in shown
