"""A backup as a program asks for it: whole or absent, with all that is written while it is made."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from housekeeping_rig import PATIENCE_S, Program

from bequest import Credential, Engine, Key, Secret
from bequest.engine.backup_file import BackupProgress
from bequest.engine.cookies import Cookie
from bequest.engine.errors import BackupError, EngineStoppedError, SealError
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def program(tmp_path: Path, clock: ManualClock) -> Iterator[Program]:
    """Give a program whose engine runs."""
    made = Program(tmp_path / "jobs.db", clock=clock)
    with made.engine:
        yield made


def jobs_in(file: Path, clock: ManualClock) -> int:
    """Return how many jobs a backup has, and find it whole."""
    with Engine(file, clock=clock, resume=False) as engine:
        assert engine.integrity() == []
        return sum(counted.jobs.total for counted in engine.stats())


def test_backup_has_what_is_written_while_it_is_made(program: Program, tmp_path: Path, clock: ManualClock) -> None:
    """A job that is made between two steps is acknowledged at once, and is in the backup."""
    program.grow(1, 2)
    program.engine.enqueue_many(program.leaf, [1] * 20_000, delay_s=1_000.0)
    steps: list[BackupProgress] = []

    def write_on(progress: BackupProgress) -> None:
        steps.append(progress)
        if not progress.is_complete:
            program.engine.enqueue(program.leaf, 2, delay_s=1_000.0)

    found = program.engine.backup(tmp_path / "copy.db", on_progress=write_on)

    assert steps[-1] == found
    assert found.is_complete
    assert len(steps) > 1
    assert jobs_in(tmp_path / "copy.db", clock) == 20_003 + len(steps) - 1


def test_backup_says_how_far_it_is_while_it_is_made(program: Program, tmp_path: Path) -> None:
    """Anybody who asks for the engine's health sees it, and nothing before and after."""
    seen: list[Any] = [program.engine.health().backup]

    found = program.engine.backup(
        tmp_path / "copy.db", on_progress=lambda _: seen.append(program.engine.health().backup)
    )

    assert [*seen, program.engine.health().backup] == [None, found, None]


def test_second_backup_at_once_is_refused(program: Program, tmp_path: Path) -> None:
    """One at a time: the second says so, and the first comes to its end."""
    refused: list[BaseException] = []

    def begin_another(_: BackupProgress) -> None:
        with pytest.raises(BackupError, match="found another backup under way; wait for its end") as caught:
            program.engine.backup(tmp_path / "second.db")
        refused.append(caught.value)

    program.engine.backup(tmp_path / "first.db", on_progress=begin_another)

    assert len(refused) >= 1
    assert sorted(file.name for file in tmp_path.glob("*.db*")) == [
        "first.db",
        "jobs.db",
        "jobs.db-shm",
        "jobs.db-wal",
        "jobs.db.lock",
    ]


def test_interrupted_backup_leaves_nothing_and_is_in_nobodys_way(program: Program, tmp_path: Path) -> None:
    """After an error on the way there is no file, and the next backup is whole."""

    def interrupt(_: BackupProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program.engine.backup(tmp_path / "copy.db", on_progress=interrupt)

    assert list(tmp_path.glob("copy*")) == []
    assert program.engine.backup(tmp_path / "copy.db").is_complete


def test_backup_to_a_full_disk_is_an_error_and_the_engine_goes_on(program: Program, tmp_path: Path) -> None:
    """The error names the disk, there is no file, and jobs are made and done as before."""
    program.engine.enqueue_many(program.leaf, [1] * 20_000, delay_s=1_000.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        with pytest.raises(BackupError, match="check that disk and its space"):
            program.engine.backup(tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert list(tmp_path.glob("copy*")) == []
    assert program.engine.enqueue(program.leaf, 7).result(PATIENCE_S) == 7
    assert program.engine.backup(tmp_path / "copy.db").is_complete


def test_backup_of_an_engine_that_stops_on_the_way_is_an_error(program: Program, tmp_path: Path) -> None:
    """The backup ends with its engine, and leaves nothing."""
    program.engine.enqueue_many(program.leaf, [1] * 20_000, delay_s=1_000.0)

    with pytest.raises(EngineStoppedError):
        program.engine.backup(tmp_path / "copy.db", on_progress=lambda _: program.engine.stop())

    assert list(tmp_path.glob("copy*")) == []


def test_backup_of_a_database_in_memory(tmp_path: Path, clock: ManualClock) -> None:
    """What lives in memory gets a file of its own."""
    program = Program(":memory:", clock=clock)
    with program.engine as engine:
        program.grow(1, 2)
        engine.backup(tmp_path / "copy.db")

    assert jobs_in(tmp_path / "copy.db", clock) == 3


def test_backup_opens_with_the_key_of_its_database(tmp_path: Path) -> None:
    """A stored session in a backup can be opened by who has the key, and by nobody else (I16)."""
    key = Key.generate()
    cookie = Cookie(name="sid", value=Secret("canary"), domain="h.example", host_only=True)
    with Engine(tmp_path / "jobs.db", key=lambda: key) as engine:
        engine.credentials.put(Credential(auth_id="wiki", sites=("h.example",), cookies=(cookie,)))
        engine.backup(tmp_path / "copy.db")

    assert b"canary" not in (tmp_path / "copy.db").read_bytes()
    with Engine(tmp_path / "copy.db", key=lambda: key) as engine:
        credential = engine.credentials.get("wiki")
    assert credential is not None


def test_backup_from_before_a_rotation_opens_with_the_former_key_alone(tmp_path: Path) -> None:
    """It is sealed as it was made: the new key is refused with what to do, and with the former one behind it opens."""
    former, newest = Key.generate(), Key.generate()
    cookie = Cookie(name="sid", value=Secret("canary"), domain="h.example", host_only=True)
    credential = Credential(auth_id="wiki", sites=("h.example",), cookies=(cookie,))
    keys = [former]
    with Engine(tmp_path / "jobs.db", key=lambda: keys[-1]) as engine:
        engine.credentials.put(credential)
        engine.backup(tmp_path / "before.db")
        keys.append(Key(newest.reveal(), former=[former]))
        engine.credentials.rotate()
        engine.backup(tmp_path / "after.db")

    with Engine(tmp_path / "before.db", key=lambda: newest) as engine:
        with pytest.raises(SealError, match=rf"sealed with key {former.id}.*\(for a backup that of its time\)"):
            engine.credentials.get("wiki")
    with Engine(tmp_path / "before.db", key=lambda: Key(newest.reveal(), former=[former])) as engine:
        opened = engine.credentials.get("wiki")
    with Engine(tmp_path / "after.db", key=lambda: newest) as engine:
        assert engine.credentials.get("wiki") == opened == credential
    assert b"canary" not in (tmp_path / "before.db").read_bytes() + (tmp_path / "after.db").read_bytes()
