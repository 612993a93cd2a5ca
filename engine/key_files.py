"""Owns the file that keeps a key, with the former ones below it, and how one key takes the place of another there.

The file is whole at every moment: it is written beside its place and renamed into it, durable before anything is
sealed with what is new in it. So there is no moment at which a key that has sealed something is in no file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from .errors import KeyFileError
from .key_readers import fault_of
from .keys import Key

MAX_KEYS = 100
MAX_FILE_BYTES = 46 * MAX_KEYS  # a key takes 45


class KeyFile:
    """A key in a file that only its owner can read; called, it reads it.

    Its first line is the key that seals, and each further one a former key, which only opens. A symbolic link is
    followed when it is read, and the file that it leads to is judged; none is written through. Raises ``KeyFileError``
    for a ``~`` of nobody.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            self.path = Path(path).expanduser()
        except RuntimeError:
            raise KeyFileError(f"asked for the key in {path}, found no user of that name; check the path") from None

    def __call__(self) -> Key:
        """Return the key; raises ``KeyFileError`` when it is missing, others own or may read it, or it holds no key."""
        try:
            return Key.decode(self._read().decode("ascii", "replace"))
        except KeyFileError as error:
            raise KeyFileError(_about(self.path, error)) from None

    def create(self, *, former: Iterable[Key] = ()) -> Key:
        """Make a new key and write it, in folders that are made for their owner alone; durable on return.

        Raises ``KeyFileError``, also for a file that is there.
        """
        key = Key.generate(former=former)
        with self._named_errors("make a key in"):
            _make_folder(self.path.parent)
            _write_durably(self.path, key)
        return key

    def add(self) -> Key:
        """Put a new key before those that the file holds and return it; they open as before. Durable on return.

        Whoever reads the file from now on seals with the new one. Raises ``KeyFileError``.
        """
        with self._exclusively():
            key = Key.generate(former=[self()])
            if len(key.ids) > MAX_KEYS:
                raise KeyFileError(f"asked to add a key in {self.path}, found {MAX_KEYS}; drop one that seals nothing")
            self._replace(key)
        return key

    def drop(self, key_id: str) -> Key:
        """Take a former key out of the file: what is still sealed with it will never open again. Durable on return.

        Raises ``KeyFileError``, also for the key that seals.
        """
        with self._exclusively():
            key = self().without(key_id)
            self._replace(key)
        return key

    def _read(self) -> bytes:
        asked = f"asked for the key in {self.path}"
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise KeyFileError(f"{asked}, found no file; make one with KeyFile(...).create()") from None
        except OSError as error:
            raise KeyFileError(f"{asked}, found {error.strerror}") from error
        try:
            fault = fault_of(descriptor, self.path)
            if fault is not None:
                raise KeyFileError(fault)
            return os.read(descriptor, MAX_FILE_BYTES)
        finally:
            os.close(descriptor)

    def _replace(self, key: Key) -> None:
        building = self.path.with_name(f"{self.path.name}.new")
        building.unlink(missing_ok=True)  # which a crash has left; nothing was sealed with what is in it
        _write_durably(building, key)
        building.replace(self.path)
        _sync_folder(self.path.parent)

    @contextmanager
    def _exclusively(self) -> Generator[None]:
        """Keep other programs from changing the file meanwhile: a key that one of them adds would be lost."""
        with self._named_errors("change the key in"):
            if self.path.is_symlink():
                raise KeyFileError(f"asked to change the key in {self.path}, found a link; name the file it leads to")
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
            finally:
                os.close(folder)

    @contextmanager
    def _named_errors(self, doing: str) -> Generator[None]:
        asked = f"asked to {doing} {self.path}"
        try:
            yield
        except FileExistsError:
            raise KeyFileError(f"{asked}, found a file there; it is left as it is") from None
        except BlockingIOError:
            raise KeyFileError(f"{asked}, found another program at it; try again") from None
        except OSError as error:
            raise KeyFileError(f"{asked}, found {error.strerror}") from error


def _about(path: Path, error: KeyFileError) -> str:
    """Return a message that names the file."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"


def _make_folder(folder: Path) -> None:
    """Make *folder* and all that is missing above it; ``mkdir(parents=True)`` gives its mode to the last alone."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _write_durably(path: Path, key: Key) -> None:
    """Write a new file and its name to disk: what is sealed with a key that a power cut took is lost with it."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(f"{key.encode()}\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError:
        path.unlink(missing_ok=True)  # half a key would be in the way of a whole one
        raise
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
