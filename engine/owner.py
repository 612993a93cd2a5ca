"""Owns the lock by which a database has one owner: an ``flock`` on a file beside it that is never removed.

SQLite's own ``locking_mode=EXCLUSIVE`` is no lock for this: another open-and-close of the file in the same process
drops it. Whether the name still leads to the file that was locked is looked at after locking.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import weakref
from contextlib import suppress
from pathlib import Path

from .errors import DatabaseOwnedError, StoreError

LOOKS, LOOK_S = 250, 0.02  # at a lock whose owner is dead
ATTEMPTS = 5  # the lock file was replaced under us so often: somebody works against us


class OwnerLock:
    """The right to write the database at *path*, which is resolved already."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = Path(f"{path}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises ``DatabaseOwnedError`` naming the holder, and ``StoreError`` where no file can be made.
        """
        for _ in range(ATTEMPTS):
            descriptor = self._open()
            self._lock(descriptor)
            if self._is_still(descriptor):
                self._hold(descriptor)
                return
            os.close(descriptor)
        raise StoreError(f"asked to lock {self._file}, found it replaced again and again; leave it where it is")

    def release(self) -> None:
        """Give the lock up."""
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        if descriptor is not None:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        """Lock the file; whom a dead owner had just forked holds it for an instant more, and is waited for."""
        holder = ""
        for _ in range(LOOKS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "an unknown process"
                if not has_ended(holder):
                    break
                select.select([], [], [], LOOK_S)
            else:
                return
        os.close(descriptor)
        raise DatabaseOwnedError(
            f"asked to open {self._path}, found it owned by {holder}; stop that engine or name another file"
        )

    def _open(self) -> int:
        try:
            return os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._refused("make", error) from error

    def _refused(self, asked: str, error: OSError) -> StoreError:
        return StoreError(
            f"asked to {asked} {self._file}, found {error.strerror}; name a file in a folder that you can write to"
        )

    def _is_still(self, descriptor: int) -> bool:
        try:
            named = self._file.lstat()
        except FileNotFoundError:
            return False
        locked = os.fstat(descriptor)
        return (named.st_dev, named.st_ino) == (locked.st_dev, locked.st_ino)

    def _hold(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{name_of(os.getpid())}\n".encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise self._refused("write", error) from error
        self._descriptor = descriptor
        _held.add(self)


def name_of(pid: int) -> str:
    """Return what is said of a process of this machine."""
    return f"process {pid} on {socket.gethostname()}"


def has_ended(holder: str) -> bool:
    """Return whether *holder* names a process of this machine that is not there any more."""
    pid = holder.split()[1] if holder.startswith("process ") else ""
    if not pid.isdecimal() or holder != name_of(int(pid)):
        return False
    try:
        with suppress(PermissionError):  # it is there, and somebody else's
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False


_held: weakref.WeakSet[OwnerLock] = weakref.WeakSet()


def _close_in_child() -> None:
    """Close what a forked child has inherited, or it would hold the lock after its parent has ended."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_close_in_child)
