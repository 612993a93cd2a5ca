"""Pruning as a program asks for it: what is over leaves whole, to the archive if there is one, and all else stays."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from housekeeping_rig import ALL, PATIENCE_S, Program, lines_in

from bequest import Credential, Key, Secret, State
from bequest.actors import housekeeping_messages
from bequest.actors.housekeeping_messages import PruneJobs
from bequest.engine.cookies import Cookie
from bequest.engine.errors import ArchiveError, JobNotFoundError, TransitionError
from bequest.engine.events import JobMoved
from bequest.engine.retention import DAY_S, Keep, Retention
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def program(tmp_path: Path, clock: ManualClock) -> Iterator[Program]:
    """Give a program whose engine runs."""
    made = Program(tmp_path / "jobs.db", clock=clock)
    with made.engine:
        yield made


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Give the place of an archive."""
    return tmp_path / "old.jsonl"


def test_prune_deletes_what_is_over_and_nothing_else(program: Program, clock: ManualClock) -> None:
    """Runs go whole and are counted with all below them; what is younger stays; all invariants hold afterwards."""
    old = program.grow(3, 4)
    clock.advance(100.0)
    young = program.grow(1, 2)
    retention = Retention(completed_s=50.0)
    expected = sum(found.jobs for found in program.engine.prunable(retention))

    pruned = program.engine.prune(retention)

    assert pruned == expected == 15
    assert [view.job.id for view in program.engine.jobs()] == young
    assert program.engine.integrity() == []
    with pytest.raises(JobNotFoundError):
        program.engine.find_job(old[0]).job()


def test_prune_is_told_as_events(program: Program) -> None:
    """Who listens hears of each job that it has gone, its root first."""
    (root,) = program.grow(1, 2)
    with program.engine.events() as events:
        program.engine.prune(ALL)
        found = [events.get(PATIENCE_S) for _ in range(3)]

    assert [(event.old, event.new) for event in found if isinstance(event, JobMoved)] == [(State.COMPLETED, None)] * 3
    assert isinstance(found[0], JobMoved)
    assert found[0].job_id == root


def test_prune_takes_small_steps(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction takes more than a bounded number of jobs, and between two of them others are served."""
    monkeypatch.setattr(housekeeping_messages, "LEAVING_AT_ONCE", 3)
    program.grow(4, 5)
    taken: list[int] = []
    apply = PruneJobs.apply

    def noted(self: PruneJobs, store: Any) -> int:
        taken.append(apply(self, store))
        return taken[-1]

    monkeypatch.setattr(PruneJobs, "apply", noted)
    assert program.engine.prune(ALL) == 24
    assert max(taken) == 3
    assert len(taken) >= 9


def test_prune_by_a_kinds_own_rule(program: Program) -> None:
    """A kind that is to be kept is."""
    program.grow(1, 1)
    program.engine.enqueue(program.leaf, 1).wait(PATIENCE_S)

    program.engine.prune(Retention(completed_s=0.0, kinds={"leaf": Keep(completed_s=DAY_S)}))

    assert [view.job.kind for view in program.engine.jobs()] == ["leaf"]


def test_prune_writes_the_archive_first(program: Program, archive: Path) -> None:
    """Each job that is gone is a line of the archive, with its result, its errors and its log."""
    (root,) = program.grow(1, 2)
    failed = program.engine.enqueue(program.loud)
    failed.wait(PATIENCE_S)

    program.engine.prune(Retention(completed_s=0.0, failed_s=0.0, archive=str(archive)))

    lines = {line["job_id"]: line for line in lines_in(archive)}
    assert len(lines) == 4
    assert lines[root]["job"]["kind"] == "tree"
    assert {line["job"]["result"] for line in lines.values() if line["job"]["parent_id"] == root} == {0, 1}
    assert [entry["message"] for entry in lines[root]["logs"]] == ["tree ran"]
    assert [error["error"]["type"] for error in lines[failed.id]["errors"]] == ["LogLevelError"]
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def test_archive_holds_no_secret(tmp_path: Path, archive: Path) -> None:
    """Of a credential nothing but its name is in it, and nothing of the key (I16)."""
    key = Key.generate()
    program = Program(tmp_path / "jobs.db", key=lambda: key)
    cookie = Cookie(name="sid", value=Secret("canary-of-a-cookie"), domain="h.example", host_only=True)
    with program.engine as engine:
        engine.credentials.put(Credential(auth_id="wiki", sites=("h.example",), cookies=(cookie,)))
        job = engine.enqueue(program.leaf, 1, metadata={"auth_id": "wiki"})
        job.wait(PATIENCE_S)

        engine.prune(Retention(completed_s=0.0, archive=str(archive)))

    text = archive.read_text("utf-8")
    assert '"auth_id":"wiki"' in text
    assert "canary" not in text
    assert key.encode() not in text


def test_archive_that_cannot_be_written_prunes_nothing(program: Program, tmp_path: Path) -> None:
    """A bad path is an error before anything has left."""
    program.grow(2, 2)

    with pytest.raises(ArchiveError, match="found No such file or directory"):
        program.engine.prune(Retention(completed_s=0.0, archive=str(tmp_path / "nowhere" / "old.jsonl")))

    assert len(program.engine.jobs()) == 2
    assert program.engine.integrity() == []


def test_archive_that_fails_on_the_way_loses_nothing(
    program: Program, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had left when the disk was full is still in the database, and goes to the archive with the next pruning."""
    program.grow(3, 2)
    archive.touch()
    monkeypatch.setattr(housekeeping_messages, "LEAVING_AT_ONCE", 2)
    retention = Retention(completed_s=0.0, archive=str(archive))

    def full(*_: object) -> None:
        raise ArchiveError("full")

    with monkeypatch.context() as patched:
        patched.setattr("bequest.actors.pruner.append", full)
        with pytest.raises(ArchiveError):
            program.engine.prune(retention)
    program.engine.prune(Retention())

    assert sorted(line["job"]["kind"] for line in lines_in(archive)) == ["leaf"] * 4 + ["tree"] * 2
    assert program.engine.integrity() == []


def test_run_can_be_archived_by_its_number(program: Program, archive: Path) -> None:
    """It goes with all below it, whenever it ended, and the others stay."""
    first, second = program.grow(2, 2)

    program.engine.archive(archive, second)

    assert [line["job"]["root_id"] or line["job_id"] for line in lines_in(archive)] == [second] * 3
    assert [view.job.id for view in program.engine.jobs()] == [first]


def test_archive_refuses_what_is_no_run_that_has_ended(program: Program, archive: Path) -> None:
    """A page, a job that goes on and a number that is none are errors, and nothing is written."""
    (root,) = program.grow(1, 1)
    (leaf,) = program.engine.jobs(parent_id=root)
    later = program.engine.enqueue(program.leaf, 1, delay_s=60.0)

    with pytest.raises(TransitionError, match="is a part of run"):
        program.engine.archive(archive, leaf.job.id)
    with pytest.raises(TransitionError, match="found it pending"):
        program.engine.archive(archive, later.id)
    with pytest.raises(JobNotFoundError):
        program.engine.archive(archive, 99)

    assert archive.read_bytes() == b""


def test_housekeeping_of_an_engine_in_memory(archive: Path) -> None:
    """All of it works where there is no file."""
    program = Program(":memory:")
    with program.engine as engine:
        program.grow(1, 2)

        assert engine.integrity() == []
        assert engine.prune(Retention(completed_s=0.0, archive=str(archive))) == 3
        assert engine.jobs() == []
    assert len(lines_in(archive)) == 3
