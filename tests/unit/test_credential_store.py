"""Stored credentials: one version after the other, and what waited for one goes on in the write that puts it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bequest.engine.errors import CredentialError, CredentialNotFoundError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, CredentialEntry, Job, NewJob, SealedCredential, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

SEALED = SealedCredential(
    auth_id="wiki",
    version=1,
    key_id="key",
    nonce=b"\x00nonce",
    ciphertext=b"\xffcipher",
    sites=("wiki.example", "127.0.0.1"),
    updated_at=5.0,
)


def put(store: Store, version: int, *, auth_id: str = "wiki") -> int:
    with store.group():
        return store.credentials.put(msgspec.structs.replace(SEALED, auth_id=auth_id, version=version))


def remove(store: Store, auth_id: str = "wiki") -> None:
    with store.group():
        store.credentials.remove(auth_id)


def version(store: Store, auth_id: str = "wiki") -> int:
    with store.group():
        return store.credentials.version(auth_id)


def waiting_pages(store: Store, *auth_ids: str) -> list[int]:
    """Return pages of one run, each waiting for one of *auth_ids*."""
    with store.group():
        (parent,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
        store.parents.spawn(parent.job_id, [NewJob(kind="page")] * len(auth_ids))
        leases = store.claims.claim("default", (KindTerms(kind="page"),), len(auth_ids), 60.0)
        store.completions.complete(
            [
                Completion(job_id=lease.job_id, token=lease.token, state=State.WAITING, waits_for=auth_id)
                for lease, auth_id in zip(leases, auth_ids, strict=True)
            ]
        )
    return [lease.job_id for lease in leases]


def get(store: Store, job_id: int) -> Job:
    with store.group():
        return store.jobs.get(job_id)


def test_credential_comes_back_as_it_was_put(store: Store) -> None:
    """The sealed record is kept byte for byte, and what is known without a key is listed by name."""
    put(store, 1, auth_id="shop")
    put(store, 1)

    with store.group():
        found, missing, entries = store.credentials.get("wiki"), store.credentials.get("x"), store.credentials.entries()

    assert (found, missing) == (SEALED, None)
    assert [entry.auth_id for entry in entries] == ["shop", "wiki"]
    assert entries[1] == CredentialEntry(
        auth_id="wiki", version=1, key_id="key", sites=("wiki.example", "127.0.0.1"), updated_at=5.0
    )


def test_newer_version_replaces_the_older(store: Store) -> None:
    """A name has one row, at its newest version."""
    put(store, 1)
    changed = msgspec.structs.replace(SEALED, version=2, key_id="k2", nonce=b"n2", ciphertext=b"c2", sites=())

    with store.group():
        store.credentials.put(changed)
        found = store.credentials.get("wiki"), len(store.credentials.entries())

    assert found == (changed, 1)


@pytest.mark.parametrize("wrong", [0, 1, 2, 4])
def test_credential_sealed_for_another_version_is_refused(store: Store, wrong: int) -> None:
    """Only the next version is written: a row cannot be put in the place of another, and no write is lost."""
    put(store, 1)
    put(store, 2)
    said = f"credential 'wiki' was sealed as version {wrong}, found version 2 stored"

    with store.group(), pytest.raises(CredentialError, match=said):
        store.credentials.put(msgspec.structs.replace(SEALED, version=wrong))

    assert version(store) == 2


def test_version_of_a_removed_name_is_not_repeated(store: Store) -> None:
    """After a removal the versions go on, however often, so that no old seal fits again."""
    for newest in (1, 2, 3):
        assert version(store) == newest - 1
        put(store, newest)
        remove(store)

    with store.group():
        assert store.credentials.get("wiki") is None
    assert version(store) == 3
    assert version(store, "other") == 0


def test_credential_that_is_not_there_cannot_be_removed(store: Store) -> None:
    """The error names what was asked for, and where to see those that are there; a second removal is one too."""
    put(store, 1)
    remove(store)

    for auth_id in ("wiki", "shop"):
        with store.group(), pytest.raises(CredentialNotFoundError, match=f"remove credential '{auth_id}', found none"):
            store.credentials.remove(auth_id)


def test_put_credential_wakes_what_waited_for_it(store: Store, clock: ManualClock) -> None:
    """Pages that waited for that name are due in the same write, and no others."""
    wiki, shop, wiki_too = waiting_pages(store, "wiki", "shop", "wiki")
    clock.advance(5.0)

    with store.group():
        woken = store.credentials.put(SEALED)
        noted = store.changes.has_due_work, store.changes.jobs, store.changes.parents
        claimed = [lease.job_id for lease in store.claims.claim("default", (KindTerms(kind="page"),), 9, 60.0)]

    assert (woken, claimed) == (2, [wiki, wiki_too])
    assert noted == (True, {wiki, wiki_too}, {1})
    assert (get(store, wiki).waits_for, get(store, wiki).run_at) == (None, clock.now())
    assert (get(store, shop).waits_for, get(store, shop).state) == ("shop", State.WAITING)


def test_put_credential_that_nobody_waits_for_is_no_work(store: Store) -> None:
    """Where nothing waits nothing is woken."""
    with store.group():
        woken = store.credentials.put(SEALED)

        assert (woken, store.changes.has_due_work) == (0, False)


def test_removed_credential_wakes_nothing(store: Store) -> None:
    """What waits goes on waiting for the next one of that name."""
    (page,) = waiting_pages(store, "wiki")
    put(store, 1)
    with store.group():
        (lease,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)
        store.completions.complete(
            [Completion(job_id=page, token=lease.token, state=State.WAITING, waits_for="wiki", credential_version=1)]
        )

    remove(store)

    assert get(store, page).state is State.WAITING
    assert put(store, 2) == 1


def test_removed_credential_leaves_no_byte_behind(store: Store, tmp_path: Path) -> None:
    """After a removal and a truncated WAL not even the sealed bytes are in any file (I16)."""
    with store.group():
        store.credentials.put(msgspec.structs.replace(SEALED, ciphertext=b"canary" * 50))
    store.truncate_wal()

    remove(store)
    store.truncate_wal()

    assert b"canary" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
