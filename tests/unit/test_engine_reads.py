"""Logs and examinations as a program asks for them, read beside the engine's work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from housekeeping_rig import ENDLESS, PATIENCE_S, Program

from bequest.actors.housekeeping_messages import CheckIntegrity
from bequest.engine.errors import DeadlineError, JobFailedError, JobNotFoundError, LogLevelError
from bequest.engine.queries import Queries
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def program(tmp_path: Path, clock: ManualClock) -> Iterator[Program]:
    """Give a program whose engine runs."""
    made = Program(tmp_path / "jobs.db", clock=clock)
    with made.engine:
        yield made


# Examining


def test_integrity_finds_what_was_broken_behind_the_engine(program: Program) -> None:
    """It reads beside the engine what the engine has committed."""
    program.grow(1, 1)
    store = program.engine._store
    assert store is not None
    with store.group():
        store._database.run("UPDATE stat SET completed = completed + 1 WHERE kind = 'tree'")

    found = program.engine.integrity(is_quick=True)

    assert [finding.check for finding in found] == ["I13"]


def test_integrity_has_a_deadline(program: Program, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An examination that takes too long ends, and with it its view of the file."""

    def for_ever(_self: CheckIntegrity, queries: Queries) -> Any:
        clock.advance(11.0)
        return queries._database.rows(ENDLESS)

    monkeypatch.setattr(CheckIntegrity, "read", for_ever)
    with pytest.raises(DeadlineError, match="no end after 10 s"):
        program.engine.integrity(timeout_s=10.0)


# Logs


def test_logs_are_those_of_the_whole_tree(program: Program) -> None:
    """One order, levels and a cursor, as it is asked of the engine."""
    (root,) = program.grow(1, 2)

    lines = program.engine.logs(root)
    warnings = program.engine.logs(root, level="WARNING", limit=1)
    rest = program.engine.logs(root, level="WARNING", after=warnings[-1].number)

    assert [line.number for line in lines] == sorted(line.number for line in lines)
    assert [line.entry.message for line in lines].count("leaf ran") == 2
    assert lines[0].entry.message == "tree ran"
    assert [line.entry.message for line in (*warnings, *rest)] == ["leaf has a doubt"] * 2
    assert [line.entry for line in lines] == program.engine.find_job(root).logs()


def test_long_log_of_a_handle_is_whole(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for page by page, and no line is lost or twice at the edges."""
    monkeypatch.setattr("bequest.actors.query_messages.PAGE_OF_LOGS", 3)
    (root,) = program.grow(1, 4)

    assert program.engine.find_job(root).logs() == [line.entry for line in program.engine.logs(root)]
    assert len(program.engine.find_job(root).logs()) == 9


def test_log_of_a_job_that_is_not_there_is_an_error(program: Program) -> None:
    """No lines would look as if there were none."""
    with pytest.raises(JobNotFoundError):
        program.engine.logs(99)


def test_level_that_is_none_is_refused_for_reading_and_writing(program: Program) -> None:
    """Whoever asks is told, and a handler that logs with it fails its own job by name."""
    job = program.engine.enqueue(program.loud)

    with pytest.raises(LogLevelError, match="asked for the log level 'LOUD'"):
        program.engine.logs(job.id, level="LOUD")
    with pytest.raises(JobFailedError, match="LogLevelError"):
        job.result(PATIENCE_S)
