"""The disk that loses its power: what was synced is there, what was not is there by chance, sector by sector."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from bequest.engine.database_file import open_reader
from bequest.engine.errors import CommitInDoubtError, StoreError
from bequest.engine.queries import Queries
from bequest.engine.records import NewJob
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock
from bequest.testing.power_cut import Medium, PowerCut, sectors

CUTS = 40


def create(store: Store) -> None:
    with store.group():
        store.jobs.create([NewJob(kind="page")])


def jobs_left(disk: PowerCut, folder: Path, clock: ManualClock) -> int:
    """Return how many jobs a power cut would leave now; None of them where it left no database."""
    folder.mkdir()
    disk.after_cut(folder)
    reader = open_reader(str(folder / "jobs.db"), clock=clock)
    try:
        return len(Queries(reader).jobs())
    finally:
        reader.close()


def test_write_is_noted_by_sectors() -> None:
    """What crosses the border of a sector may be torn there, and nothing else is."""
    found = [(change.offset, len(change.data or b"")) for change in sectors(500, bytes(1036))]

    assert found == [(500, 12), (512, 512), (1024, 512)]
    assert b"".join(change.data or b"" for change in sectors(500, bytes(range(250)) * 4)) == bytes(range(250)) * 4


def test_sectors_survive_by_themselves() -> None:
    """Of two sectors in one write the second may be there without the first, with nothing in its place."""
    medium = Medium(b"old")
    medium.change(sectors(0, b"a" * 512 + b"b" * 512))
    answers = iter([False, True])

    assert medium.after_cut(lambda: next(answers)) == b"old" + bytes(509) + b"b" * 512


def test_synced_write_is_there() -> None:
    """No chance is taken with what was synced."""
    medium = Medium(None)
    medium.change(sectors(0, b"a"))
    medium.sync()

    assert medium.after_cut(lambda: False) == b"a"


def test_new_name_and_deletion_survive_by_chance() -> None:
    """A file whose name was never synced may be gone, and one whose deletion was not may be back."""
    new, deleted, gone = Medium(None), Medium(b"a"), Medium(b"a")
    new.change(sectors(0, b"a"))
    deleted.delete(is_durable=False)
    gone.delete(is_durable=True)

    assert (new.after_cut(lambda: True), new.after_cut(lambda: False)) == (b"a", None)
    assert (deleted.after_cut(lambda: True), deleted.after_cut(lambda: False)) == (b"a", None)
    assert gone.after_cut(lambda: True) is None


def test_acknowledged_jobs_survive_every_cut(tmp_path: Path, clock: ManualClock) -> None:
    """Under full durability each committed job is there, whatever the medium made of the rest (I1)."""
    with PowerCut(seed=1) as disk:
        store = Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs)
        for number in range(CUTS):
            create(store)
            assert jobs_left(disk, tmp_path / f"left {number}", clock) == number + 1
        store.close()


@pytest.mark.parametrize(("lies", "durability"), [(False, "relaxed"), (True, "full")])
def test_unsynced_jobs_are_lost(tmp_path: Path, clock: ManualClock, lies: bool, durability: str) -> None:
    """Where no commit is synced, or the disk says so and lies, a cut takes some of them."""
    with PowerCut(seed=1, lies=lies) as disk:
        store = Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs, durability=durability)  # type: ignore[arg-type]
        create(store)
        left = [jobs_left(disk, tmp_path / f"left {number}", clock) for number in range(CUTS)]
        store.close()

    assert set(left) == {0, 1}


def test_nothing_is_done_after_the_cut(tmp_path: Path, clock: ManualClock) -> None:
    """The commit at which the power goes fails, and so does all that comes after it."""
    with PowerCut(seed=1) as disk:
        store = Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs)
        create(store)
        disk.cut()
        with pytest.raises(CommitInDoubtError, match="IO: disk I/O error"):
            create(store)
        with pytest.raises(StoreError, match="CantOpen"):
            create(store)
        store.close()


def test_cut_at_an_operation_is_repeated_by_its_seed(tmp_path: Path, clock: ManualClock) -> None:
    """The same seed and place leave the same bytes."""
    left = []
    for number in range(2):
        (folder := tmp_path / str(number)).mkdir()
        (after := tmp_path / f"after {number}").mkdir()
        with PowerCut(seed=5, cut_at=90) as disk:
            store = Store.open(folder / "jobs.db", clock=clock, vfs=disk.vfs)
            with suppress(CommitInDoubtError):
                for _ in range(100):
                    create(store)
            assert disk.is_cut
            store.close()
            disk.after_cut(after)
        wal = (after / "jobs.db-wal").read_bytes()
        left.append((len(wal), sum(disk.counted.values()) >= 90))

    assert left[0] == left[1]


def test_what_came_past_sqlite_is_durable(tmp_path: Path, clock: ManualClock) -> None:
    """A file that was renamed into its place has its new content, and its former name is gone."""
    with PowerCut(seed=1, lies=True) as disk:
        Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs).close()
        (after := tmp_path / "after").mkdir()
        (tmp_path / "jobs.db").rename(tmp_path / "moved.db")
        disk.after_cut(after)
        store = Store.open(tmp_path / "moved.db", clock=clock, vfs=disk.vfs)
        disk.after_cut(after)
        store.close()

    assert {path.name for path in after.iterdir()} <= {"moved.db", "jobs.db-wal"}
