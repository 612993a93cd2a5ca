"""The engine prunes by itself, from its start on and again and again, and says in the program's log what it did."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from housekeeping_rig import ALL, PATIENCE_S, Program, lines_in

from bequest import Engine
from bequest.actors.housekeeper import EVERY_S, LookAround
from bequest.engine.errors import ArchiveError, RetentionError
from bequest.engine.retention import Retention
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Give the place of an archive."""
    return tmp_path / "old.jsonl"


class Heard(logging.Handler):
    """Waits for what the engine's housekeeper says to the program's log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._said: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self._said.put(record)

    def next(self) -> tuple[str, Any]:
        """Return the next sentence, and of how many jobs it is."""
        record = self._said.get(timeout=PATIENCE_S)
        return record.getMessage(), getattr(record, "jobs", None)


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listen to the housekeeper."""
    handler = Heard()
    logger = logging.getLogger("bequest.actors.housekeeper")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_engine_prunes_by_itself(tmp_path: Path, clock: ManualClock, archive: Path, heard: Heard) -> None:
    """From the start on, and again when some minutes have passed, what is over goes to the archive."""
    program = Program(tmp_path / "jobs.db", clock=clock)
    with program.engine:
        program.grow(2, 2)
    clock.advance(100.0)
    again = Program(tmp_path / "jobs.db", clock=clock, retention=Retention(completed_s=50.0, archive=str(archive)))

    with again.engine as engine:
        first = heard.next()
        again.grow(1, 1)
        engine._housekeeper.tell(LookAround())  # too early
        clock.advance(EVERY_S)
        engine._housekeeper.tell(LookAround())
        second = heard.next()

    assert (first, second) == (("jobs pruned", 6), ("jobs pruned", 2))
    assert len(lines_in(archive)) == 8


def test_engine_that_cannot_archive_says_so_and_tries_again(
    tmp_path: Path, clock: ManualClock, archive: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends a round with an error in the program's log, and the next round goes on where that one ended."""
    program = Program(tmp_path / "jobs.db", clock=clock)
    with program.engine:
        program.grow(1, 2)
    again = Program(tmp_path / "jobs.db", clock=clock, retention=Retention(completed_s=0.0, archive=str(archive)))

    def full(*_: object) -> None:
        raise ArchiveError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("bequest.actors.pruner.append", full)
        again.engine.start()
        failed = heard.next(), heard.next()
    with again.engine as engine:
        clock.advance(EVERY_S)
        engine._housekeeper.tell(LookAround())
        pruned = heard.next()

    assert failed == (("pruning stopped; it is tried again later", None), ("jobs pruned", 1))
    assert pruned == ("jobs pruned", 2)
    assert len(lines_in(archive)) == 3


def test_retention_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """A wrong number is an error where it is written."""
    with pytest.raises(RetentionError):
        Engine(tmp_path / "jobs.db", retention=Retention(completed_s=-1.0))

    assert list(tmp_path.iterdir()) == []


def test_engine_whose_archive_cannot_be_written_does_not_start(tmp_path: Path) -> None:
    """It would prune into nothing; so it says so at once, and leaves no thread."""
    before = threading.active_count()

    with pytest.raises(ArchiveError):
        Engine(tmp_path / "jobs.db", retention=Retention(archive=str(tmp_path / "nowhere" / "old.jsonl"))).start()

    assert threading.active_count() == before


def test_no_thread_is_left(tmp_path: Path) -> None:
    """The housekeeper ends with its engine."""
    before = threading.active_count()

    with Engine(tmp_path / "jobs.db", retention=ALL):
        pass

    assert threading.active_count() == before
