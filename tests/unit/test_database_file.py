"""What is looked at before a file is trusted; what is refused is left as it was, byte for byte."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bequest.engine.database import MEMORY, Database
from bequest.engine.database_file import check_file, check_sqlite, migrate, numbers_in, open_database, open_reader
from bequest.engine.errors import DatabaseCorruptError, ForeignDatabaseError, NewerDatabaseError, StoreError
from bequest.engine.schema import APPLICATION_ID, MINIMUM_SQLITE, Migration, migrations
from bequest.testing.manual_clock import ManualClock

NEWEST = migrations()[-1].version
NUMBERS_AT = 60  # of the header: the schema's version, and eight bytes on the application's id
NOBODY = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database."""
    return tmp_path / "jobs.db"


@pytest.fixture
def made(path: Path, clock: ManualClock) -> Path:
    """Give a database that was made and closed."""
    open_database(str(path), durability="relaxed", clock=clock).close()
    return path


def opened(path: Path | str) -> Database:
    return open_database(str(path), durability="relaxed", clock=ManualClock())


def opened_to_read(path: Path | str) -> Database:
    return open_reader(str(path), clock=ManualClock())


def look_at(path: Path | str) -> None:
    check_file(Path(path))


OPENINGS = pytest.mark.parametrize("open_it", [opened, opened_to_read, look_at])


def refusal(open_it: Callable[[Path | str], object], path: Path) -> StoreError:
    """Return why *path* was not opened; it has the same bytes after it as before."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        open_it(path)
    assert path.read_bytes() == before
    return caught.value


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


# Making one


def test_new_database_has_our_numbers_and_the_newest_schema(path: Path) -> None:
    """A file that is not there is made, with the schema of this release."""
    with closing(opened(path)) as database:
        assert numbers_in(database) == (NEWEST, APPLICATION_ID)

    numbers = path.read_bytes()[NUMBERS_AT : NUMBERS_AT + 12]
    assert (int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[8:], "big")) == (NEWEST, APPLICATION_ID)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_new_files_are_their_owners_alone(path: Path, umask: int) -> None:
    """The database, its WAL and its index are 0600 whatever the umask, for metadata and documents may be private."""
    former = os.umask(umask)
    try:
        database = opened(path)
    finally:
        os.umask(former)
    database.script("CREATE TABLE note (text TEXT)")

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    database.close()
    assert modes == dict.fromkeys(("jobs.db", "jobs.db-wal", "jobs.db-shm"), 0o600)


def test_new_database_leaves_nothing_beside_it(made: Path) -> None:
    """A new database is built beside its place and moved there whole."""
    assert [file.name for file in made.parent.iterdir()] == ["jobs.db"]


def test_empty_file_is_no_database_yet(path: Path) -> None:
    """An empty file, as mktemp makes it, becomes a database."""
    path.touch(0o644)

    with closing(opened(path)) as database:
        assert numbers_in(database).user_version == NEWEST

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_half_made_database_is_made_again(path: Path) -> None:
    """What a crash left while a database was built is no part of the next one."""
    for ending in (".new", ".new-journal", ".new-wal", ".new-shm"):
        Path(f"{path}{ending}").write_bytes(b"half a database")

    with closing(opened(path)) as database:
        assert database.rows("PRAGMA integrity_check") == [("ok",)]

    assert [file.name for file in path.parent.iterdir()] == ["jobs.db"]


def test_half_made_database_is_not_made_through_a_link(path: Path) -> None:
    """A symbolic link in the place where a database is built is replaced and not written through."""
    victim = path.with_name("victim")
    victim.write_text("untouched")
    Path(f"{path}.new").symlink_to(victim)

    opened(path).close()

    assert victim.read_text() == "untouched"
    assert not path.is_symlink()


@pytest.mark.parametrize("place", ["missing/jobs.db", "jobs.db.new/jobs.db"])
def test_database_that_cannot_be_made_is_an_error_with_advice(tmp_path: Path, place: str) -> None:
    """A folder that is not there is named, with what the system said and what to do."""
    with pytest.raises(StoreError, match="found No such file or directory; name a file in a folder that you can"):
        opened(tmp_path / place)


def test_database_whose_place_is_taken_meanwhile_is_an_error_with_advice(path: Path) -> None:
    """A folder in the place where the database is built is an error too, and is left there."""
    Path(f"{path}.new").mkdir()

    with pytest.raises(StoreError, match=r"asked to make .*; name a file in a folder that you can write to"):
        opened(path)

    assert not path.exists()


def test_database_in_memory_has_the_same_schema() -> None:
    """Nothing is written for a database in memory."""
    with closing(opened(MEMORY)) as database:
        assert numbers_in(database) == (NEWEST, APPLICATION_ID)

    assert not Path(MEMORY).exists()


def test_databases_have_names_of_their_own(path: Path) -> None:
    """Each new database has an id that no other has, and keeps it; sealed records are bound to it."""
    ids = []
    for place in (path, path.with_name("other.db"), path):
        with closing(opened(place)) as database:
            ids += database.rows("SELECT database_id, created_at FROM engine")

    assert ids[0] == ids[2] != ids[1]


# Refusing one


@OPENINGS
@pytest.mark.parametrize(
    "content", [b"x", b"SQLite format 3\x00", b"#!/bin/sh\n" * 20, b"\x00" * 4096, b"SQLite format 2\x00" + b"x" * 99]
)
def test_file_that_is_no_database_is_refused(
    path: Path, open_it: Callable[[Path | str], object], content: bytes
) -> None:
    """A text, half a header or anything else without SQLite's mark is another's."""
    path.write_bytes(content)

    error = refusal(open_it, path)

    assert isinstance(error, ForeignDatabaseError)
    assert f"{path} is not a SQLite database; it is left as it was" in str(error)


@OPENINGS
@pytest.mark.parametrize("application_id", [0, 1, APPLICATION_ID + 1])
def test_database_of_another_application_is_refused(
    path: Path, open_it: Callable[[Path | str], object], application_id: int
) -> None:
    """A database of SQLite with another id, or none, is another application's, also with tables named as ours."""
    with closing(sqlite3.connect(path)) as other:
        other.executescript(f"CREATE TABLE job (id INTEGER); PRAGMA application_id={application_id}")

    error = refusal(open_it, path)

    assert isinstance(error, ForeignDatabaseError)
    assert f"{path} belongs to another application" in str(error)


@OPENINGS
@pytest.mark.parametrize("ahead", [1, 1_000])
def test_database_of_a_newer_release_is_refused(
    made: Path, open_it: Callable[[Path | str], object], ahead: int
) -> None:
    """A newer schema is not touched, and the message names both."""
    overwrite(made, NUMBERS_AT, (NEWEST + ahead).to_bytes(4, "big"))

    error = refusal(open_it, made)

    assert isinstance(error, NewerDatabaseError)
    assert f"{made} has schema {NEWEST + ahead} and this release knows {NEWEST}; install" in str(error)


@pytest.mark.parametrize("open_it", [opened, opened_to_read])
@pytest.mark.parametrize(
    ("pragma", "error"), [("user_version=99", NewerDatabaseError), ("application_id=7", ForeignDatabaseError)]
)
def test_wal_of_a_newer_release_is_refused(
    made: Path, open_it: Callable[[Path | str], object], pragma: str, error: type[StoreError]
) -> None:
    """A newer release that was killed left its numbers in the WAL alone; neither file is changed."""
    other = sqlite3.connect(made)
    other.execute("PRAGMA wal_autocheckpoint=0")
    other.execute(f"PRAGMA {pragma}")
    killed = made.with_name("killed.db")
    for ending in ("", "-wal"):
        Path(f"{killed}{ending}").write_bytes(Path(f"{made}{ending}").read_bytes())
    other.close()
    wal = Path(f"{killed}-wal").read_bytes()

    found = refusal(open_it, killed)

    assert isinstance(found, error)
    assert str(killed) in str(found)
    assert Path(f"{killed}-wal").read_bytes() == wal


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_truncated_database_is_refused(made: Path, share: float) -> None:
    """A file that lost its end is damaged, and is left for whoever repairs it."""
    whole = made.read_bytes()
    made.write_bytes(whole[: max(100, int(len(whole) * share))])

    error = refusal(opened, made)

    assert isinstance(error, DatabaseCorruptError)
    assert "found a damaged file; restore a backup" in str(error)


@pytest.mark.parametrize("at", [16, 100])
def test_damaged_first_page_is_refused(made: Path, at: int) -> None:
    """A first page that holds nonsense behind our numbers is damage."""
    numbers = made.read_bytes()[NUMBERS_AT : NUMBERS_AT + 12]
    overwrite(made, at, b"\xff" * 200)
    overwrite(made, NUMBERS_AT, numbers)

    assert isinstance(refusal(opened, made), DatabaseCorruptError)


@OPENINGS
@pytest.mark.parametrize("make", [Path.touch, lambda path: None])
def test_lost_database_beside_its_wal_is_refused(
    path: Path, open_it: Callable[[Path | str], object], make: Callable[[Path], None]
) -> None:
    """Beside a WAL with something in it an empty or missing database was lost, and a new one would hide that."""
    wal = Path(f"{path}-wal")
    wal.write_bytes(b"acknowledged work")
    make(path)

    with pytest.raises(DatabaseCorruptError, match=r"jobs\.db-wal but no database beside it; restore jobs\.db or"):
        open_it(path)

    assert wal.read_bytes() == b"acknowledged work"


def test_empty_wal_is_nothing_lost(path: Path) -> None:
    """An empty WAL held nothing, so the database beside it is new."""
    Path(f"{path}-wal").touch()

    opened(path).close()

    assert path.stat().st_size > 0


@OPENINGS
@pytest.mark.parametrize(
    ("make", "found"), [(Path.mkdir, "a folder"), (os.mkfifo, "a device, pipe or socket")], ids=["folder", "pipe"]
)
def test_what_is_no_file_is_refused_and_stays(
    path: Path, open_it: Callable[[Path | str], object], make: Callable[[Path], None], found: str
) -> None:
    """A pipe has no size, as a missing file has none; it is not replaced by a database, nor is a device."""
    make(path)
    before = path.stat()

    with pytest.raises(StoreError, match=f"found {found}; name a file"):
        open_it(path)

    assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)


@OPENINGS
def test_path_that_the_system_refuses_is_our_error(tmp_path: Path, open_it: Callable[[Path | str], object]) -> None:
    """What the system says of a path is told in one of our errors."""
    with pytest.raises(StoreError, match="found File name too long; check the path and its rights"):
        open_it(tmp_path / ("x" * 300))


def test_reader_makes_no_database(path: Path) -> None:
    """To read there must be something, and nothing is made in the trying."""
    with pytest.raises(StoreError, match="found no database there; name the file that a run was stored in"):
        opened_to_read(path)

    assert list(path.parent.iterdir()) == []


def test_file_that_may_not_be_read_is_an_error_with_advice(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its user may not read is named, with what the system says."""
    made.chmod(0)
    made.parent.chmod(0o755)
    monkeypatch.chdir(made.parent)
    former = os.geteuid()
    os.seteuid(former or NOBODY)  # root may read all

    try:
        with pytest.raises(
            StoreError, match=r"asked to open jobs\.db, found Permission denied; check the path and its"
        ):
            opened("jobs.db")
    finally:
        os.seteuid(former)


# Bringing one up to date


def test_database_with_another_journal_is_brought_back_to_the_wal(made: Path) -> None:
    """A copy made by VACUUM INTO has a rollback journal; opened, it has a WAL again, so that readers do not block."""
    copy = made.with_name("copy.db")
    with closing(sqlite3.connect(made)) as other:
        other.execute("VACUUM INTO ?", (str(copy),))

    with closing(opened(copy)) as database:
        assert database.row("PRAGMA journal_mode") == ("wal",)


def test_migrations_are_applied_once_and_in_order(made: Path, clock: ManualClock) -> None:
    """A file of an older release gets the steps that it does not have, and keeps its id."""
    later = [
        *migrations(),
        Migration(NEWEST + 1, "CREATE TABLE note (text TEXT)"),
        Migration(NEWEST + 2, "INSERT INTO note VALUES ('two')"),
    ]
    with closing(opened(made)) as database:
        before = database.rows("SELECT * FROM engine")

        migrate(database, later)
        migrate(database, later)

        assert database.rows("SELECT text FROM note") == [("two",)]
        assert database.rows("SELECT * FROM engine") == before
        assert numbers_in(database) == (NEWEST + 2, APPLICATION_ID)


def test_migration_that_fails_leaves_the_schema_before_it(made: Path) -> None:
    """Each step is one transaction with its number: all of it or nothing."""
    steps = [
        *migrations(),
        Migration(NEWEST + 1, "CREATE TABLE note (text TEXT)"),
        Migration(NEWEST + 2, "CREATE TABLE half (text TEXT); CREATE TABLE note (text TEXT)"),
    ]
    with closing(opened(made)) as database:
        with pytest.raises(StoreError, match="table note already exists"):
            migrate(database, steps)

        assert numbers_in(database).user_version == NEWEST + 1
        assert database.rows("SELECT name FROM sqlite_schema WHERE name = 'half'") == []


def test_old_sqlite_is_refused() -> None:
    """A SQLite that can lose a WAL is refused with both versions; the oldest that cannot is taken."""
    with pytest.raises(StoreError, match=r"SQLite 3\.51\.3 or newer is needed, found 3\.51\.2; install apsw"):
        check_sqlite((3, 51, 2))

    check_sqlite(MINIMUM_SQLITE)
