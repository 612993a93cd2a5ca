"""Owns the VFS by which a disk of our own making stands between SQLite and its files.

A disk sees each operation before it is done, and does it, fails it, or notes it. What reaches the files past SQLite is
not seen: the making of an empty file, renames, the lock file, and the shared memory beside the write-ahead log.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Literal, NamedTuple, Self, TypeVar

import apsw

OperationName = Literal["read", "write", "sync", "truncate", "open", "delete"]
ErrorName = Literal["io", "full"]

T = TypeVar("T")

IO_CODES: dict[OperationName, int] = {
    "read": apsw.SQLITE_IOERR_READ,
    "write": apsw.SQLITE_IOERR_WRITE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "open": apsw.SQLITE_CANTOPEN,
    "delete": apsw.SQLITE_IOERR_DELETE,
}
WORDS = {  # SQLite's own, which it leaves to whoever raises in a VFS
    apsw.SQLITE_FULL: "database or disk is full",
    apsw.SQLITE_CANTOPEN: "unable to open database file",
}

_numbers = itertools.count(1)


class Operation(NamedTuple):
    """What SQLite asks of a disk."""

    name: OperationName
    path: str
    offset: int = 0  # of a write or a read; the size that a truncate asks for
    data: bytes = b""  # of a write
    is_durable: bool = False  # of a delete: the folder is to be synced too


class Disk:
    """A VFS that is there within a ``with`` block, under the unique name ``vfs``; it does what it is asked.

    An engine that was opened with it is stopped before the block ends. Any thread may use it.
    """

    syncs: ClassVar[bool] = True  # whether a sync reaches the file; one of a model need not

    def __init__(self) -> None:
        self.vfs = f"bequest-{type(self).__name__.lower()}-{os.getpid()}-{next(_numbers)}"
        self.counted: Counter[OperationName] = Counter()  # operations that were asked for, failed ones too
        self._lock = threading.RLock()
        self._registered: _Vfs | None = None

    def __enter__(self) -> Self:
        self._registered = _Vfs(self)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        registered, self._registered = self._registered, None
        if registered is not None:
            registered.unregister()

    def meet(self, operation: Operation, act: Callable[[Operation], T]) -> T:
        """Do *operation* by *act*, and return what that returns; a subclass may fail, or do another one."""
        return act(operation)

    def closed(self, path: str) -> None:
        """Note that SQLite has closed a file."""

    def count(self, operation: Operation, act: Callable[[Operation], T]) -> T:
        """Count *operation*, and meet it."""
        with self._lock:
            self.counted[operation.name] += 1
        return self.meet(operation, act)


def failure(operation: Operation, error: ErrorName) -> Exception:
    """Return the error that makes SQLite take *operation* for failed."""
    code = apsw.SQLITE_FULL if error == "full" else IO_CODES[operation.name]
    made = apsw.exception_for(code)
    made.args = (WORDS.get(code, "disk I/O error"),)
    return made


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(disk.vfs, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if name is None:  # a temporary file: it is nobody's
            return apsw.VFSFile("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return self._disk.count(Operation("open", path), lambda _: _File(self._disk, path, name, flags))

    def xDelete(self, filename: str, syncdir: bool) -> None:
        delete = super().xDelete
        asked = Operation("delete", filename, is_durable=bool(syncdir))
        self._disk.count(asked, lambda one: delete(one.path, one.is_durable))


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, path: str, name: str | apsw.URIFilename, flags: list[int]) -> None:
        self._disk = disk
        self._path = path
        super().__init__("", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        read = super().xRead
        return self._disk.count(Operation("read", self._path, offset), lambda one: read(amount, one.offset))

    def xWrite(self, data: bytes, offset: int) -> None:
        write = super().xWrite
        self._disk.count(Operation("write", self._path, offset, data), lambda one: write(one.data, one.offset))

    def xSync(self, flags: int) -> None:
        sync = super().xSync
        self._disk.count(Operation("sync", self._path), lambda _: sync(flags) if self._disk.syncs else None)

    def xTruncate(self, newsize: int) -> None:
        truncate = super().xTruncate
        self._disk.count(Operation("truncate", self._path, newsize), lambda one: truncate(one.offset))

    def xClose(self) -> None:
        super().xClose()
        self._disk.closed(self._path)
