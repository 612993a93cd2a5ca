"""What an engine says of itself, and of a disk that refuses writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest import CommitInDoubtError, DiskError, DiskFault, Engine, EngineState, JobContext
from bequest.testing.faulty_disk import FaultyDisk
from bequest.testing.manual_clock import ManualClock

LARGE = "x" * 2_000_000  # more than the engine keeps in memory before it is written


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """Give a disk that has room."""
    with FaultyDisk() as made:
        yield made


@pytest.fixture
def engine(disk: FaultyDisk, tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    """Give an engine on it."""
    with Engine(tmp_path / "jobs.db", vfs=disk.vfs, clock=clock) as started:

        @started.kind("work")
        def work(_job: JobContext, _config: str) -> None: ...

        yield started


def ask_for(engine: Engine, config: str) -> None:
    """Ask for a job that is not due."""
    engine.enqueue("work", config, delay_s=3_600.0)


def refused(engine: Engine, config: str) -> None:
    """Ask for what the disk has no room for."""
    with pytest.raises((DiskError, CommitInDoubtError)):
        ask_for(engine, config)


def fault_of(engine: Engine) -> DiskFault | None:
    """Return what the engine says of its disk."""
    return engine.health().disk_fault


@pytest.mark.parametrize("config", ["", LARGE], ids=["at the commit", "before it"])
def test_health_says_since_when_and_why_the_disk_refuses_writes(
    engine: Engine, disk: FaultyDisk, clock: ManualClock, config: str
) -> None:
    """The first failure says since when, and the engine runs all the same."""
    since = clock.now()
    disk.fill()
    refused(engine, config)
    clock.advance(5.0)
    refused(engine, config)

    health = engine.health()

    assert health.state is EngineState.RUNNING
    assert health.disk_fault is not None
    assert health.disk_fault.since == since
    assert "Full: database or disk is full" in health.disk_fault.cause


def test_health_is_good_again_once_something_is_written(engine: Engine, disk: FaultyDisk) -> None:
    """A call that only reads proves nothing; the first that writes does."""
    disk.fill()
    refused(engine, "")
    disk.heal()

    read = engine.stats() and fault_of(engine)
    ask_for(engine, "")

    assert read is not None
    assert fault_of(engine) is None


def test_health_of_a_write_that_fails_alone_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the rest of its group is written."""
    store = engine._store
    assert store is not None

    def find_no_room(_jobs: object) -> None:
        raise DiskError

    with monkeypatch.context() as patched:
        patched.setattr(store.jobs, "create", find_no_room)
        refused(engine, "")

    assert fault_of(engine) is not None


def test_health_of_an_engine_that_starts_says_nothing_of_its_last_life(engine: Engine, disk: FaultyDisk) -> None:
    """A stop ends what was said, and a stopped engine has no disk."""
    disk.fill()
    refused(engine, "")
    engine.stop()
    stopped = fault_of(engine)
    disk.heal()
    engine.start()

    assert (stopped, fault_of(engine)) == (None, None)
