"""The WAL is written back and cut short, and no read keeps it from that for longer than its deadline."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest.engine import database as module
from bequest.engine.database import CHECKPOINT_PAGES, Database
from bequest.engine.database_file import open_database, open_reader
from bequest.engine.errors import DeadlineError, StoreError
from bequest.testing.manual_clock import ManualClock

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
PATIENCE_S = 20.0
PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database."""
    return tmp_path / "jobs.db"


@pytest.fixture
def database(path: Path, clock: ManualClock) -> Iterator[Database]:
    """Give a database with a table of our own, for what the schema has no room for."""
    opened = open_database(str(path), durability="relaxed", clock=clock)
    opened.script("CREATE TABLE note (text TEXT NOT NULL)")
    yield opened
    opened.close()


@pytest.fixture
def reader(database: Database, path: Path, clock: ManualClock) -> Iterator[Database]:
    """Give a second connection, which only reads."""
    opened = open_reader(str(path), clock=clock)
    yield opened
    opened.close()


def test_wal_that_is_not_there_has_no_size(database: Database, path: Path) -> None:
    """Whoever asks after the close, which removes the WAL, is answered."""
    write(database, 1)
    before = database.wal_bytes

    database.close()

    assert (before > 0, database.wal_bytes) == (True, 0)
    assert not Path(f"{path}-wal").exists()


def write(database: Database, pages: int, text: str = "x") -> None:
    with database.group():
        database.run("INSERT INTO note VALUES (?)", (text * (pages * PAGE // len(text)),))


def wal_of(path: Path) -> Path:
    return Path(f"{path}-wal")


class EndlessRead:
    """A read that never ends by itself, in a thread of its own."""

    def __init__(self, reader: Database, seconds: float, *, gives_way: bool = True) -> None:
        self.error: BaseException | None = None
        self._reader = reader
        self._seconds = seconds
        self._gives_way = gives_way
        self._has_view = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> EndlessRead:
        self._thread.start()
        assert self._has_view.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.join()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _read(self) -> None:
        self._reader.run("BEGIN")
        self._reader.rows("SELECT count(*) FROM note")  # from here on it has its view of the file
        self._has_view.set()
        try:
            with self._reader.deadline(self._seconds, gives_way=self._gives_way):
                self._reader.rows(ENDLESS)
        except StoreError as error:
            self.error = error
        except DeadlineError as error:
            self.error = error
        self._reader.run("ROLLBACK")


def test_wal_that_was_written_back_is_cut_short_when_idle(database: Database, path: Path) -> None:
    """Also where a checkpoint between commits left nothing to write back, no deleted byte stays in the WAL (I16)."""
    write(database, CHECKPOINT_PAGES, "canary ")
    with database.group():
        database.run("DELETE FROM note")

    database.checkpoint()
    database.truncate_wal()

    assert wal_of(path).stat().st_size == 0
    assert b"canary" not in path.read_bytes()


def test_wal_of_a_former_owner_is_cut_short_when_idle(database: Database, path: Path, clock: ManualClock) -> None:
    """What a killed process left in the WAL is written back without waiting for another write."""
    write(database, 10)
    database.abandon()
    assert wal_of(path).stat().st_size > 0

    second = open_database(str(path), durability="relaxed", clock=clock)
    second.truncate_wal()

    assert wal_of(path).stat().st_size == 0
    second.close()


def test_read_ends_at_its_deadline(database: Database, reader: Database, clock: ManualClock) -> None:
    """A read that would go on for ever ends with an error that says so, and the connection goes on."""
    write(database, 1)

    with EndlessRead(reader, 30.0) as read:
        clock.advance(29.9)
        before = read.error
        clock.advance(0.1)

    assert before is None
    assert isinstance(read.error, DeadlineError)
    assert "no end after 30 s" in str(read.error)
    assert reader.rows("SELECT count(*) FROM note") == [(1,)]


def test_deadline_is_not_that_of_the_next_read(database: Database, reader: Database, clock: ManualClock) -> None:
    """What comes after the block has no deadline, however late it is."""
    write(database, 1)
    counting = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT max(i) FROM n"

    with reader.deadline(30.0, gives_way=True):
        reader.rows("SELECT 1")
    clock.advance(31.0)

    assert reader.rows(counting) == [(100_000,)]


def test_error_within_the_deadline_stays_what_it_is(reader: Database) -> None:
    """Only what the deadline ended is a ``DeadlineError``."""
    with pytest.raises(StoreError, match="no such table"), reader.deadline(30.0, gives_way=True):
        reader.rows("SELECT * FROM missing")


def test_read_gives_way_to_a_wal_over_its_bound(
    database: Database, reader: Database, path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before its deadline a read ends that keeps a grown WAL, and then the WAL is cut short at the next commit."""
    monkeypatch.setattr(module, "WAL_BOUND_BYTES", 200 * PAGE)
    write(database, 1)

    with EndlessRead(reader, 30.0) as read:
        write(database, 300)
        database.checkpoint()
        assert database.is_wal_over
        clock.advance(1.0)

    write(database, 1)
    database.checkpoint()
    assert isinstance(read.error, DeadlineError)
    assert "write-ahead log is over its bound" in str(read.error)
    assert wal_of(path).stat().st_size == 0
    assert not database.is_wal_over


def test_read_that_gives_no_way_ends_at_its_deadline_alone(
    database: Database, reader: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An examination that was asked for goes on beside a grown WAL."""
    monkeypatch.setattr(module, "WAL_BOUND_BYTES", 200 * PAGE)
    write(database, 1)

    with EndlessRead(reader, 30.0, gives_way=False) as read:
        write(database, 300)
        clock.advance(29.0)
        write(database, 1)
        assert read.error is None
        clock.advance(1.0)

    assert "no end after 30 s" in str(read.error)


def test_short_read_is_left_alone_by_a_wal_over_its_bound(
    database: Database, reader: Database, path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody else keeps the WAL, reads that take no time go on."""
    monkeypatch.setattr(module, "WAL_BOUND_BYTES", 200 * PAGE)
    stuck = open_reader(str(path), clock=clock)
    stuck.run("BEGIN")
    stuck.rows("SELECT count(*) FROM note")
    write(database, 300)
    counting = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT max(i) FROM n"

    with reader.deadline(30.0, gives_way=True):
        found = reader.rows(counting)

    stuck.close()
    assert found == [(100_000,)]


def test_writes_go_on_beside_a_reader_that_never_ends(
    database: Database, reader: Database, path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stuck reader costs disk and no write: all is there, and the file is cut short when the reader has gone."""
    monkeypatch.setattr(module, "WAL_BOUND_BYTES", 200 * PAGE)
    reader.run("BEGIN")
    reader.rows("SELECT count(*) FROM note")

    for _ in range(10):
        write(database, 100)
        database.checkpoint()

    assert database.is_wal_over
    reader.run("ROLLBACK")
    write(database, 1)
    database.checkpoint()
    assert wal_of(path).stat().st_size == 0
    assert database.rows("SELECT count(*) FROM note") == [(11,)]
