"""The VFS that an engine is given: every connection goes through it, and one that is not there is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bequest import Engine
from bequest.engine.database import MEMORY
from bequest.engine.database_file import open_database, open_reader
from bequest.engine.errors import BackupError, StoreError
from bequest.engine.records import NewJob
from bequest.engine.store import Store
from bequest.testing.faulty_disk import FaultPlan, FaultyDisk
from bequest.testing.manual_clock import ManualClock


@pytest.mark.parametrize("name", ["nowhere.db", MEMORY], ids=["file", "memory"])
def test_vfs_that_is_not_there_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    """The error names those that there are, and no file was made."""
    path = name if name == MEMORY else str(tmp_path / name)

    with pytest.raises(StoreError, match=r"asked for the VFS 'none', found '\w+'.*; register it or name another"):
        Engine(path, vfs="none").start()

    assert list(tmp_path.iterdir()) == []


def test_every_connection_of_an_engine_goes_through_its_vfs(tmp_path: Path) -> None:
    """SQLite's own VFS opens nothing: not the new file, the writer, the reader, the examination, nor a backup."""
    with FaultyDisk() as disk, Engine(tmp_path / "jobs.db", vfs=disk.vfs) as engine:
        before = disk.counted["open"]
        engine.jobs()
        engine.integrity()
        at_reads = disk.counted["open"]
        disk.fail(FaultPlan(at=1, operations=("open",)))
        with pytest.raises(BackupError, match="CantOpen: unable to open database file"):
            engine.backup(tmp_path / "backup.db")

    assert before >= 5  # the new file, then file and log of the writer and of the reader
    assert at_reads == before + 2


def test_reopened_writer_goes_through_the_same_vfs(tmp_path: Path, clock: ManualClock) -> None:
    """Whoever opens again after a doubt meets the same disk."""
    with FaultyDisk() as disk:
        store = Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs)
        before = disk.counted["open"]
        store.reopen()
        with store.group():
            store.jobs.create([NewJob(kind="page")])
        store.close()

    assert disk.counted["open"] == before + 2


def test_copy_from_a_reader_goes_through_the_readers_vfs(tmp_path: Path, clock: ManualClock) -> None:
    """A copy is written to the kind of disk that it is read from."""
    open_database(str(tmp_path / "jobs.db"), durability="full", clock=clock).close()
    (tmp_path / "copy.db").touch()
    with FaultyDisk() as disk:
        reader = open_reader(str(tmp_path / "jobs.db"), clock=clock, vfs=disk.vfs)
        reader.copy_to(str(tmp_path / "copy.db")).step(1000)
        reader.close()

    assert disk.counted["write"] > 30


@pytest.mark.parametrize("operation", ["sync", "write", "truncate", "delete"])
def test_close_on_a_failing_disk_closes(tmp_path: Path, clock: ManualClock, operation: str) -> None:
    """What cannot be written back at the end stays in the log; the lock is given up, and the next one reads it."""
    with FaultyDisk() as disk:
        store = Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs)
        with store.group():
            store.jobs.create([NewJob(kind="page")])
        disk.fail(FaultPlan(at=1, operations=(operation,), is_sticky=True))  # type: ignore[arg-type]
        store.close()

    again = Store.open(tmp_path / "jobs.db", clock=clock)
    with again.group():
        assert again.jobs.get(1).kind == "page"
    again.close()


def test_disk_leaves_nothing_global_behind(tmp_path: Path, clock: ManualClock) -> None:
    """Two disks have two names, and after its block the VFS of a disk is gone."""
    with FaultyDisk() as one, FaultyDisk() as other:
        Store.open(tmp_path / "one.db", clock=clock, vfs=one.vfs).close()
        Store.open(tmp_path / "other.db", clock=clock, vfs=other.vfs).close()

    assert one.counted == other.counted
    for disk in (one, other):
        with pytest.raises(StoreError, match=f"asked for the VFS '{disk.vfs}', found 'unix', .*'unix-none'; register"):
            Store.open(tmp_path / "one.db", clock=clock, vfs=disk.vfs)


def test_new_database_is_synced_before_and_after_it_is_named(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole file is durable before its name leads to it, and then the name is; no VFS sees either (I1)."""
    steps: list[object] = []
    replace = Path.replace

    def renamed(self: Path, target: Path) -> Path:
        steps.append("renamed")
        return replace(self, target)

    def synced(descriptor: int) -> None:
        found = os.fstat(descriptor)
        steps.append(found.st_ino if stat.S_ISREG(found.st_mode) else "folder")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    Store.open(tmp_path / "jobs.db", clock=clock).close()

    assert steps == [(tmp_path / "jobs.db").stat().st_ino, "renamed", "folder"]
