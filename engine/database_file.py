"""Owns what is checked and made before the database file is trusted: its header, its modes, its schema's version.

The header is read by hand first, so that a file of another application or of a newer release is refused with not one
byte of it changed. A new database is built beside its place and renamed into it, so a crash leaves none or a whole one.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .clock import Clock
from .database import MEMORY, SQLITE_VERSION, Database
from .database_connection import Durability
from .errors import DatabaseCorruptError, ForeignDatabaseError, NewerDatabaseError, StoreError
from .schema import APPLICATION_ID, MINIMUM_SQLITE, Migration, migrations

MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100  # https://www.sqlite.org/fileformat.html#the_database_header


class Header(NamedTuple):
    """The two numbers of the header that say whose file it is."""

    user_version: int
    application_id: int


def open_database(path: str, *, durability: Durability, clock: Clock, vfs: str | None = None) -> Database:
    """Open *path* (absolute, or ``":memory:"``), making it if it does not exist and bringing its schema up to date.

    *vfs* names what SQLite reaches files through, None its own. The caller holds the owner lock. Raises
    ``ForeignDatabaseError``, ``NewerDatabaseError``, ``DatabaseCorruptError`` and ``StoreError``; a file that is
    refused is left as it was.
    """
    check_sqlite()
    if path == MEMORY:
        database = Database.open(path, durability=durability, clock=clock, vfs=vfs)
        migrate(database, migrations())
        return database
    file = Path(path)
    if is_missing(file):
        create(file, clock, vfs)
    check_header(file)
    database = Database.open(path, durability=durability, clock=clock, vfs=vfs)
    try:
        check_numbers(numbers_in(database), path)
        migrate(database, migrations())
        database.script("PRAGMA journal_mode=WAL")  # a copy made by VACUUM INTO has another
    except BaseException:
        database.abandon()
        raise
    return database


def open_reader(path: str, *, clock: Clock, vfs: str | None = None) -> Database:
    """Open an existing database for reading.

    Raises as ``open_database`` does, and ``StoreError`` when there is none.
    """
    check_sqlite()
    file = Path(path)
    if is_missing(file):
        raise StoreError(f"asked to read {path}, found no database there; name the file that a run was stored in")
    check_header(file)
    database = Database.open_reader(path, clock=clock, vfs=vfs)
    try:
        check_numbers(numbers_in(database), path)
    except BaseException:
        database.close()
        raise
    return database


def check_file(file: Path) -> None:
    """Refuse what ``open_database`` would refuse, changing nothing; a file that is not there is fine."""
    if not is_missing(file):
        check_header(file)


def check_sqlite(version: tuple[int, ...] = SQLITE_VERSION) -> None:
    """Refuse a SQLite that can lose a WAL that was reset under a reader."""
    if version < MINIMUM_SQLITE:
        found, wanted = (".".join(map(str, numbers)) for numbers in (version, MINIMUM_SQLITE))
        raise StoreError(f"SQLite {wanted} or newer is needed, found {found}; install apsw from its wheel")


def is_missing(file: Path) -> bool:
    """Return whether there is no database at *file* yet; an empty file is none.

    Raises ``DatabaseCorruptError`` beside a WAL that something was left in, for its database has been lost, and
    ``StoreError`` for what is no file: a device or a pipe has no size either, and must not be replaced.
    """
    if _size_of(file):
        return False
    wal = Path(f"{file}-wal")
    if _size_of(wal):
        raise DatabaseCorruptError(f"found {wal} but no database beside it; restore {file.name} or move the WAL away")
    return True


def _size_of(file: Path) -> int:
    """Return how many bytes *file* has, 0 where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"asked to open {file}, found {error.strerror}; check the path and its rights") from error
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a device, pipe or socket"
        raise StoreError(f"asked to open {file}, found {what}; name a file")
    return found.st_size


def check_header(file: Path) -> None:
    """Refuse *file* unless its header says that it is ours and not newer than this release."""
    try:
        with file.open("rb") as opened:
            header = opened.read(HEADER_BYTES)
    except OSError as error:
        raise StoreError(f"asked to open {file}, found {error.strerror}; check the path and its rights") from error
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise ForeignDatabaseError(f"{file} is not a SQLite database; it is left as it was, name another file")
    check_numbers(Header(int.from_bytes(header[60:64], "big"), int.from_bytes(header[68:72], "big")), str(file))


def check_numbers(header: Header, path: str) -> None:
    """Refuse a file that these numbers say is another application's or a newer release's."""
    if header.application_id != APPLICATION_ID:
        raise ForeignDatabaseError(f"{path} belongs to another application; it is left as it was, name another file")
    newest = migrations()[-1].version
    if header.user_version > newest:
        raise NewerDatabaseError(
            f"{path} has schema {header.user_version} and this release knows {newest}; install the newer release"
        )


def create(file: Path, clock: Clock, vfs: str | None = None) -> None:
    """Make a new database at *file*, readable and writable by its owner only."""
    building = Path(f"{file}.new")
    try:
        make_empty(building)
        database = Database.open(str(building), durability="full", clock=clock, vfs=vfs)
        try:
            database.script("PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY")  # it is synced once, when it is whole
            migrate(database, migrations())
            database.script("PRAGMA journal_mode=WAL")
        finally:
            database.close()
        _sync(building, os.O_RDONLY)
        building.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        raise StoreError(
            f"asked to make {file}, found {error.strerror}; name a file in a folder that you can write to"
        ) from error


def make_empty(file: Path) -> None:
    """Make an empty *file*, also where a crash has left one with what SQLite keeps beside it."""
    for leftover in (file, Path(f"{file}-journal"), Path(f"{file}-wal"), Path(f"{file}-shm")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    """Make a file's content, or the names in a folder, durable."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def numbers_in(database: Database) -> Header:
    """Return the numbers as they stand now; those in the WAL may be ahead of the file's header."""
    ((user_version,),) = database.rows("PRAGMA user_version")
    ((application_id,),) = database.rows("PRAGMA application_id")
    return Header(user_version, application_id)


def migrate(database: Database, steps: Sequence[Migration]) -> None:
    """Apply the migrations that the file does not have yet, each in one transaction."""
    version = numbers_in(database).user_version
    for step in steps:
        if step.version > version:
            with database.group():
                database.script(step.sql)
                if not version:
                    database.run("INSERT INTO engine VALUES (1, ?, ?, 0)", (str(uuid.uuid4()), database.now))
                database.script(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={step.version}")
            version = step.version
