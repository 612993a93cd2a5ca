"""How stored credentials pass to another key through the manager, also while others write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from actor_rig import TapedAddress
from crawl_rig import CANARY, CrawlRig

from bequest.actors.browser_messages import Login
from bequest.actors.handles import Credentials
from bequest.actors.rotation import TRIES, Rotation
from bequest.actors.rotation_messages import ListSealedByOthers, ResealCredentials, Scrub
from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.errors import CredentialError, KeyNeededError, SealError
from bequest.engine.keys import Key
from bequest.engine.records import SealedCredential
from bequest.engine.secret import Secret
from bequest.engine.sessions import Session
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

OLD = Key(b"o" * 32)
NEW = Key(b"n" * 32, former=[OLD])
DATABASE = "the database of this test"


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls."""
    made = CrawlRig(store, clock)
    yield made
    made.stop()


def credentials_of(rig: CrawlRig, clock: ManualClock, key: Key) -> Credentials:
    return Credentials(rig.manager.address, lambda: key, clock, DATABASE, no_login)


def no_login(login: Login) -> Session:
    raise AssertionError(f"nothing here logs in, asked for {login}")


def session(auth_id: str = "wiki", value: str = CANARY) -> Credential:
    cookie = Cookie(name="sid", value=Secret(value), domain="wiki.example", host_only=True)
    return Credential(auth_id=auth_id, sites=("wiki.example",), cookies=(cookie,))


def files_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_rotation_seals_all_with_the_newest_key(rig: CrawlRig, clock: ManualClock, tmp_path: Path) -> None:
    """Each credential opens with the new key alone, at its next version, and no byte of a former seal is left."""
    credentials_of(rig, clock, OLD).put(session())
    clock.advance(5.0)
    credentials_of(rig, clock, NEW).put(session("done"))
    credentials_of(rig, clock, OLD).put(session("shop"))
    rotating = credentials_of(rig, clock, NEW)
    former: list[SealedCredential] = rig.manager.ask(ListSealedByOthers(key_id=NEW.id))
    before = {one.auth_id: one for one in rotating.list()}

    done = rotating.rotate()

    alone = credentials_of(rig, clock, Key(b"n" * 32))
    after = {one.auth_id: one for one in alone.list()}
    assert done == Rotation(key_id=NEW.id, resealed=2, is_scrubbed=True)
    assert [alone.get(name) for name in after] == [session(name) for name in after]
    assert {name: one.version for name, one in after.items()} == {"done": 1, "shop": 2, "wiki": 2}
    assert {name: one.updated_at for name, one in after.items()} == {
        name: one.updated_at for name, one in before.items()
    }
    assert not any(part in files_in(tmp_path) for one in former for part in (one.nonce, one.ciphertext))


def test_rotation_may_be_done_again(rig: CrawlRig, clock: ManualClock) -> None:
    """Where all is sealed with the newest key nothing is sealed anew."""
    credentials = credentials_of(rig, clock, NEW)
    credentials.put(session())
    nothing_stored = credentials_of(rig, clock, OLD)

    assert credentials.rotate().resealed == 0
    credentials.remove("wiki")
    assert nothing_stored.rotate() == Rotation(key_id=OLD.id, resealed=0, is_scrubbed=True)


def test_rotation_is_all_or_none(rig: CrawlRig, clock: ManualClock) -> None:
    """A credential that does not open is named, and then none is sealed anew."""
    credentials_of(rig, clock, OLD).put(session("shop"))
    credentials_of(rig, clock, Key(b"x" * 32)).put(session())

    with pytest.raises(SealError, match="'wiki' was sealed with key"):
        credentials_of(rig, clock, NEW).rotate()

    assert [one.version for one in credentials_of(rig, clock, NEW).list()] == [1, 1]


def test_rotation_without_a_key_is_refused(rig: CrawlRig, clock: ManualClock) -> None:
    """An engine that has none says so."""
    with pytest.raises(KeyNeededError):
        Credentials(rig.manager.address, None, clock, DATABASE, no_login).rotate()


def test_credential_that_is_put_during_a_rotation_is_not_lost(rig: CrawlRig, clock: ManualClock) -> None:
    """What was changed between the look and the write is looked at again, so the newest session is the one kept."""
    credentials_of(rig, clock, OLD).put(session())
    taped = TapedAddress(rig.manager.address, [])
    newer = session(value="newer")

    def put_once() -> None:
        del taped.before[ResealCredentials]
        credentials_of(rig, clock, OLD).put(newer)

    taped.before[ResealCredentials] = put_once

    done = Credentials(taped, lambda: NEW, clock, DATABASE, no_login).rotate()

    assert done.resealed == 1
    assert credentials_of(rig, clock, Key(b"n" * 32)).get("wiki") == newer
    assert [one.version for one in credentials_of(rig, clock, NEW).list()] == [3]


def test_rotation_gives_up_when_it_is_always_in_vain(rig: CrawlRig, clock: ManualClock) -> None:
    """Who puts a credential each time gets their way, and the caller an error; all of it opens as before."""
    credentials_of(rig, clock, OLD).put(session())
    tape: list[object] = []
    taped = TapedAddress(rig.manager.address, tape)
    taped.before[ResealCredentials] = lambda: credentials_of(rig, clock, OLD).put(session())

    with pytest.raises(CredentialError, match="somebody changed it meanwhile"):
        Credentials(taped, lambda: NEW, clock, DATABASE, no_login).rotate()

    assert [type(one) for one in tape] == [ListSealedByOthers, ResealCredentials] * TRIES
    assert credentials_of(rig, clock, NEW).get("wiki") == session()


def test_file_is_cleared_after_the_credentials_are_sealed_anew(rig: CrawlRig, clock: ManualClock) -> None:
    """One write for all of them, and only then the file."""
    for name in ("wiki", "shop"):
        credentials_of(rig, clock, OLD).put(session(name))
    tape: list[object] = []

    Credentials(TapedAddress(rig.manager.address, tape), lambda: NEW, clock, DATABASE, no_login).rotate()

    assert [type(one) for one in tape] == [ListSealedByOthers, ResealCredentials, Scrub]
