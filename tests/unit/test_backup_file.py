"""A backup's file: whole or absent, of one state, for its owner only, and in nobody else's place."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bequest.engine import backup_file
from bequest.engine.backup_file import BackupProgress, back_up_beside, building_at
from bequest.engine.errors import BackupError, DatabaseOwnedError, StoreError
from bequest.engine.records import NewJob
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


def create(store: Store, count: int, size: int = 1_000) -> None:
    with store.group():
        store.jobs.create([NewJob(kind="page", config="x" * size)] * count)


def jobs_in(file: Path) -> int:
    """Return how many jobs a backup has, opened as a database of its own and found whole."""
    opened = Store.open(file, clock=ManualClock())
    with opened.group():
        assert opened.queries.integrity() == []
        count = len(opened.queries.jobs(limit=100_000))
    opened.close()
    return count


def back_up(store: Store, file: Path, on_progress: Callable[[BackupProgress], None] = lambda _: None) -> BackupProgress:
    return back_up_beside(path_of(store), file, clock=ManualClock(), on_progress=on_progress)


def path_of(store: Store) -> str:
    with store.group():
        ((_, _, path),) = store._database.rows("PRAGMA database_list")
    return str(path)


def test_backup_beside_an_owner_is_a_whole_database(store: Store, tmp_path: Path) -> None:
    """What a process that does not own the file backs up opens, has everything, and belongs to its owner alone."""
    create(store, 50)

    progress = back_up(store, tmp_path / "copy.db")

    assert progress.is_complete
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.glob("copy*")) == ["copy.db"]
    assert jobs_in(tmp_path / "copy.db") == 50


def test_backup_beside_an_owner_is_of_the_state_that_it_began_with(store: Store, tmp_path: Path) -> None:
    """While the owner writes on it comes to its end, and has nothing of what came later."""
    create(store, 2_000)
    steps: list[BackupProgress] = []

    def write_on(progress: BackupProgress) -> None:
        steps.append(progress)
        create(store, 10)

    back_up(store, tmp_path / "copy.db", write_on)

    assert len(steps) > 2
    assert jobs_in(tmp_path / "copy.db") == 2_000


def test_backup_takes_the_place_of_an_older_one(store: Store, tmp_path: Path) -> None:
    """The name leads to the older backup until the new one is whole."""
    create(store, 1)
    back_up(store, tmp_path / "copy.db")
    create(store, 1)
    seen: list[bytes] = []
    before = (tmp_path / "copy.db").read_bytes()

    back_up(store, tmp_path / "copy.db", lambda _: seen.append((tmp_path / "copy.db").read_bytes()))

    assert set(seen) == {before}
    assert jobs_in(tmp_path / "copy.db") == 2


def test_backup_that_is_interrupted_leaves_what_was_there(store: Store, tmp_path: Path) -> None:
    """An error in mid-backup, of whatever kind, leaves the older backup and nothing half."""
    create(store, 1)
    back_up(store, tmp_path / "copy.db")
    before = (tmp_path / "copy.db").read_bytes()

    def interrupt(_: BackupProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(store, tmp_path / "copy.db", interrupt)

    assert (tmp_path / "copy.db").read_bytes() == before
    assert not (tmp_path / "copy.db.new").exists()


def test_backup_to_a_full_disk_is_an_error_and_no_file(store: Store, tmp_path: Path) -> None:
    """A disk without room is named, and nothing is left of the backup."""
    create(store, 500)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(BackupError, match="check that disk and its space"):
            back_up(store, tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert list(tmp_path.glob("copy*")) == []


def test_backup_whose_file_is_taken_away_is_an_error(store: Store, tmp_path: Path) -> None:
    """What cannot be made durable is not put in its place, and the older backup stays."""
    back_up(store, tmp_path / "copy.db")
    before = (tmp_path / "copy.db").read_bytes()

    with (
        pytest.raises(BackupError, match="found No such file or directory; check that disk"),
        building_at(tmp_path / "copy.db", source=path_of(store)) as building,
    ):
        building.unlink()

    assert (tmp_path / "copy.db").read_bytes() == before


def test_backup_of_the_store_goes_on_only_once_it_is_begun(store: Store) -> None:
    """A step of a backup that an engine's restart has ended says so."""
    with pytest.raises(BackupError, match="found none under way; begin it anew"):
        store.backups.step(1)


def test_backup_that_a_crash_left_half_is_begun_anew(store: Store, tmp_path: Path) -> None:
    """What a killed process left beside the backup's place is in nobody's way."""
    create(store, 1)
    (tmp_path / "copy.db.new").write_bytes(b"half of a database")
    (tmp_path / "copy.db.new-journal").write_bytes(b"half of a journal")

    back_up(store, tmp_path / "copy.db")

    assert jobs_in(tmp_path / "copy.db") == 1
    assert not (tmp_path / "copy.db.new-journal").exists()


@pytest.mark.parametrize("name", ["jobs.db", "./jobs.db", "link.db", "jobs.db-wal", "jobs.db-shm", "jobs.db.lock"])
def test_backup_onto_the_database_itself_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    """Under none of their names are the files of the database written over."""
    create(store, 1)
    (tmp_path / "link.db").symlink_to("jobs.db")

    with pytest.raises(BackupError, match="found that it is the database itself"):
        back_up(store, tmp_path / name)

    create(store, 1)
    with store.group():
        assert len(store.queries.jobs()) == 2


def test_backup_onto_another_file_is_refused(store: Store, tmp_path: Path) -> None:
    """A file that is no database of ours stays as it is."""
    (tmp_path / "letter.txt").write_text("Dear all, " * 100)

    with pytest.raises(BackupError, match=r"letter\.txt, found a file that is no backup of ours"):
        back_up(store, tmp_path / "letter.txt")

    assert (tmp_path / "letter.txt").read_text() == "Dear all, " * 100


def test_backup_onto_a_database_in_use_is_refused(store: Store, tmp_path: Path) -> None:
    """A database beside its WAL is not replaced: the WAL would be taken for the new file's."""
    other = Store.open(tmp_path / "other.db", clock=ManualClock())
    create(other, 3)

    with pytest.raises(BackupError, match="found a database in use there"):
        back_up(store, tmp_path / "other.db")

    other.close()
    assert jobs_in(tmp_path / "other.db") == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere/copy.db", "found No such file or directory; name a file in a folder that you can write to"),
        ("folder", "found something that is no file; name another place"),
        ("jobs.db/copy.db", "found Not a directory; name a file"),
        ("pipe", "found something that is no file; name another place"),
        ("a\0b", "found a NUL in its path"),
    ],
)
def test_backup_to_what_is_no_place_is_refused(store: Store, tmp_path: Path, name: str, said: str) -> None:
    """A path where no file can be is an error that says so, and nothing is made."""
    create(store, 1)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(StoreError, match=said):
        back_up(store, Path(f"{tmp_path}/{name}"))

    assert sorted(tmp_path.rglob("*")) == before


def test_empty_file_is_replaced(store: Store, tmp_path: Path) -> None:
    """A place that somebody made with ``mktemp`` is one."""
    create(store, 1)
    (tmp_path / "copy.db").touch()

    back_up(store, tmp_path / "copy.db")

    assert jobs_in(tmp_path / "copy.db") == 1


def test_backup_is_synced_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is: sync the file, rename it, sync the folder; so a power cut leaves the old one or the new one."""
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def noted_sync(descriptor: int) -> None:
        done.append("file")
        fsync(descriptor)

    def noted_rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_rename)
    monkeypatch.setattr(backup_file, "sync_folder", lambda _: done.append("folder"))

    with building_at(tmp_path / "copy.db", source="elsewhere"):
        pass

    assert done == ["file", "rename", "folder"]


def test_backup_that_cannot_be_put_in_its_place_is_an_error_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk's own word is in the error, and what was built is gone."""

    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(backup_file, "sync_folder", fail)

    with pytest.raises(BackupError, match="Input/output error"), building_at(tmp_path / "copy.db", source="elsewhere"):
        pass

    assert not (tmp_path / "copy.db.new").exists()


def test_backup_opens_beside_the_database_it_is_of(store: Store, tmp_path: Path) -> None:
    """It is a database of its own, with a lock of its own."""
    back_up(store, tmp_path / "copy.db")
    copy = Store.open(tmp_path / "copy.db", clock=ManualClock())

    with pytest.raises(DatabaseOwnedError):
        Store.open(tmp_path / "copy.db", clock=ManualClock())

    copy.close()


def test_backup_that_is_not_under_way_cannot_go_on(store: Store) -> None:
    """Such as one that ended with a commit in doubt."""
    with pytest.raises(BackupError, match="found none under way; begin it anew"):
        store.backups.step(1)


def test_log_of_a_file_that_is_gone_has_no_size(store: Store, tmp_path: Path) -> None:
    """Who asks for the engine's health is told so, not that the disk failed."""
    (tmp_path / "jobs.db-wal").unlink()

    assert store.wal_bytes == 0
