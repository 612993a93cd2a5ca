"""The connection: its settings are in force, groups are whole or nothing, and what fails says so in our own words."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bequest.engine.database import CHECKPOINT_PAGES, MEMORY, Database, database_at
from bequest.engine.database_connection import BUSY_TIMEOUT_MS, Durability
from bequest.engine.database_file import open_database, open_reader
from bequest.engine.errors import DatabaseCorruptError, StoreError
from bequest.testing.manual_clock import ManualClock

SETTINGS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "wal_autocheckpoint": 0,
    "foreign_keys": 1,
    "cell_size_check": 1,
    "secure_delete": 1,
    "mmap_size": 0,
    "temp_store": 2,
    "trusted_schema": 0,
}
PLANNER_STABILITY = 1007  # SQLITE_DBCONFIG_ENABLE_QPSG of sqlite3.h
READER_SETTINGS = {"query_only": 1, "trusted_schema": 0, "mmap_size": 0, "cell_size_check": 1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database."""
    return tmp_path / "jobs.db"


@pytest.fixture
def database(path: Path, clock: ManualClock) -> Iterator[Database]:
    """Give a database with a table of our own, for what the schema has no room for."""
    opened = open_database(str(path), durability="relaxed", clock=clock)
    opened.script("CREATE TABLE note (text TEXT NOT NULL, fits INTEGER CHECK (fits = 1))")
    yield opened
    opened.close()


def write(database: Database, text: str) -> None:
    database.run("INSERT INTO note VALUES (?, 1)", (text,))


def notes(database: Database) -> list[str]:
    return [text for (text,) in database.rows("SELECT text FROM note ORDER BY rowid")]


def in_child(action: Callable[[], object]) -> str:
    """Return what *action* comes to in a forked child: the name of its error, or the text of its result."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            found = str(action())
        except BaseException as error:  # noqa: BLE001 - all of it goes to the parent
            found = type(error).__name__
        os.write(write_end, found.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as answered:
        found = answered.read()
    os.waitpid(pid, 0)
    return found


# Settings


@pytest.mark.parametrize(("name", "value"), SETTINGS.items())
def test_database_setting_is_in_force(path: Path, clock: ManualClock, name: str, value: object) -> None:
    """Each setting is what SQLite itself reports for the open connection, not only what was asked of it."""
    opened = open_database(str(path), durability="full", clock=clock)

    found = opened.row(f"PRAGMA {name}")

    opened.close()
    assert found == (value,)


@pytest.mark.parametrize(("name", "value"), SETTINGS.items())
def test_database_setting_survives_reopening(database: Database, name: str, value: object) -> None:
    """What is opened again after a commit in doubt has the same settings, with its own durability."""
    database.reopen()

    assert database.row(f"PRAGMA {name}") == (1 if name == "synchronous" else value,)


@pytest.mark.parametrize("is_owner", [True, False])
def test_statement_is_planned_once(path: Path, clock: ManualClock, is_owner: bool) -> None:
    """Other values mean no other plan: planning the claim with its triggers takes ten times as long as running it."""
    owner = open_database(str(path), durability="full", clock=clock)
    opened = owner if is_owner else open_reader(str(path), clock=clock)

    assert opened._connection.config(PLANNER_STABILITY, -1) == 1  # -1 asks

    opened.close()
    owner.close()


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("relaxed", 1)])
def test_durability_is_the_level_of_synchronous(
    path: Path, clock: ManualClock, durability: Durability, level: int
) -> None:
    """Full syncs the WAL at each commit (I1), relaxed leaves that to the checkpoint."""
    opened = open_database(str(path), durability=durability, clock=clock)

    found = opened.row("PRAGMA synchronous")

    opened.close()
    assert found == (level,)


@pytest.mark.parametrize(("name", "value"), READER_SETTINGS.items())
def test_reader_setting_is_in_force(
    database: Database, path: Path, clock: ManualClock, name: str, value: object
) -> None:
    """A reader's settings are what SQLite itself reports."""
    reader = open_reader(str(path), clock=clock)

    found = reader.row(f"PRAGMA {name}")

    reader.close()
    assert found == (value,)


# Statements


def test_row_is_the_first_or_none(database: Database) -> None:
    """One row is asked for where there may be none."""
    found = database.row("SELECT 1 UNION SELECT 2"), database.row("SELECT 1 WHERE 0")

    assert found == ((1,), None)


def test_run_counts_the_rows_that_it_changed(database: Database) -> None:
    """An update says how many rows it met."""
    for text in ("a", "a", "b"):
        write(database, text)
    before = database.total_changes

    assert database.run("UPDATE note SET text = 'c' WHERE text = 'a'") == 2
    assert database.total_changes - before == 2


def test_constraint_is_named_in_the_refusal(database: Database) -> None:
    """What a constraint refuses is an error that names it and shows no value."""
    with pytest.raises(StoreError, match="the database refused it: CHECK constraint failed: fits = 1") as caught:
        database.run("INSERT INTO note VALUES ('canary', 2)")

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "\ud800"])
def test_value_that_fits_in_no_column_is_refused_unseen(database: Database, value: str | int) -> None:
    """An integer beyond 64 bits and half of a surrogate pair are refused, without being quoted."""
    with pytest.raises(StoreError, match="a value fits in no column") as caught:
        database.run("INSERT INTO note VALUES (?, 1)", (value,))

    assert str(value).encode("utf-8", "replace").decode() not in str(caught.value)


def test_damaged_page_is_named_as_damage(database: Database, path: Path, clock: ManualClock) -> None:
    """A page overwritten with something else is an error that says to restore a backup."""
    for number in range(200):
        write(database, f"{number} " + "x" * 1_000)
    database.close()
    with path.open("r+b") as opened:
        opened.seek(-60 * 4096, os.SEEK_END)
        opened.write(b"\xff" * 50 * 4096)

    reader = open_reader(str(path), clock=clock)
    with pytest.raises(DatabaseCorruptError, match="found a damaged file; restore a backup"):
        notes(reader)
    reader.close()


def test_schema_is_not_written_by_hand(database: Database) -> None:
    """Not even with writable_schema can our own SQL damage the file."""
    database.run("PRAGMA writable_schema=ON")

    with pytest.raises(StoreError, match="may not be modified"):
        database.run("UPDATE sqlite_schema SET sql = ''")


def test_journal_is_not_turned_off(database: Database) -> None:
    """SQL that would leave the file without a journal changes nothing."""
    database.run("PRAGMA journal_mode=OFF")

    assert database.row("PRAGMA journal_mode") == ("wal",)


@pytest.mark.parametrize("sql", ["DELETE FROM note", "DROP TABLE note", "PRAGMA user_version=9"])
def test_reader_cannot_write(database: Database, path: Path, clock: ManualClock, sql: str) -> None:
    """A reader refuses every write."""
    reader = open_reader(str(path), clock=clock)

    with pytest.raises(StoreError, match="readonly database"):
        reader.run(sql)

    reader.close()


def test_interrupt_ends_what_another_thread_runs(database: Database) -> None:
    """A statement that would run on for ever ends with an error, and the connection goes on."""
    ended = threading.Event()

    def interrupt_until_ended() -> None:
        while not ended.wait(0.001):  # one that comes too early meets no statement
            database.interrupt()

    thread = threading.Thread(target=interrupt_until_ended)
    thread.start()
    try:
        with pytest.raises(StoreError, match="Interrupt"):
            database.rows("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
    finally:
        ended.set()
        thread.join()

    assert database.row("SELECT 1") == (1,)


# The WAL


def grow_wal(database: Database) -> None:
    """Write more pages than a checkpoint waits for, in one group."""
    with database.group():
        write(database, "x" * CHECKPOINT_PAGES * 4096)


def test_commit_writes_nothing_back(database: Database, path: Path) -> None:
    """However much a commit writes, the file itself is left to the checkpoint after it."""
    before = path.stat().st_size

    grow_wal(database)

    assert path.stat().st_size == before


def test_checkpoint_writes_a_grown_wal_back(database: Database, path: Path) -> None:
    """Past its bound the WAL is written back, so that it starts again from its beginning."""
    grow_wal(database)
    wal = Path(f"{path}-wal").stat().st_size

    database.checkpoint()
    write(database, "two")

    assert path.stat().st_size > CHECKPOINT_PAGES * 4096
    assert Path(f"{path}-wal").stat().st_size == wal


def test_checkpoint_leaves_a_small_wal(database: Database, path: Path) -> None:
    """Below its bound the WAL is left as it is."""
    before = path.stat().st_size
    write(database, "x" * 40 * 4096)

    database.checkpoint()

    assert path.stat().st_size == before


def test_truncate_empties_the_wal(database: Database, path: Path) -> None:
    """When idle all of the WAL is written back, however small."""
    write(database, "one")

    database.truncate_wal()
    database.truncate_wal()  # there is nothing left to do

    assert Path(f"{path}-wal").stat().st_size == 0
    assert notes(database) == ["one"]


def test_deleted_bytes_leave_the_file(database: Database, path: Path) -> None:
    """After a deletion and a truncated WAL no copy of what was deleted is in any file (I16)."""
    for number in range(500):
        write(database, f"canary {number}")
    database.truncate_wal()

    database.run("DELETE FROM note")
    database.truncate_wal()

    assert b"canary" not in path.read_bytes() + Path(f"{path}-wal").read_bytes()


def test_truncate_waits_for_no_reader(database: Database, path: Path, clock: ManualClock) -> None:
    """A long read does not hold up the owner: the WAL is truncated when the reader has gone, and nothing is lost."""
    write(database, "one")
    reader = open_reader(str(path), clock=clock)
    reader.run("BEGIN")
    assert notes(reader) == ["one"]
    write(database, "two")
    thread = threading.Thread(target=database.truncate_wal)

    thread.start()
    thread.join(BUSY_TIMEOUT_MS / 2000)

    assert not thread.is_alive()
    assert Path(f"{path}-wal").stat().st_size > 0
    reader.close()
    database.truncate_wal()
    assert Path(f"{path}-wal").stat().st_size == 0
    assert notes(database) == ["one", "two"]


def test_close_writes_the_wal_back_and_removes_it(database: Database, path: Path) -> None:
    """After a clean end the file stands alone."""
    write(database, "one")

    database.close()
    database.close()  # a second time is none

    assert not Path(f"{path}-wal").exists()


def test_abandoned_file_is_left_as_it_was(database: Database, path: Path) -> None:
    """A connection that is given up writes nothing back."""
    write(database, "one")
    before = path.read_bytes(), Path(f"{path}-wal").read_bytes()

    database.abandon()

    assert (path.read_bytes(), Path(f"{path}-wal").read_bytes()) == before


# Processes and places


def write_in_a_group(database: Database) -> None:
    with database.group():
        write(database, "one")


@pytest.mark.parametrize("ask", [notes, write_in_a_group, Database.reopen])
def test_forked_child_is_refused(database: Database, ask: Callable[[Database], object]) -> None:
    """In a forked child a read, a group and a reopening raise at once, before SQLite is touched."""
    assert in_child(lambda: ask(database)) == "ForkError"


def test_forked_child_that_closes_harms_nothing(database: Database, path: Path) -> None:
    """What a child closes stays open for its parent, with its locks."""
    write(database, "one")

    assert in_child(database.close) == "None"

    write(database, "two")
    assert notes(database) == ["one", "two"]
    assert Path(f"{path}-wal").exists()


def test_place_is_absolute_and_follows_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later change of folder does not matter, and two names of one file are one place."""
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    monkeypatch.chdir(tmp_path)

    assert database_at("link/jobs.db") == str(tmp_path / "folder" / "jobs.db")


def test_place_in_memory_is_no_file() -> None:
    """The name of a database in memory stays what it is, as a path too."""
    assert database_at(Path(MEMORY)) == MEMORY


def test_place_in_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde is the user's own folder."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert database_at("~/jobs.db") == str(tmp_path / "jobs.db")


@pytest.mark.parametrize(
    ("path", "found"), [("~nobody-of-that-name/jobs.db", "found no user of that name"), ("jobs\0.db", "found a NUL")]
)
def test_place_that_names_no_file_is_refused(path: str, found: str) -> None:
    """What can be no path is an error of the library, not one of Python's own."""
    with pytest.raises(StoreError, match=found):
        database_at(path)
