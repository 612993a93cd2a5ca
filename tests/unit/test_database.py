"""The connection: its settings are in force, groups are whole or nothing, and what fails says so in our own words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bequest.engine.database import Database, Durability
from bequest.engine.database_file import open_database, open_reader
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
