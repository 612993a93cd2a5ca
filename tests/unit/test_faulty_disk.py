"""The disk that fails: by plan, for a time, in part, and never otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest.engine.errors import CommitInDoubtError, DiskError, StoreError
from bequest.engine.records import NewJob
from bequest.engine.store import Store
from bequest.testing.disk_vfs import OperationName
from bequest.testing.faulty_disk import FaultPlan, FaultyDisk
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """Give a disk on which nothing fails yet."""
    with FaultyDisk() as made:
        yield made


@pytest.fixture
def on_disk(disk: FaultyDisk, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """Give a store on it."""
    opened = Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs)
    yield opened
    disk.heal()
    opened.close()


def create(store: Store) -> int:
    with store.group():
        return store.jobs.create([NewJob(kind="page")])[0].job_id


def test_plan_is_made_again_by_its_repr() -> None:
    """What a failing test prints can be pasted into the next one."""
    plan = FaultPlan(at=7, operations=("sync", "write"), error="full", is_sticky=True, is_short=True)

    assert eval(repr(plan)) == plan  # noqa: S307 - that it can be is the claim


@pytest.mark.parametrize(
    ("operation", "error", "said"),
    [
        ("write", "io", "IO: disk I/O error"),
        ("write", "full", "Full: database or disk is full"),
        ("sync", "io", "IO: disk I/O error"),
        ("sync", "full", "Full: database or disk is full"),
    ],
)
def test_operation_that_fails_at_the_commit_leaves_it_in_doubt(
    disk: FaultyDisk, on_disk: Store, operation: OperationName, error: str, said: str
) -> None:
    """The error names what SQLite would have said, and the one after it does not fail."""
    disk.fail(FaultPlan(at=1, operations=(operation,), error=error))  # type: ignore[arg-type]

    with pytest.raises(CommitInDoubtError, match=said):
        create(on_disk)

    create(on_disk)
    assert disk.failed == 1


def test_read_that_fails_is_named(disk: FaultyDisk, on_disk: Store) -> None:
    """A page that cannot be read is an error of the disk, not a damaged file."""
    on_disk.reopen()
    disk.fail(FaultPlan(at=1, operations=("read",)))

    with pytest.raises(DiskError, match=r"asked to .*, found IO: disk I/O error"):
        create(on_disk)


def test_sticky_fault_lasts_until_it_is_healed(disk: FaultyDisk, on_disk: Store) -> None:
    """From the n-th on all fail, and none after the healing."""
    create(on_disk)
    disk.fail(FaultPlan(at=2, operations=("sync",), is_sticky=True))
    create(on_disk)
    for _ in range(3):
        with pytest.raises(StoreError):
            create(on_disk)

    disk.heal()
    create(on_disk)

    assert disk.failed == 3


def test_disk_counts_without_failing(disk: FaultyDisk, on_disk: Store) -> None:
    """What a plan could have failed is known before one is made."""
    disk.fail(FaultPlan(operations=("sync",)))

    create(on_disk)

    assert (disk.met, disk.failed) == (2, 0)  # the log's header, and the commit


def test_full_disk_has_room_for_what_it_holds(disk: FaultyDisk, on_disk: Store) -> None:
    """Nothing grows while it is full; what is written over goes on, as on a real one."""
    create(on_disk)
    on_disk.truncate_wal()
    disk.fill()
    with pytest.raises(CommitInDoubtError, match="Full: database or disk is full"):
        create(on_disk)
    disk.heal()
    for _ in range(10):
        create(on_disk)
    on_disk._database._try_checkpoint(0)

    disk.fill()
    create(on_disk)

    assert disk.failed == 1


def test_short_write_has_written_half(tmp_path: Path, disk: FaultyDisk, on_disk: Store) -> None:
    """A write that fails may have begun, and what it left is read by nobody."""
    create(on_disk)
    wal = tmp_path / "jobs.db-wal"
    before = wal.stat().st_size
    disk.fail(FaultPlan(at=2, operations=("write",), is_short=True))

    with pytest.raises(CommitInDoubtError):
        create(on_disk)

    assert before + 24 < wal.stat().st_size < before + 24 + 4096  # the frame's header, and half of its page
    on_disk.reopen()
    assert create(on_disk) == 2
