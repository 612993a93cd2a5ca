"""A query that keeps the WAL from being cut short ends at its deadline or gives way, and what cannot is told of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from housekeeping_rig import ENDLESS, PATIENCE_S, Program

from bequest.actors import health, reader
from bequest.actors.housekeeping_messages import CutWal
from bequest.actors.query_messages import Query
from bequest.engine import database
from bequest.engine.database_file import open_reader
from bequest.engine.errors import DeadlineError, StoreError
from bequest.engine.queries import Queries
from bequest.engine.read_deadline import PATIENT_READ_S
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def program(tmp_path: Path, clock: ManualClock) -> Iterator[Program]:
    """Give a program whose engine runs."""
    made = Program(tmp_path / "jobs.db", clock=clock)
    with made.engine:
        yield made


class ReadForEver(Query, frozen=True, kw_only=True):
    """A query that never ends by itself; it says when it has its view of the file."""

    began: threading.Event

    def read(self, queries: Queries) -> Any:
        """Read on."""
        queries._database.run("BEGIN")
        try:
            queries._database.rows("SELECT count(*) FROM job")
            self.began.set()
            return queries._database.rows(ENDLESS)
        finally:
            queries._database.run("ROLLBACK")


def wal_of(tmp_path: Path) -> int:
    return (tmp_path / "jobs.db-wal").stat().st_size


def test_stuck_query_ends_and_the_wal_is_cut_short(program: Program, tmp_path: Path, clock: ManualClock) -> None:
    """A query ends at its deadline with an error of its own; the reader answers others, and the WAL shrinks again."""
    began = threading.Event()
    reply = program.engine._reader.ask_later(ReadForEver(began=began))
    assert began.wait(PATIENCE_S)
    program.engine.enqueue_many(program.leaf, [1] * 5_000, delay_s=1_000.0)
    grown = wal_of(tmp_path)

    clock.advance(reader.QUERY_DEADLINE_S)

    with pytest.raises(DeadlineError, match="no end after 30 s"):
        reply.get(timeout=PATIENCE_S)
    assert len(program.engine.jobs(limit=10)) == 10
    program.engine.stop()
    assert grown > 400_000
    assert not (tmp_path / "jobs.db-wal").exists()


def test_wal_over_its_bound_is_told_and_ends_a_long_query(
    program: Program,
    tmp_path: Path,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The bound holds against a reader in this process: long before its deadline it gives way, and health is well."""
    monkeypatch.setattr(database, "WAL_BOUND_BYTES", 200_000)
    monkeypatch.setattr(health, "WAL_BOUND_BYTES", 200_000)
    began = threading.Event()
    reply = program.engine._reader.ask_later(ReadForEver(began=began))
    assert began.wait(PATIENCE_S)
    with caplog.at_level(logging.WARNING):
        program.engine.enqueue_many(program.leaf, [1] * 5_000, delay_s=1_000.0)
        program.engine.stats()
    over = program.engine.health().wal_bytes

    clock.advance(PATIENT_READ_S)

    with pytest.raises(DeadlineError, match="write-ahead log is over its bound"):
        reply.get(timeout=PATIENCE_S)
    program.engine.enqueue(program.leaf, 1, delay_s=1_000.0)
    program.engine.stats()
    assert over is not None
    assert over > 200_000
    assert program.engine.health().wal_bytes is None
    assert wal_of(tmp_path) < 200_000
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("the write-ahead log is over its bound: somebody reads an old state of the file") == 1


class HoldView(Query, frozen=True, kw_only=True):
    """A query that keeps its view of the file until it may go; it notes how large the WAL was when it began."""

    began: threading.Event
    may_go: threading.Event
    wal: Path

    def read(self, queries: Queries) -> int:
        """Keep it."""
        size = self.wal.stat().st_size
        queries._database.run("BEGIN")
        try:
            queries._database.rows("SELECT count(*) FROM job")
            self.began.set()
            assert self.may_go.wait(PATIENCE_S)
            return size
        finally:
            queries._database.run("ROLLBACK")


def test_wal_is_cut_short_between_queries_that_leave_no_gap(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one short query follows the other none alone is in the way, and together they would be for ever."""
    monkeypatch.setattr(database, "WAL_BOUND_BYTES", 200_000)
    queries = [
        HoldView(began=threading.Event(), may_go=threading.Event(), wal=tmp_path / "jobs.db-wal") for _ in range(3)
    ]
    replies = [program.engine._reader.ask_later(query) for query in queries]
    grown = []

    for query in queries:
        assert query.began.wait(PATIENCE_S)
        program.engine.enqueue_many(program.leaf, [1] * 5_000, delay_s=1_000.0)
        program.engine.stats()
        grown.append(wal_of(tmp_path))
        query.may_go.set()

    sizes = [reply.get(timeout=PATIENCE_S) for reply in replies]
    assert min(grown) > 200_000
    assert sizes[1:] == [0, 0]


def test_query_is_answered_though_the_wal_cannot_be_cut(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To cut the WAL is care for the disk and no condition of an answer."""
    monkeypatch.setattr(database, "WAL_BOUND_BYTES", 0)

    def fail(*_: object) -> None:
        raise StoreError("no")

    program.engine.enqueue(program.leaf, 1, delay_s=1_000.0)
    monkeypatch.setattr(CutWal, "apply", fail)

    assert len(program.engine.jobs()) == 1
    assert program.engine.health().restarts == 0


def test_reader_of_another_process_is_told_of(
    program: Program, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a reader that is not ours nothing can be done but to say so; it costs disk and no write."""
    monkeypatch.setattr(database, "WAL_BOUND_BYTES", 200_000)
    monkeypatch.setattr(health, "WAL_BOUND_BYTES", 200_000)
    other = open_reader(str(tmp_path / "jobs.db"), clock=clock)
    other.run("BEGIN")
    other.rows("SELECT count(*) FROM job")

    program.engine.enqueue_many(program.leaf, [1] * 5_000, delay_s=1_000.0)

    wal_bytes = program.engine.health().wal_bytes
    other.close()
    program.engine.enqueue(program.leaf, 1, delay_s=1_000.0)
    program.engine.stats()
    assert wal_bytes is not None
    assert program.engine.health().wal_bytes is None
    assert len(program.engine.jobs(limit=10_000)) == 5_001
