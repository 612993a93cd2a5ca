"""All credentials pass from one key to another: all or none, and nothing former is left in a file."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.errors import CredentialError, StoreError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, NewJob, SealedCredential, State
from bequest.engine.store import Store
from bequest.engine.vault import NONCE_BYTES

OLD, NEW = "old key", "new key"
FORMER = b"former seal"


def sealed(auth_id: str, *, version: int = 1, key_id: str = OLD, content: bytes = FORMER) -> SealedCredential:
    return SealedCredential(
        auth_id=auth_id,
        version=version,
        key_id=key_id,
        nonce=f"{auth_id} {version}".rjust(NONCE_BYTES).encode(),
        ciphertext=content * 50,
        sites=("wiki.example",),
        updated_at=5.0,
    )


def put(store: Store, *credentials: SealedCredential) -> None:
    with store.group():
        for one in credentials:
            store.credentials.put(one)


def anew(auth_id: str, version: int = 2) -> SealedCredential:
    return sealed(auth_id, version=version, key_id=NEW, content=b"newest seal")


def test_credentials_of_other_keys_are_found_by_name(store: Store) -> None:
    """Whatever that key has not sealed comes back, still sealed, and nothing else."""
    put(store, sealed("wiki"), sealed("shop"), sealed("done", key_id=NEW))

    with store.group():
        found, none = store.rotation.sealed_by_others(NEW), store.rotation.sealed_by_others(OLD)

    assert found == [sealed("shop"), sealed("wiki")]
    assert [one.auth_id for one in none] == ["done"]


def test_credential_is_sealed_anew_at_its_next_version(store: Store) -> None:
    """Version, key, nonce and content are the new ones; sites, time and which put it is of stay."""
    put(store, sealed("wiki"))

    with store.group():
        store.rotation.reseal([msgspec.structs.replace(anew("wiki"), updated_at=99.0)])
        found, version = store.credentials.get("wiki"), store.credentials.version("wiki")

    assert found == msgspec.structs.replace(anew("wiki"), put_version=1)
    assert version == 2


@pytest.mark.parametrize("other", [anew("wiki", version=1), anew("wiki", version=3), anew("gone")])
def test_credential_that_was_changed_meanwhile_is_not_overwritten(store: Store, other: SealedCredential) -> None:
    """A row at another version, or none, fails the whole, and nothing of it is written (I12)."""
    put(store, sealed("shop"), sealed("wiki"))

    with pytest.raises(CredentialError, match=f"'{other.auth_id}' was sealed anew as version"), store.group():
        store.rotation.reseal([anew("shop"), other])

    with store.group():
        assert [one.key_id for one in store.credentials.entries()] == [OLD, OLD]


def test_credential_that_is_sealed_anew_wakes_nobody(store: Store) -> None:
    """It is the same session as before: what waits for another goes on waiting."""
    with store.group():
        (parent,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
        store.parents.spawn(parent.job_id, [NewJob(kind="page")])
        (lease,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)
    put(store, sealed("wiki"))
    with store.group():
        waits = Completion(job_id=lease.job_id, token=lease.token, state=State.WAITING, waits_for="wiki")
        store.completions.complete([msgspec.structs.replace(waits, credential_version=1)])
        store.rotation.reseal([anew("wiki")])

        assert store.jobs.get(lease.job_id).state is State.WAITING


@pytest.mark.parametrize("pages", [0, 400])
def test_former_seals_leave_every_file(store: Store, tmp_path: Path, pages: int) -> None:
    """After the file was written anew neither it nor the write-ahead log holds a byte of a former seal (I16)."""
    with store.group():
        store.jobs.create([NewJob(kind="page", config="x" * 4_000)] * pages)
    put(store, *(sealed(f"wiki {number}") for number in range(50)))
    store.checkpoint()

    with store.group():
        store.rotation.reseal([anew(f"wiki {number}") for number in range(50)])
    assert FORMER in files_in(tmp_path)
    is_scrubbed = store.rotation.scrub()

    assert is_scrubbed
    assert FORMER not in files_in(tmp_path)
    assert b"newest seal" in files_in(tmp_path)
    with store.group():
        assert len(store.credentials.entries()) == 50
        assert store.queries.integrity() == []


def test_what_another_program_left_behind_goes_too(fresh_database: Path, tmp_path: Path) -> None:
    """Free pages that nobody overwrote, as after a deletion with another tool, are not in the new file (I16)."""
    shutil.copy(fresh_database, tmp_path / "jobs.db")
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("CREATE TABLE left_behind (content BLOB)")
        connection.execute("INSERT INTO left_behind VALUES (?)", (FORMER * 2_000,))
        connection.execute("DROP TABLE left_behind")
        connection.commit()
    store = Store.open(tmp_path / "jobs.db", clock=SystemClock())
    store.truncate_wal()
    assert FORMER in files_in(tmp_path)

    store.rotation.scrub()
    store.close()

    assert FORMER not in files_in(tmp_path)


def test_former_seals_stay_in_the_log_while_somebody_reads_them(store: Store, tmp_path: Path) -> None:
    """The caller is told, and once the reader has ended the next checkpoint empties the log."""
    put(store, sealed("wiki"))
    reader = open_reader(str(tmp_path / "jobs.db"), clock=SystemClock())
    reader.run("BEGIN")
    reader.rows("SELECT count(*) FROM credential")
    with store.group():
        store.rotation.reseal([anew("wiki")])

    told = store.rotation.scrub()
    still = FORMER in files_in(tmp_path)
    reader.close()
    store.truncate_wal()

    assert (told, still) == (False, True)
    assert FORMER not in files_in(tmp_path)


def test_backup_under_way_survives_that_the_file_is_written_anew(store: Store, tmp_path: Path) -> None:
    """It ends whole, with the new seals alone."""
    with store.group():
        store.jobs.create([NewJob(kind="page", config="x" * 3_000)] * 300)
    put(store, sealed("wiki"))
    (tmp_path / "backup").touch()
    store.backups.begin(str(tmp_path / "backup"))
    store.backups.step(50)

    with store.group():
        store.rotation.reseal([anew("wiki")])
    store.rotation.scrub()
    while not store.backups.step(50).is_complete:
        pass

    content = (tmp_path / "backup").read_bytes()
    assert FORMER not in content
    assert b"newest seal" in content


def test_file_that_cannot_be_written_anew_is_an_error(store: Store) -> None:
    """The credentials are sealed anew all the same, and the next try is as the first."""
    put(store, sealed("wiki"))

    with store.group():
        store.rotation.reseal([anew("wiki")])
        with pytest.raises(StoreError, match="VACUUM"):
            store.rotation.scrub()

    assert store.rotation.scrub()


def files_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("jobs.db"))
