"""Groups and savepoints: whole or nothing, durable when they have ended, and what becomes of a commit in doubt."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bequest.engine.database import MEMORY, Database
from bequest.engine.database_file import open_database, open_reader
from bequest.engine.errors import CommitInDoubtError, DiskError, StoreError
from bequest.testing.manual_clock import ManualClock

FULL = "database or disk is full"
UNDONE = f"SQLite undid the whole transaction after Full: {FULL}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database."""
    return tmp_path / "jobs.db"


@pytest.fixture
def database(path: Path, clock: ManualClock) -> Iterator[Database]:
    """Give a database with a table of our own, for what the schema has no room for."""
    opened = open_database(str(path), durability="relaxed", clock=clock)
    opened.script("CREATE TABLE note (text TEXT NOT NULL)")
    yield opened
    opened.close()


def write(database: Database, text: str) -> None:
    database.run("INSERT INTO note VALUES (?)", (text,))


def notes(database: Database) -> list[str]:
    return [text for (text,) in database.rows("SELECT text FROM note ORDER BY rowid")]


def fill_the_disk(database: Database) -> None:
    """Run into a bound on the file's size, upon which SQLite undoes the whole transaction by itself."""
    database.run("PRAGMA max_page_count=40")
    write(database, "x" * 1_000_000)


def fail_to_commit(database: Database) -> None:
    """Make a COMMIT fail for real: a deferred foreign key is looked at only then."""
    with database.group():
        write(database, "in doubt")
        database.run("PRAGMA defer_foreign_keys=ON")
        database.run("INSERT INTO job_log (job_id, at, level, message, fields_json) VALUES (9, 1, 'INFO', '', '')")


def test_group_is_seen_by_another_connection_once_it_has_ended(
    database: Database, path: Path, clock: ManualClock
) -> None:
    """What a group wrote is in the file when the block has ended (I1), and not a moment before."""
    reader = open_reader(str(path), clock=clock)

    with database.group():
        write(database, "one")
        before = notes(reader)

    after = notes(reader)
    reader.close()
    assert (before, after) == ([], ["one"])


def test_group_that_raises_leaves_nothing(database: Database) -> None:
    """An error of any kind undoes the whole group and leaves as it came (I12)."""

    def interrupted() -> None:
        with database.group():
            write(database, "one")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert notes(database) == []


def test_group_has_one_time(database: Database, clock: ManualClock) -> None:
    """Inside a group time stands still at the clock's reading of its beginning."""
    clock.jump(5.0)

    with database.group():
        clock.advance(3.0)

        assert database.now == 5.0


def test_group_within_a_group_is_refused_and_harms_nothing(database: Database) -> None:
    """A group is not begun twice; the outer one goes on."""
    with database.group():
        write(database, "outer")
        with pytest.raises(StoreError, match="asked to begin a transaction"):
            with database.group():
                write(database, "inner")

    assert notes(database) == ["outer"]


def test_group_undone_by_sqlite_is_no_success(database: Database) -> None:
    """When SQLite undoes a transaction by itself, as it does when the disk is full, the group fails (I1, I12)."""

    def go_on_all_the_same() -> None:
        with database.group():
            write(database, "one")
            with pytest.raises(StoreError, match=FULL):
                fill_the_disk(database)

    with pytest.raises(StoreError, match=UNDONE):
        go_on_all_the_same()

    assert notes(database) == []


def test_savepoint_that_cannot_be_undone_takes_its_group_with_it(database: Database) -> None:
    """Or half of what raised would be written together with what comes after it (I12)."""

    def go_on_all_the_same() -> None:
        with database.group():
            with suppress(KeyError), database.savepoint():
                write(database, "half")
                database.run("RELEASE message")
                raise KeyError
            with suppress(StoreError):
                write(database, "another")

    with pytest.raises(DiskError, match="undid the whole transaction after SQL: no such savepoint: message"):
        go_on_all_the_same()

    assert notes(database) == []


def test_group_undone_by_sqlite_takes_no_more(database: Database) -> None:
    """After that no statement of the group runs outside of a transaction, where it would be kept."""

    def go_on_all_the_same() -> None:
        with database.group():
            with pytest.raises(StoreError, match=FULL):
                fill_the_disk(database)
            with pytest.raises(StoreError, match=UNDONE):
                write(database, "two")
            with pytest.raises(StoreError, match=UNDONE), database.savepoint():
                write(database, "three")

    with pytest.raises(StoreError, match=UNDONE):
        go_on_all_the_same()

    assert notes(database) == []


def test_rollbacks_count_all_that_may_have_undone_something(database: Database) -> None:
    """A group that raises, a savepoint that raises, a commit in doubt and a reopening are each counted."""
    counts = [database.rollbacks]

    with database.group():
        with suppress(KeyError), database.savepoint():
            raise KeyError
        counts.append(database.rollbacks)
    with suppress(KeyError), database.group():
        raise KeyError
    counts.append(database.rollbacks)
    with suppress(CommitInDoubtError):
        fail_to_commit(database)
    counts.append(database.rollbacks)
    database.reopen()
    counts.append(database.rollbacks)

    assert counts == sorted(set(counts))


def test_failed_commit_is_in_doubt_and_says_what_sqlite_said(database: Database) -> None:
    """A COMMIT that fails is no ordinary error, and its message has SQLite's own."""
    with pytest.raises(CommitInDoubtError, match=r"repeat it with the same key\. \(SQLite: Constraint: FOREIGN KEY"):
        fail_to_commit(database)


def test_reopened_database_goes_on_after_a_commit_in_doubt(database: Database) -> None:
    """Reopening tells what was stored, and the next group is stored again."""
    with database.group():
        write(database, "before")
    with suppress(CommitInDoubtError):
        fail_to_commit(database)

    database.reopen()
    with database.group():
        write(database, "after")

    assert notes(database) == ["before", "after"]


def test_reopening_of_a_database_in_memory_keeps_what_it_holds(clock: ManualClock) -> None:
    """A database in memory would be lost by closing it, so what is in doubt is rolled back."""
    database = open_database(MEMORY, durability="full", clock=clock)
    database.script("CREATE TABLE note (text TEXT NOT NULL)")
    with database.group():
        write(database, "before")
    with suppress(CommitInDoubtError):
        fail_to_commit(database)

    database.reopen()

    assert notes(database) == ["before"]
    database.close()


def test_full_disk_at_the_commit_is_in_doubt(database: Database, path: Path) -> None:
    """When the WAL cannot grow the commit is in doubt, and reopening finds what was acknowledged before (I1)."""
    with database.group():
        write(database, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size, hard))

    try:
        with pytest.raises(CommitInDoubtError), database.group():
            write(database, "in doubt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    database.reopen()
    assert notes(database) == ["before"]


def test_database_that_cannot_be_reopened_stays_closed(database: Database, path: Path) -> None:
    """When the file is gone at the reopening that is the error, and closing is no further one."""
    path.rename(path.with_name("elsewhere"))
    path.mkdir()

    with pytest.raises(StoreError, match="asked to open the database again"):
        database.reopen()

    database.close()
    with pytest.raises(StoreError, match="ConnectionClosed"):
        notes(database)


def test_group_after_a_commit_in_doubt_opens_the_database_again(database: Database) -> None:
    """Nobody need reopen by hand: the next group does, and is stored."""
    with suppress(CommitInDoubtError):
        fail_to_commit(database)

    with database.group():
        write(database, "after")

    assert notes(database) == ["after"]


def test_group_opens_what_could_not_be_reopened(database: Database, path: Path) -> None:
    """While the file is gone each group is refused and makes no new file; when it is back the next one goes on."""
    with database.group():
        write(database, "before")
    elsewhere = path.rename(path.with_name("elsewhere"))
    with suppress(StoreError):
        database.reopen()

    with pytest.raises(StoreError, match="asked to open the database again"), database.group():
        write(database, "refused")
    was_made = path.exists()
    elsewhere.rename(path)
    with database.group():
        write(database, "after")

    assert not was_made
    assert notes(database) == ["before", "after"]


# Savepoints


def test_savepoint_that_raises_is_undone_alone(database: Database) -> None:
    """What one message wrote before it failed is undone; its neighbours' writes stay (I12)."""

    def fail() -> None:
        with database.savepoint():
            write(database, "undone")
            raise KeyError

    with database.group():
        write(database, "before")
        with pytest.raises(KeyError):
            fail()
        with database.savepoint():
            write(database, "after")

    assert notes(database) == ["before", "after"]


def test_savepoint_passes_on_the_error_that_undid_the_whole_transaction(database: Database) -> None:
    """Where SQLite has undone all there is no savepoint to go back to; the cause is told, not that."""
    with pytest.raises(StoreError, match=FULL), database.group(), database.savepoint():
        fill_the_disk(database)

    assert notes(database) == []
