"""A copy of a database that is written to: whole, of one state, and ended in our own words when it cannot go on."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bequest.engine.database import MEMORY, Database
from bequest.engine.database_file import open_database, open_reader
from bequest.engine.errors import BackupError
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database."""
    return tmp_path / "jobs.db"


@pytest.fixture
def database(path: Path, clock: ManualClock) -> Iterator[Database]:
    """Give a database of some hundred pages, in a table of our own."""
    opened = open_database(str(path), durability="relaxed", clock=clock)
    opened.script("CREATE TABLE note (text TEXT NOT NULL)")
    for number in range(200):
        write(opened, f"{number} " + "x" * 4_000)
    yield opened
    opened.close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Give an empty file to copy into."""
    file = tmp_path / "copy.db"
    file.touch()
    return file


def write(database: Database, text: str) -> None:
    with database.group():
        database.run("INSERT INTO note VALUES (?)", (text,))


def notes_in(file: Path) -> list[str]:
    """Return what a copy has, having looked whether it is whole."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY rowid")]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond *size* bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_copy_is_whole(database: Database, target: Path) -> None:
    """All that was committed is in it, also what is only in the WAL."""
    copy = database.copy_to(str(target))

    done, total = copy.step(10_000)

    copy.close()
    assert done == total > 200
    assert len(notes_in(target)) == 200


def test_copy_says_how_far_it_is(database: Database, target: Path) -> None:
    """Each step copies as many pages as are asked for."""
    copy = database.copy_to(str(target))

    first, second = copy.step(10), copy.step(20)

    copy.close()
    assert (first[0], second[0]) == (10, 30)
    assert database.row("PRAGMA page_count") == (first[1],) == (second[1],)


def test_copy_has_what_its_own_connection_writes_meanwhile(database: Database, target: Path) -> None:
    """It neither misses what is written between its steps, before or behind it, nor begins anew."""
    copy = database.copy_to(str(target))
    copy.step(100)
    with database.group():
        database.run("UPDATE note SET text = 'changed' WHERE rowid IN (1, 200)")

    write(database, "new")
    done, _ = copy.step(10)
    while done < copy.step(10)[1]:
        done += 10

    copy.close()
    notes = notes_in(target)
    assert (notes[0], notes[199], notes[200]) == ("changed", "changed", "new")


def test_copy_of_a_view_is_of_that_state(database: Database, path: Path, target: Path, clock: ManualClock) -> None:
    """A reader that keeps its view copies just that, while the owner writes on, and comes to an end."""
    reader = open_reader(str(path), clock=clock)
    reader.run("BEGIN")
    reader.rows("SELECT count(*) FROM note")
    copy = reader.copy_to(str(target))

    done, total = copy.step(10)
    for _ in range(1_000):
        write(database, "later")
        done, total = copy.step(10)
        if done == total:
            break

    copy.close()
    reader.close()
    assert done == total
    assert len(notes_in(target)) == 200


def test_copy_that_finds_the_disk_full_ends(database: Database, target: Path) -> None:
    """A disk without room is an error that says so, whatever SQLite makes of it, and the database goes on."""
    copy = database.copy_to(str(target))

    with largest_file(100_000), pytest.raises(BackupError, match=r"copy\.db, found .*; check that disk and its space"):
        copy.step(10_000)

    assert copy.is_closed
    write(database, "after")
    assert database.row("SELECT count(*) FROM note") == (201,)


def test_copy_into_no_database_is_refused(database: Database, target: Path) -> None:
    """A file that is there and is something else is not written over."""
    target.write_text("a letter " * 1_000)

    with pytest.raises(BackupError):
        database.copy_to(str(target)).step(10)

    assert target.read_text().startswith("a letter")


def test_copy_within_a_group_is_refused(database: Database, target: Path) -> None:
    """In the middle of a transaction there is no state to copy."""
    copy = database.copy_to(str(target))

    with database.group():
        database.run("INSERT INTO note VALUES ('half')")
        with pytest.raises(BackupError):
            copy.step(10)

    assert database.row("SELECT count(*) FROM note") == (201,)


@pytest.mark.parametrize("how", ["close", "reopen"])
def test_copy_ends_with_its_connection(database: Database, target: Path, how: str) -> None:
    """Once the connection has gone a copy says so, and keeps no file open."""
    copy = database.copy_to(str(target))
    copy.step(10)

    getattr(database, how)()

    with pytest.raises(BackupError, match="found it ended; begin it anew"):
        copy.step(10)
    open_files = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    assert target not in open_files


def test_database_in_memory_can_be_copied(target: Path, clock: ManualClock) -> None:
    """What lives in memory gets a file of its own."""
    database = open_database(MEMORY, durability="full", clock=clock)
    database.script("CREATE TABLE note (text TEXT NOT NULL)")
    write(database, "one")
    copy = database.copy_to(str(target))

    copy.step(10_000)

    copy.close()
    database.close()
    assert notes_in(target) == ["one"]


# Loose groups


def test_loose_group_leaves_what_refers_to_what_it_deletes(database: Database) -> None:
    """What a foreign key would have deleted too is still there, and the keys are in force again afterwards."""
    with database.group():
        database.script("CREATE TABLE whole (id INTEGER PRIMARY KEY)")
        database.script("CREATE TABLE piece (whole_id INTEGER REFERENCES whole (id) ON DELETE CASCADE)")
        database.run("INSERT INTO whole VALUES (1), (2)")
        database.run("INSERT INTO piece VALUES (1), (2)")

    with database.loose_group():
        database.run("DELETE FROM whole WHERE id = 1")
    with database.group():
        database.run("DELETE FROM whole WHERE id = 2")

    assert database.rows("SELECT whole_id FROM piece") == [(1,)]
    assert database.row("PRAGMA foreign_keys") == (1,)


def test_loose_group_that_raises_puts_the_keys_in_force(database: Database) -> None:
    """Also after an error foreign keys are followed, and nothing of the group is left."""
    with pytest.raises(KeyError), database.loose_group():
        write_inside(database)

    assert database.row("PRAGMA foreign_keys") == (1,)
    assert database.row("SELECT count(*) FROM note") == (200,)


def write_inside(database: Database) -> None:
    database.run("INSERT INTO note VALUES ('half')")
    raise KeyError
