"""Owns a copy of a database into a file of its own, so many pages at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import apsw

from .database_connection import run_all
from .database_errors import named
from .errors import BackupError


class Copy:
    """A copy that is under way; used by the source connection's thread.

    What that connection writes meanwhile is in the copy. What another one writes makes it begin anew, unless the
    connection reads in a transaction of its own all the while. Nothing of it is durable before the file is synced.
    """

    def __init__(self, source: apsw.Connection, path: str) -> None:
        self.is_closed = False
        self._path = path
        self._to_close: list[apsw.Backup | apsw.Connection] = []
        with self._translated():
            target = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=source.open_vfs)
            self._to_close.append(target)
            run_all(target, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA mmap_size=0")
            self._backup = target.backup("main", source, "main")
            self._to_close.append(self._backup)

    def step(self, pages: int) -> tuple[int, int]:
        """Copy so many more pages; return how many are copied and how many there are. Raises ``BackupError``."""
        if self.is_closed:
            raise BackupError(f"asked to go on with the backup to {self._path}, found it ended; begin it anew")
        with self._translated():
            self._backup.step(pages)
        return self._backup.page_count - self._backup.remaining, self._backup.page_count

    def close(self) -> None:
        """End it, complete or not; the file has its bytes, not synced."""
        self.is_closed = True
        while self._to_close:
            self._to_close.pop().close(force=True)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except apsw.Error as error:
            self.close()
            raise BackupError(
                f"asked to back up to {self._path}, found {named(error)}; check that disk and its space"
            ) from error
