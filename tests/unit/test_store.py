"""The store as a whole: who may open it, what a group leaves, and that closing and opening change nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bequest import Definition
from bequest.engine.database import MEMORY
from bequest.engine.database_connection import Durability
from bequest.engine.errors import CommitInDoubtError, DatabaseOwnedError, ForeignDatabaseError, StoreError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Document, Job, LogEntry, NewJob, SealedCredential, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

JOB = NewJob(kind="page", key="a")
TABLES = {  # with the rows that run_something leaves in each
    "engine": 1,
    "definition": 1,
    "job": 4,
    "tally": 1,
    "document": 1,
    "job_log": 1,
    "credential": 1,
    "former_credential": 1,
}


def create(store: Store, key: str) -> int:
    with store.group():
        (created,) = store.jobs.create([NewJob(kind="page", key=key)])
    return created.job_id


def keys(store: Store) -> list[str | None]:
    with store.group():
        return [view.job.key for view in store.queries.jobs()]


def whole(path: Path) -> str:
    """Return all rows of the file, in SQL."""
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump())


def fail_to_commit(store: Store, key: str) -> None:
    """Make a COMMIT fail for real: a deferred foreign key is looked at only then."""
    with store.group():
        store.jobs.create([NewJob(kind="page", key=key)])
        store._database.run("PRAGMA defer_foreign_keys=ON")
        store.jobs.create([NewJob(kind="page", definition_id=99)])


# Opening


def test_open_store_keeps_others_out_and_a_closed_one_does_not(store: Store, tmp_path: Path) -> None:
    """A database has one owner, under any of its names, until that closes it."""
    link = tmp_path / "link.db"
    link.symlink_to("jobs.db")

    for name in ("jobs.db", "link.db", "../" + tmp_path.name + "/jobs.db"):
        with pytest.raises(DatabaseOwnedError, match=r"jobs\.db, found it owned by process \d+ on"):
            Store.open(tmp_path / name, clock=ManualClock())
    store.close()

    Store.open(link, clock=ManualClock()).close()


def test_file_that_is_refused_has_nothing_written_beside_it(tmp_path: Path, clock: ManualClock) -> None:
    """Another application's folder stays as it was: no lock, no WAL."""
    path = tmp_path / "other.db"
    path.write_bytes(b"something else" * 100)

    with pytest.raises(ForeignDatabaseError):
        Store.open(path, clock=clock)

    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"something else" * 100


def test_file_that_turns_out_damaged_is_given_up(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    """What is refused only once it is open leaves no lock behind: put right, it opens in the same process."""
    path = tmp_path / "jobs.db"
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    for _ in range(2):
        with pytest.raises(StoreError, match="damaged"):
            Store.open(path, clock=clock)
    path.write_bytes(content)

    Store.open(path, clock=clock).close()


def test_stores_in_memory_are_apart_and_have_no_owner(clock: ManualClock) -> None:
    """Each store in memory is one of its own."""
    first, second = (Store.open(MEMORY, clock=clock) for _ in range(2))

    create(first, "a")

    assert (keys(first), keys(second)) == (["a"], [])
    first.close()
    second.close()


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_reopened_store_has_every_row_as_it_was(tmp_path: Path, clock: ManualClock, durability: Durability) -> None:
    """Closing and opening change no row of any table (I1, I19)."""
    path = tmp_path / "jobs.db"
    store = Store.open(path, clock=clock, durability=durability)
    run_something(store)
    store.close()
    before = whole(path)

    for _ in range(2):
        clock.advance(1_000)
        Store.open(path, clock=clock, durability=durability).close()

    assert whole(path) == before
    assert {table: before.count(f'INSERT INTO "{table}"') for table in TABLES} == TABLES


def run_something(store: Store) -> None:
    """Leave a row in every table: a parent, a finished page, a running one, a waiting one."""
    document = Document(
        url="http://h/", url_key="a", status=200, title="", markdown="", depth=0, auth_id=None, fetched_at=1.0
    )
    sealed = SealedCredential(
        auth_id="shop", version=1, key_id="k", nonce=b"n", ciphertext=b"c", sites=("h",), updated_at=1.0
    )
    with store.group():
        (parent,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
        store.parents.spawn(parent.job_id, [NewJob(kind="page", key=key) for key in "abc"])
        store.jobs.update_metadata(parent.job_id, {"auth_id": "wiki"})
        store.definitions.save(Definition.crawl("wiki", start_urls=["http://h/"]))
        first, second, _ = store.claims.claim("default", (KindTerms(kind="page"),), 3, 60.0)
        store.completions.complete(
            [
                Completion(job_id=first.job_id, token=first.token, state=State.COMPLETED, document=document),
                Completion(job_id=second.job_id, token=second.token, state=State.WAITING, waits_for="wiki"),
            ]
        )
        store.logs.add([LogEntry(job_id=parent.job_id, at=1.0, level="INFO", message="begun")])
        for version in (1, 2):
            store.credentials.put(msgspec.structs.replace(sealed, version=version))
        store.credentials.put(msgspec.structs.replace(sealed, auth_id="old"))
        store.credentials.remove("old")


# Groups


def test_group_that_raises_leaves_no_job_and_uses_no_id(store: Store) -> None:
    """What a group made before it failed was never there, and its ids go to the next (I12)."""

    def fail() -> None:
        with store.group():
            store.jobs.create([JOB, NewJob(kind="page", key="b")])
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert create(store, "c") == 1
    assert keys(store) == ["c"]


def test_savepoint_that_raises_leaves_its_neighbours(store: Store) -> None:
    """One message's jobs are undone without those before and after it (I12)."""

    def fail() -> None:
        with store.savepoint():
            store.jobs.create([NewJob(kind="page", key="b")])
            raise KeyError

    with store.group():
        store.jobs.create([JOB])
        with pytest.raises(KeyError):
            fail()
        store.jobs.create([NewJob(kind="page", key="c")])

    assert keys(store) == ["a", "c"]


def test_failed_commit_is_made_safe_to_repeat_by_its_key(store: Store) -> None:
    """After a commit in doubt the store is opened again under the same lock, and the same key makes one job (I11)."""
    with pytest.raises(CommitInDoubtError):
        fail_to_commit(store, "a")

    store.reopen()
    first, second = create(store, "a"), create(store, "a")

    assert first == second
    assert keys(store) == ["a"]


def test_reopening_keeps_the_lock(store: Store, tmp_path: Path) -> None:
    """Nobody else gets in between while the owner opens its file again."""
    store.reopen()

    with pytest.raises(DatabaseOwnedError):
        Store.open(tmp_path / "jobs.db", clock=ManualClock())


def test_group_begins_with_no_changes_and_at_the_time_of_its_beginning(store: Store, clock: ManualClock) -> None:
    """What an earlier group touched is forgotten, and a job made is dated by the group."""
    create(store, "a")

    with store.group():
        began = store.now
        clock.advance(5.0)
        (created,) = store.jobs.create([NewJob(kind="page", key="b")])
        job: Job = store.jobs.get(created.job_id)
        has_due_work = store.changes.has_due_work
    with store.group():
        pass

    assert (began, job.created_at, job.run_at) == (clock.now() - 5.0,) * 3
    assert has_due_work
    assert not store.changes.has_due_work


def test_total_changes_grows_with_writes_alone(store: Store) -> None:
    """From it is seen whether a message that failed had written something."""
    before = store.total_changes
    keys(store)
    read = store.total_changes
    create(store, "a")

    assert (read - before, store.total_changes > read) == (0, True)


def test_idle_store_writes_its_wal_back(store: Store, tmp_path: Path) -> None:
    """A small WAL is left alone between groups and written back when nothing else is due."""
    wal = tmp_path / "jobs.db-wal"
    create(store, "a")

    store.checkpoint()
    between = wal.stat().st_size
    store.truncate_wal()

    assert (between > 0, wal.stat().st_size) == (True, 0)
