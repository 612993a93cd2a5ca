"""Owns the key that seals secrets: what it is, its text, and the former keys that it takes the place of.

The library makes no key by itself and looks for none; whoever embeds it passes a ``KeySource``. A key seals; the
``former`` ones behind it only open, so that what they sealed is opened until it is sealed anew.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable
from typing import NoReturn

from .errors import KeyFileError

KEY_BYTES = 32  # AES-256
ID_LABEL = b"bequest key id\x00"


class Key:
    """32 secret bytes; ``id`` names it and tells nothing of it. The keys in ``former`` open and seal no more."""

    __slots__ = ("_bytes", "former", "id")

    def __init__(self, secret: bytes, *, former: Iterable[Key] = ()) -> None:
        self.id, self.former = "", tuple[Key, ...]()  # a traceback may show it as far as it is made
        length = len(secret)
        if length != KEY_BYTES:
            del secret
            raise KeyFileError(_wrong_length(length))
        self._bytes = secret
        self.id = hashlib.sha256(ID_LABEL + secret).hexdigest()[:12]
        others = {one.id: one for given in former for one in (given, *given.former)}
        others.pop(self.id, None)
        self.former = tuple(others.values())

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes] = os.urandom, *, former: Iterable[Key] = ()) -> Key:
        """Make a new key."""
        return cls(random_bytes(KEY_BYTES), former=former)

    @classmethod
    def decode(cls, text: str) -> Key:
        """Read a key from the text that ``encode`` wrote; raises ``KeyFileError``, never quoting it."""
        found = key_in(text)
        del text  # a traceback may show the variables of its frames
        if isinstance(found, str):
            raise KeyFileError(found)
        return found

    def encode(self) -> str:
        """Return the key as text, with a line for each former one below; keep it out of logs."""
        return "\n".join(base64.urlsafe_b64encode(one.reveal()).decode() for one in (self, *self.former))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys that open, the one that seals first."""
        return (self.id, *(one.id for one in self.former))

    def without(self, key_id: str) -> Key:
        """Return the key without one of its former ones; raises ``KeyFileError`` for another id, also its own."""
        if key_id not in self.ids[1:]:
            found = "that it is the one that seals" if key_id == self.id else "no such key"
            raise KeyFileError(f"asked to drop key {key_id}, found {found}")
        return Key(self._bytes, former=[one for one in self.former if one.id != key_id])

    def reveal(self) -> bytes:
        """Return the bytes themselves."""
        return self._bytes

    def __repr__(self) -> str:
        former = f", former={list(self.ids[1:])!r}" if self.former else ""
        return f"Key(id={self.id!r}{former})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key is not pickled or copied; pass its source")

    def __getstate__(self) -> NoReturn:
        self.__reduce__()


KeySource = Callable[[], Key]


def key_in(text: str) -> Key | str:
    """Return the key in *text* with those below it, or what is wrong with it."""
    found: list[Key] = []
    for line in text.strip().splitlines() or [""]:
        try:
            secret = base64.b64decode(line.strip().encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            return f"expected a key: {KEY_BYTES} bytes as base64url, found another text"
        if len(secret) != KEY_BYTES:
            return _wrong_length(len(secret))
        found.append(Key(secret))
    newest, *others = found
    return Key(newest.reveal(), former=others)


def _wrong_length(found: int) -> str:
    return f"a key has {KEY_BYTES} bytes, found {found}"
