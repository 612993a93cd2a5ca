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
MAX_FILE_BYTES = 1000  # a key takes 45
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
    """A key in a file that only its owner can read; called, it reads it.

    A symbolic link is followed when it is read, and the file that it leads to is judged; none is written through.
    Raises ``KeyFileError`` for a ``~`` of nobody.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            self.path = Path(path).expanduser()
        except RuntimeError:
            raise KeyFileError(f"asked for the key in {path}, found no user of that name; check the path") from None

    def __call__(self) -> Key:
        """Return the key; raises ``KeyFileError`` when it is missing, others own or may read it, or it holds no key."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise KeyFileError(
                f"asked for the key in {self.path}, found no file; make one with KeyFile(...).create()"
            ) from None
        except OSError as error:
            raise KeyFileError(f"asked for the key in {self.path}, found {error.strerror}") from error
        try:
            self._check(os.fstat(descriptor))
            text = os.read(descriptor, MAX_FILE_BYTES)
        finally:
            os.close(descriptor)
        try:
            return Key.decode(text.decode("ascii", "replace"))
        except KeyFileError as error:
            raise KeyFileError(f"{self.path}: {error}") from None

    def create(self) -> Key:
        """Make a new key and write it, in folders that are made for their owner alone; durable on return.

        Raises ``KeyFileError``, also for a file that is there.
        """
        key = Key.generate()
        try:
            _make_folder(self.path.parent)
            _write_durably(self.path, f"{key.encode()}\n")
        except FileExistsError:
            raise KeyFileError(f"asked to make a key in {self.path}, found a file there; it is left as it is") from None
        except OSError as error:
            raise KeyFileError(f"asked to make a key in {self.path}, found {error.strerror}") from error
        return key

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileError(f"asked for the key in {self.path}, found no regular file")
        if found.st_uid != os.geteuid():
            raise KeyFileError(f"the key in {self.path} belongs to another user; make a key of your own, or run chown")
        if found.st_mode & 0o077:
            raise KeyFileError(f"others may read the key in {self.path}; run chmod 600 on it, and think of a new key")


def _make_folder(folder: Path) -> None:
    """Make *folder* and all that is missing above it; ``mkdir(parents=True)`` gives its mode to the last alone."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _write_durably(path: Path, text: str) -> None:
    """Write a new file and its name to disk: what is sealed with a key that a power cut took is lost with it."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError:
        path.unlink(missing_ok=True)  # half a key would be in the way of a whole one
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
