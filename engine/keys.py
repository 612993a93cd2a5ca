"""Owns the key that seals secrets: what it is, its text, and the file that keeps it.

The library makes no key by itself and looks for none; whoever embeds it passes a ``KeySource``.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from .errors import KeyFileError

KEY_BYTES = 32  # AES-256
ID_LABEL = b"bequest key id\x00"


class Key:
    """32 secret bytes; ``id`` names it and tells nothing of it."""

    __slots__ = ("_bytes", "id")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise KeyFileError(f"a key has {KEY_BYTES} bytes, found {len(secret)}")
        self._bytes = secret
        self.id = hashlib.sha256(ID_LABEL + secret).hexdigest()[:12]

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes] = os.urandom) -> Key:
        """Make a new key."""
        return cls(random_bytes(KEY_BYTES))

    @classmethod
    def decode(cls, text: str) -> Key:
        """Read a key from the text that ``encode`` wrote; raises ``KeyFileError``, never quoting it."""
        try:
            return cls(base64.b64decode(text.strip().encode("ascii"), altchars=b"-_", validate=True))
        except ValueError:
            raise KeyFileError(f"expected a key: {KEY_BYTES} bytes as base64url, found another text") from None

    def encode(self) -> str:
        """Return the key as text; keep it out of logs."""
        return base64.urlsafe_b64encode(self._bytes).decode()

    def reveal(self) -> bytes:
        """Return the bytes themselves."""
        return self._bytes

    def __repr__(self) -> str:
        return f"Key(id={self.id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key is not pickled or copied; pass its source")


KeySource = Callable[[], Key]


class KeyFile:
    """A key in a file that only its owner can read; called, it reads it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()

    def __call__(self) -> Key:
        """Return the key; raises ``KeyFileError`` when it is missing, others may read it, or it holds no key."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise KeyFileError(
                f"asked for the key in {self.path}, found no file; make one with KeyFile(...).create()"
            ) from None
        except OSError as error:
            raise KeyFileError(f"asked for the key in {self.path}, found {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as opened:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise KeyFileError(f"asked for the key in {self.path}, found no regular file")
            if found.st_mode & 0o077:
                raise KeyFileError(
                    f"others may read the key in {self.path}; run chmod 600 on it, and think of a new key"
                )
            text = opened.read(1000)
        try:
            return Key.decode(text.decode("ascii", "replace"))
        except KeyFileError as error:
            raise KeyFileError(f"{self.path}: {error}") from None

    def create(self) -> Key:
        """Make a new key and write it, in a folder that is made for its owner alone; raises ``KeyFileError``."""
        key = Key.generate()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(self.path, flags, 0o600), "w") as opened:
                opened.write(f"{key.encode()}\n")
                opened.flush()
                os.fsync(opened.fileno())
        except FileExistsError:
            raise KeyFileError(f"asked to make a key in {self.path}, found a file there; it is left as it is") from None
        except OSError as error:
            raise KeyFileError(f"asked to make a key in {self.path}, found {error.strerror}") from error
        return key
