"""Owns how an input is spoiled: bytes and words in it, and where it is JSON the values in that. Draws from one seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

MAX_BYTES = 4096
WORDS = (  # what parsers of every kind trip over
    *(b"\x00", b"\xff", b"\n", b"\r\n", b"\t", b" ", b'"', b"'", b"\\", b"\xef\xbb\xbf", b"%", b"%00", b"%ff"),
    *(b"=", b";", b":", b"/", b"..", b"@", b"?", b"#", b"[", b"]", b"{", b"}", b"<", b">", b"&", b",", b"-1", b"0"),
    *(b"1e999", b"nan", b"9223372036854775808", b"99999999999999999999", b"null", b"true", b"[::1]", b"xn--a", b"xn--"),
    *(letter.encode() for letter in "\u0130\u00df\uff11\u00b2\u0663\u3002\u2028\x85\u200d\U0001f512\u00e9\u0327"),
    b"\xed\xa0\x80",  # half of a surrogate pair
)
VALUES: tuple[Any, ...] = (  # Any: JSON
    *(None, True, False, 0, -1, 1.5, 1e308, -1e308, 2**53, 2**63, 2**64, -(2**63), 10**40, "", " ", "\x00", "\ud800"),
    *(
        "\U0001f512",
        "1e999",
        "nan",
        "٣",
        "-",
        ".",
        "a;b",
        "a=b",
        "a\nb",
        "x" * 300,
        [],
        [[]],
        {},
        {"": None},
        [None],
        ["a"],
    ),
)

_ALIKE = {b"s": "\u017f".encode(), b"k": "\u212a".encode(), b"i": "\u0131".encode()}  # without their case


def mutate(rng: Random, data: bytes, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return *data* with one to five changes; *others* are inputs to cut from, *words* those of the format."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        decoded = _decoded(data) if rng.random() < 0.6 else None
        if decoded is None:
            data = rng.choice(_CHANGES)(rng, data, others, words)
        else:
            names = [word.decode("utf-8", "replace") for word in words]
            data = _encoded(_changed(rng, decoded[0], names), rng)
    return data[:MAX_BYTES]


def _replace(rng: Random, data: bytes, _others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + rng.choice((*words, *WORDS)) + data[end:]


def _insert(rng: Random, data: bytes, _others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice((*words, *WORDS)) + data[at:]


def _flip(rng: Random, data: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _delete(rng: Random, data: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _repeat(rng: Random, data: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    start, end = _span(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:]


def _splice(rng: Random, data: bytes, others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    start, end = _span(rng, other)
    at = rng.randint(0, len(data))
    return data[:at] + other[start:end] + (data[at:] if rng.random() < 0.7 else other[end:])


def _swap_lines(rng: Random, data: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def _other_case(rng: Random, data: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    """Put a letter that is the same without its case in the place of one, or another case."""
    at = rng.randint(0, len(data))
    letter = data[at : at + 1]
    return data[:at] + rng.choice((_ALIKE.get(letter.lower(), letter.swapcase()), letter.swapcase())) + data[at + 1 :]


Change = Callable[[Random, bytes, Sequence[bytes], Sequence[bytes]], bytes]
_CHANGES: tuple[Change, ...] = (
    _replace,
    _insert,
    _insert,
    _flip,
    _delete,
    _repeat,
    _splice,
    _swap_lines,
    _other_case,
)


def _span(rng: Random, data: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((1, 2, 4, 8, 32, 200)))


def _decoded(data: bytes) -> tuple[Any] | None:  # Any: JSON
    if data[:1] not in (b"{", b"["):
        return None
    try:
        return (json.loads(data),)
    except (ValueError, RecursionError):
        return None


def _encoded(value: Any, rng: Random) -> bytes:  # Any: JSON
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _changed(rng: Random, value: Any, names: Sequence[str]) -> Any:  # Any: JSON
    """Return *value* with one place in it changed, drawn by going down from the root."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        choice = rng.random()
        if choice < 0.1:
            return {name: one for name, one in value.items() if name != key}
        if choice < 0.2:
            return {(rng.choice(names) if name == key and names else name): one for name, one in value.items()}
        if choice < 0.3 and names:
            return {**value, rng.choice(names): rng.choice((*VALUES, value[key]))}
        return {**value, key: _changed(rng, value[key], names)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        if rng.random() < 0.2:
            return value[:at] + [value[at]] * rng.choice((0, 2, 20)) + value[at + 1 :]
        return [*value[:at], _changed(rng, value[at], names), *value[at + 1 :]]
    if isinstance(value, str) and rng.random() < 0.6:
        text = mutate_text(rng, value)
        return text if rng.random() < 0.9 else [text]
    return rng.choice((*VALUES, *names))


def mutate_text(rng: Random, text: str) -> str:
    """Return *text* with one change."""
    data = rng.choice(_CHANGES)(rng, text.encode("utf-8", "surrogatepass"), (b"",), ())
    return data.decode("utf-8", "replace")
