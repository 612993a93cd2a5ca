"""Owns the connection to SQLite, and the transactions on it.

A ``Database`` is used by one thread at a time. What is written inside ``group()`` is durable when the block has ended
(I1): under ``"full"`` it survives a power cut, under ``"relaxed"`` a kill but perhaps not a power cut. Checkpoints
never run inside a commit, because their I/O errors would fall on work that was acknowledged.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import apsw

from .clock import Clock
from .database_connection import BUSY_TIMEOUT_MS, Durability, connect, connect_to_read, run_all
from .database_copy import Copy
from .database_errors import named, translated, translation
from .errors import CommitInDoubtError, DiskError, ForkError, StoreError
from .read_deadline import ReadDeadline

Value = str | int | float | bytes | None
Row = tuple[Any, ...]  # Any: as SQLite gives it
ReopenWith = tuple[str, Durability, str | None]  # path, durability, VFS

CHECKPOINT_PAGES = 1000  # of the WAL, then it is written back
WAL_BOUND_BYTES = 64 * 1024**2  # then long reads give way, and the file is cut short as soon as nobody reads
FRAME_BYTES = 4096 + 24  # a page in the WAL, https://www.sqlite.org/fileformat2.html#the_write_ahead_log
LOOK_EVERY = 20_000  # steps of SQLite's machine between two looks at the time, some milliseconds
MEMORY = ":memory:"
SQLITE_VERSION = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))


class Database:
    """One connection; ``now`` is the time of the group that is open.

    ``clock_lead`` is how far that is ahead of the seconds that have passed; it changes when the wall clock is set.
    """

    def __init__(self, connection: apsw.Connection, clock: Clock, reopen_with: ReopenWith | None) -> None:
        self._clock = clock
        self._look_at_clock()
        self.rollbacks = 0  # grows whenever what was read in a group may have been undone
        self._connection = connection
        self._reopen_with = reopen_with
        self._pid = os.getpid()
        self._in_group = False
        self._last_error = ""  # of this group, by SQLite's name
        self._must_reopen = False
        self._wal = Path(f"{connection.filename}-wal") if connection.filename else None
        self._wal_pages = 0  # that are to be written back
        self._is_wal_empty = False  # a former owner may have left one
        self._copies: list[Copy] = []

    @classmethod
    def open(cls, path: str, *, durability: Durability, clock: Clock, vfs: str | None = None) -> Self:
        """Open the file at *path* (or ``":memory:"``) for writing; it exists and was checked."""
        with translated("open the database"):
            database = cls(connect(path, durability, vfs), clock, (path, durability, vfs))
        database._watch_wal()
        return database

    @classmethod
    def open_reader(cls, path: str, *, clock: Clock, vfs: str | None = None) -> Self:
        """Open the file at *path* for reading only, beside its owner."""
        with translated("open the database for reading"):
            return cls(connect_to_read(path, vfs), clock, None)

    @contextmanager
    def group(self) -> Generator[None]:
        """Run the block as one transaction.

        When the block raises, all of it is undone. Raises ``CommitInDoubtError`` when the commit itself fails: what was
        written may be there or not. After that the next group opens the database again, unless ``reopen`` did.
        """
        self._check_process()
        self._look_at_clock()
        if self._must_reopen:
            self.reopen()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            raise translation(error, "begin a transaction") from error
        self._in_group, self._last_error = True, "an error"
        try:
            yield
            self._check_transaction()
        except BaseException:
            self._undo()
            raise
        finally:
            self._in_group = False
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            self.rollbacks += 1
            self._must_reopen = True
            raise CommitInDoubtError(f"{CommitInDoubtError.__doc__} (SQLite: {named(error)})") from error

    @contextmanager
    def loose_group(self) -> Generator[None]:
        """Run the block as one transaction in which foreign keys are neither looked at nor followed.

        What refers to a row that it deletes stays; whoever deletes it answers for what then refers to nothing.
        """
        self.script("PRAGMA foreign_keys=OFF")
        try:
            with self.group():
                yield
        finally:
            with suppress(StoreError):  # in doubt, and so opened again, where they are in force
                self.script("PRAGMA foreign_keys=ON")

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Run the block so that it is undone alone when it raises."""
        self.rows("SAVEPOINT message")
        try:
            yield
        except BaseException:
            self.rollbacks += 1
            if self._connection.in_transaction:  # SQLite itself undoes all of it on some errors
                self._undo_savepoint()
            raise
        self.rows("RELEASE message")

    def rows(self, sql: str, values: Iterable[Value] = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        self._check_transaction()
        try:
            return self._connection.execute(sql, tuple(values)).fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            self._last_error = named(error)
            raise translation(error, "read or write the database") from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise StoreError(f"a value fits in no column: {type(error).__name__}; shorten or encode it") from error

    def row(self, sql: str, values: Iterable[Value] = ()) -> Row | None:
        """Run one statement and return its first row, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def run(self, sql: str, values: Iterable[Value] = ()) -> int:
        """Run one statement and return how many rows it changed."""
        self.rows(sql, values)
        return self._connection.changes()

    def script(self, sql: str) -> None:
        """Run several statements."""
        with translated("change the schema"):
            run_all(self._connection, sql)

    @property
    def total_changes(self) -> int:
        """How many rows this connection has changed, triggers included."""
        return self._connection.total_changes()

    @property
    def is_wal_over(self) -> bool:
        """Whether more of the WAL than its bound could not be written back: somebody reads an old state of the file."""
        return self._wal_pages * FRAME_BYTES > WAL_BOUND_BYTES

    def checkpoint(self) -> None:
        """Write the WAL back when it has grown; a failure is left to the next time, and a reader is not waited for."""
        if self.is_wal_over:
            self.truncate_wal()
        elif self._wal_pages >= CHECKPOINT_PAGES:
            self._try_checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)

    def truncate_wal(self) -> None:
        """Write all of the WAL back and empty it, so that nothing deleted stays in it; for when nothing else is due.

        A reader in the way is not waited for: the next time will do.
        """
        if not self._is_wal_empty:
            self._connection.set_busy_timeout(0)
            self._is_wal_empty = self._try_checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)

    @contextmanager
    def deadline(self, seconds: float, *, gives_way: bool) -> Generator[None]:
        """End what the block reads after so many *seconds* with ``DeadlineError``, and its view of the file with it.

        A read that *gives_way* also ends, when it takes long, for a WAL over its bound: that is cut short only then.
        """
        until = ReadDeadline(self._clock, seconds, gives_way_to=(lambda: self.is_wal_large) if gives_way else None)
        self._connection.set_progress_handler(until.is_over, LOOK_EVERY)
        fault: StoreError | None = None
        try:
            yield
        except StoreError as error:
            fault = error
        finally:
            self._connection.set_progress_handler(None)
        until.end(fault)

    def copy_to(self, path: str) -> Copy:
        """Begin to copy all of the database into the empty file at *path*; raises ``BackupError``."""
        self._check_process()
        copy = Copy(self._connection, path)
        self._copies = [*(one for one in self._copies if not one.is_closed), copy]
        return copy

    def interrupt(self) -> None:
        """Make what another thread runs on this connection end with an error."""
        self._connection.interrupt()

    def reopen(self) -> None:
        """Close and open again, after a commit in doubt; a database in memory is only rolled back.

        Raises ``StoreError`` when that fails; the next group tries again.
        """
        self._check_process()
        if self._reopen_with is None or self._reopen_with[0] == MEMORY:
            self._undo()
            self.script("PRAGMA foreign_keys=ON")
        else:
            self.rollbacks += 1
            self._must_reopen = True
            self._close_connection()
            with translated("open the database again"):
                self._connection = connect(*self._reopen_with)
            self._watch_wal()
        self._must_reopen = False

    def close(self) -> None:
        """Close; the last connection to a file writes the WAL back. In a forked child it does nothing."""
        if os.getpid() == self._pid:
            with suppress(apsw.ConnectionClosedError):
                self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            self.abandon()

    def abandon(self) -> None:
        """Close a file that turned out not to be ours to write; not even its WAL is written back."""
        self._close_connection()

    def _close_connection(self) -> None:
        for copy in self._copies:
            copy.close()
        with suppress(apsw.Error):  # of a VFS in Python; the connection is closed all the same
            self._connection.close(force=True)

    def _undo_savepoint(self) -> None:
        try:
            self.rows("ROLLBACK TO message")
            self.rows("RELEASE message")
        except StoreError:
            self._undo()  # all of it, or half of the block would be written with what comes after it

    def _look_at_clock(self) -> None:
        """Read the time once for all that the group does with it: the lead must be that of this very time.

        The seconds that have passed come first: who is held up between the two readings then finds leases that last a
        little longer, and not shorter.
        """
        passed = self._clock.monotonic()
        self.now = self._clock.now()
        self.clock_lead = self.now - passed

    def _undo(self) -> None:
        self.rollbacks += 1
        if self._connection.in_transaction:
            self._must_reopen = True
            with translated("undo a transaction"):
                self._connection.execute("ROLLBACK")
            self._must_reopen = False

    def _try_checkpoint(self, mode: int) -> bool:
        """Write back what can be; return whether that was all."""
        try:
            left, done = self._connection.wal_checkpoint(mode=mode)
        except apsw.Error:
            return False  # the WAL stays as it is, with all that was acknowledged
        self._wal_pages = max(0, left - done)
        return not self._wal_pages

    @property
    def is_wal_large(self) -> bool:
        """Whether the WAL's file is over its bound; any thread may ask."""
        return self.wal_bytes > WAL_BOUND_BYTES

    @property
    def wal_bytes(self) -> int:
        """The size of the WAL's file, 0 where there is none; any thread may ask."""
        try:
            return 0 if self._wal is None else self._wal.stat().st_size
        except OSError:
            return 0

    def _watch_wal(self) -> None:
        def hook(_connection: apsw.Connection, _name: str, pages: int) -> int:
            self._wal_pages, self._is_wal_empty = pages, False
            return apsw.SQLITE_OK

        self._connection.set_wal_hook(hook)

    def _check_transaction(self) -> None:
        """Refuse to go on in a group that SQLite itself has undone, as it does when the disk is full or fails."""
        self._check_process()
        if self._in_group and (self._must_reopen or not self._connection.in_transaction):
            raise DiskError(f"SQLite undid the whole transaction after {self._last_error}; nothing of it is written")

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise ForkError


def database_at(path: Path | str) -> str:
    """Return *path* as SQLite is given it: absolute, so that a later change of folder does not matter.

    Raises ``StoreError`` for what names no file.
    """
    if str(path) == MEMORY:
        return MEMORY
    if "\0" in str(path):
        raise StoreError("asked to open a database, found a NUL in its path; name a file")
    try:
        return os.path.realpath(Path(path).expanduser())
    except RuntimeError:  # of expanduser
        raise StoreError(f"asked to open {path}, found no user of that name; check the path") from None
