"""Owns the file that a backup becomes: where it may lie, how it is built beside its place, and when it is durable.

A backup is whole or absent: it is built as ``<name>.new``, synced, and renamed into its place. Beside a database that
another process owns it is read in one transaction, for as long as which the WAL cannot be cut short; an engine copies
through its own writing connection instead, and keeps nothing open between two steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

from .clock import Clock
from .database import database_at
from .database_file import check_header, make_empty, open_reader, sync_folder
from .errors import BackupError, BequestError
from .records import Record

PAGES_A_STEP = 256  # 1 MiB
OWN_ENDINGS = ("", "-wal", "-shm", ".lock", ".new")  # of the files of one database


class BackupProgress(Record, frozen=True, kw_only=True):
    """How far a backup is."""

    done: int  # pages of the file
    total: int

    @property
    def is_complete(self) -> bool:
        """Whether all is copied."""
        return self.done == self.total


def back_up_beside(
    source: str, path: Path | str, *, clock: Clock, on_progress: Callable[[BackupProgress], None]
) -> BackupProgress:
    """Back the database at *source* up to *path* as it is now, beside whoever owns it; durable on return.

    Raises ``BackupError``, and what ``open_reader`` raises; then there is no file at *path* that was not there before.
    """
    with closing(open_reader(source, clock=clock)) as reader, building_at(path, source=source) as building:
        reader.run("BEGIN")
        reader.rows("SELECT count(*) FROM engine")  # from here on it reads one state of the file
        copy = reader.copy_to(str(building))
        progress = BackupProgress(done=0, total=1)
        while not progress.is_complete:
            done, total = copy.step(PAGES_A_STEP)
            progress = BackupProgress(done=done, total=total)
            on_progress(progress)
        copy.close()
    return progress


@contextmanager
def building_at(path: Path | str, *, source: str) -> Generator[Path]:
    """Give the empty file that the block makes a backup to *path*; at its end it is durable and in its place.

    When the block raises nothing is left of it. Raises ``BackupError`` as ``prepare`` does.
    """
    building = prepare(path, source=source)
    try:
        yield building
        publish(building)
    except BaseException:
        building.unlink(missing_ok=True)
        raise


def prepare(path: Path | str, *, source: str) -> Path:
    """Make the empty file that a backup to *path* is built in and return it; raises ``BackupError``.

    An older backup may be replaced. Nothing else is: no file of another kind, not *source*, and no database that lies
    beside a WAL, for that would be taken for the new file's.
    """
    file = Path(database_at(path))
    asked = f"asked to back up to {path}"
    if str(file) in {f"{source}{ending}" for ending in OWN_ENDINGS}:
        raise BackupError(f"{asked}, found that it is the database itself; name another file")
    try:
        if file.exists() and (not file.is_file() or file.stat().st_size):
            _check_replaceable(file, asked)
        building = file.with_name(f"{file.name}.new")
        make_empty(building)
    except OSError as error:
        raise BackupError(f"{asked}, found {error.strerror}; name a file in a folder that you can write to") from error
    return building


def publish(building: Path) -> None:
    """Make a backup that was built durable and put it in its place; raises ``BackupError``."""
    file = building.with_suffix("")
    try:
        descriptor = os.open(building, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        building.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        raise BackupError(f"asked to back up to {file}, found {error.strerror}; check that disk") from error


def _check_replaceable(file: Path, asked: str) -> None:
    if not file.is_file():
        raise BackupError(f"{asked}, found something that is no file; name another place")
    try:
        check_header(file)
    except BequestError as error:
        raise BackupError(f"{asked}, found a file that is no backup of ours; name another") from error
    if Path(f"{file}-wal").exists():
        raise BackupError(f"{asked}, found a database in use there, with a write-ahead log; name another file")
