"""Stored credentials: one version after the other, and what waited for one goes on in the write that puts it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bequest.engine.changes import LoggedIn, LoginRefusal
from bequest.engine.errors import CredentialError, CredentialNotFoundError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, CredentialEntry, Job, Kept, NewJob, SealedCredential, State
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


def follow(version: int, *, put_version: int = 1, at: float = 6.0) -> SealedCredential:
    """Return a state of the session that was put as *put_version*."""
    return msgspec.structs.replace(SEALED, version=version, put_version=put_version, updated_at=at)


def refresh(store: Store, sealed: SealedCredential) -> Kept:
    with store.group():
        return store.credentials.refresh(sealed)


def stored(store: Store) -> SealedCredential:
    with store.group():
        found = store.credentials.get("wiki")
    assert found is not None
    return found


def fail_login(store: Store, *, put_version: int = 1) -> int:
    with store.group():
        return store.credentials.note_failed_login("wiki", put_version, "wrong password")


def test_refreshed_session_is_the_next_version_of_the_same_put(store: Store) -> None:
    """However often it is refreshed, it is known which put it is of."""
    put(store, 1)

    kept = [refresh(store, follow(version, at=5.0 + version)) for version in (2, 3)]

    assert kept == [Kept.KEPT, Kept.KEPT]
    assert stored(store) == follow(3, at=8.0)
    assert (stored(store).version, stored(store).session) == (3, 1)


def test_refresh_wakes_nothing_and_ends_no_waiting(store: Store) -> None:
    """A page that waits has seen this session turned away; what the site made of it since is the same session."""
    put(store, 1)
    before, after = waiting_pages(store, "wiki", "wiki")  # which tried none, so that they do not wait
    refresh(store, follow(2))
    with store.group():
        leases = store.claims.claim("default", (KindTerms(kind="page"),), 2, 60.0)
        store.completions.complete(
            [
                Completion(
                    job_id=lease.job_id, token=lease.token, state=State.WAITING, waits_for="wiki", credential_version=1
                )
                for lease in leases
            ]
        )
    refresh(store, follow(3))

    assert [get(store, page).state for page in (before, after)] == [State.WAITING, State.WAITING]


@pytest.mark.parametrize(
    ("sealed", "kept"),
    [
        (follow(2, at=4.0), Kept.SUPERSEDED),  # a later state is there
        (follow(2, at=5.0), Kept.KEPT),  # of the same time: the last writer
        (follow(3), Kept.OUT_OF_STEP),
        (follow(1), Kept.OUT_OF_STEP),
        (follow(2, put_version=2), Kept.SUPERSEDED),
    ],
)
def test_refresh_is_written_only_where_it_follows(store: Store, sealed: SealedCredential, kept: Kept) -> None:
    """Not over a later state, nor over another put, nor sealed for another version than the next."""
    put(store, 1)

    assert refresh(store, sealed) is kept

    assert stored(store) == (sealed if kept is Kept.KEPT else SEALED)


def test_session_that_was_put_meanwhile_wins_over_a_refresh_and_a_login(store: Store) -> None:
    """Somebody has just said which session is to be used; and one that was removed is not brought back."""
    put(store, 1)
    put(store, 2)

    for sealed in (follow(2), follow(3)):
        assert refresh(store, sealed) is Kept.SUPERSEDED
        with store.group():
            assert store.credentials.renew(sealed) is Kept.SUPERSEDED
    remove(store)

    assert refresh(store, follow(3, put_version=2)) is Kept.SUPERSEDED


def test_login_has_what_waited_go_on_and_is_told_of(store: Store) -> None:
    """It is a put: of a new session, whatever the site made of the old one and whenever."""
    put(store, 1)
    refresh(store, follow(2, at=99.0))
    (page,) = waiting_pages(store, "wiki")
    with store.group():
        (lease,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)
        waits = Completion(job_id=page, token=lease.token, state=State.WAITING, waits_for="wiki", credential_version=1)
        store.completions.complete([waits])
    assert get(store, page).state is State.WAITING

    with store.group():
        out_of_step = store.credentials.renew(follow(2))
        kept = store.credentials.renew(follow(3))
        notices = list(store.changes.notices)

    assert (out_of_step, kept) == (Kept.OUT_OF_STEP, Kept.KEPT)
    assert notices == [LoggedIn("wiki", 3)]
    assert stored(store).session == 3
    assert get(store, page).state is State.PENDING


def test_failed_logins_are_counted_until_the_next_put(store: Store) -> None:
    """A refresh forgives none of them; a login that another put has overtaken counts nothing."""
    put(store, 1)

    counted = [fail_login(store), fail_login(store)]
    refresh(store, follow(2))
    counted.append(fail_login(store))
    put(store, 3)
    counted.append(fail_login(store))

    assert counted == [1, 2, 3, 0]
    assert stored(store).failed_logins == 0
    assert fail_login(store, put_version=3) == 1
    with store.group():
        assert store.credentials.entries()[0].failed_logins == 1


def test_failed_login_is_told_of(store: Store) -> None:
    """With how many there were in a row, and why."""
    put(store, 1)

    with store.group():
        store.credentials.note_failed_login("wiki", 1, "wrong password")
        notices = list(store.changes.notices)

    assert notices == [LoginRefusal("wiki", 1, "wrong password")]


def test_login_counts_as_failed_until_it_is_known_to_have_worked(store: Store) -> None:
    """Or logins that lead to a session which no page takes would go on for ever; proof of another session is none."""
    put(store, 1)
    fail_login(store)

    with store.group():
        store.credentials.renew(follow(2))
        store.credentials.note_proof("wiki", 1)
    counted = [stored(store).failed_logins]
    with store.group():
        store.credentials.note_proof("wiki", 2)
    counted.append(stored(store).failed_logins)

    assert counted == [2, 0]
