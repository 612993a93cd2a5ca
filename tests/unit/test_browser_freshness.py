"""What becomes of the cookies of a context: which states are written back, and how often; without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
import pytest
from actor_rig import ManagerRig

from bequest.actors.address import Address
from bequest.actors.browser_freshness import MAX_STATES, Freshness
from bequest.actors.credential_messages import GetCredential, PutCredential, RefreshCredential
from bequest.actors.write_back import WriteBack
from bequest.engine.cookies import Cookie, to_playwright
from bequest.engine.credentials import Credential
from bequest.engine.errors import EngineStoppedError
from bequest.engine.keys import Key
from bequest.engine.records import Kept, SealedCredential
from bequest.engine.secret import Secret
from bequest.engine.store import Store
from bequest.engine.vault import Vault
from bequest.testing.manual_clock import ManualClock

VAULT = Vault(Key(b"k" * 32), "the database of this test")


def cookie(value: str, name: str = "sid", domain: str = "wiki.example", **more: Any) -> Cookie:
    """Return a cookie of one host."""
    return Cookie(name=name, value=Secret(value), domain=domain, host_only=True, **more)


FIRST = Credential(auth_id="wiki", sites=("wiki.example",), cookies=(cookie("first"),))


class OvertakenAddress(Address):
    """The manager's, which may have somebody else write between the question for a version and the write."""

    def __init__(self, manager: ManagerRig, watched: Watched) -> None:
        super().__init__("manager")
        self.point_to(manager.ref)
        self._watched = watched

    async def ask_async(self, message: Any) -> Any:
        """Pass it on."""
        between = self._watched.between
        if isinstance(message, RefreshCredential) and between is not None:
            self._watched.between = None
            await between()
        return await super().ask_async(message)


class Watched(WriteBack):
    """A way back that notes what was written, and can be held up."""

    def __init__(self, manager: ManagerRig) -> None:
        super().__init__(OvertakenAddress(manager, self), self._sealed)
        self.between: Callable[[], Coroutine[Any, Any, object]] | None = None  # done once, after a version was read
        self.written: list[tuple[str, ...]] = []
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.error: BaseException | None = None

    async def write(self, credential: Credential, *, put_version: int, at: float) -> Kept:
        """Note it."""
        await self.may_go.wait()
        if self.error is not None:
            raise self.error
        self.written.append(tuple(sorted(one.value.reveal() for one in credential.cookies)))
        return await super().write(credential, put_version=put_version, at=at)

    @staticmethod
    def _sealed(credential: Credential, version: int, at: float) -> SealedCredential:
        return VAULT.seal(credential, version=version, now=at)


class Context:
    """The cookies of a browser context, as a test sets them."""

    def __init__(self, manager: ManagerRig, clock: ManualClock, credential: Credential = FIRST) -> None:
        self.manager = manager
        self.cookies: tuple[Cookie, ...] = credential.cookies
        self.write_back = Watched(manager)
        self.tasks: list[asyncio.Task[None]] = []
        self._clock = clock
        sealed = VAULT.seal(credential, version=1, now=clock.now())
        manager.ask(PutCredential(sealed=sealed))
        self.freshness = Freshness(
            credential,
            sealed,
            read_cookies=self._read,
            write_back=self.write_back,
            spawn=self._spawn,
            clock=clock,
        )

    async def leaves(self, *cookies: Cookie, is_good: bool | None = True) -> int:
        """Have a page leave these cookies and be judged, None not at all; return the number of the state."""
        self.cookies = cookies
        number = await self.freshness.look()
        if is_good is not None:
            self.freshness.judge(number, is_good=is_good)
        return number

    async def settle(self) -> None:
        """Wait until all is written."""
        await asyncio.gather(*self.tasks)

    def stored(self) -> SealedCredential:
        """Return the row."""
        found: SealedCredential = self.manager.ask(GetCredential(auth_id="wiki"))
        return found

    def values(self) -> set[str]:
        """Return the values of the stored cookies."""
        return {one.value.reveal() for one in VAULT.open(self.stored()).cookies}

    async def _read(self) -> list[dict[str, Any]]:
        return [to_playwright(one, now=self._clock.now()) for one in self.cookies]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(work))


@pytest.fixture
def manager(store: Store) -> Iterator[ManagerRig]:
    """Give a manager."""
    with ManagerRig(store) as rig:
        yield rig


Play = Callable[[Context], Coroutine[Any, Any, None]]


def play(manager: ManagerRig, clock: ManualClock, script: Play, credential: Credential = FIRST) -> Context:
    """Have a context live through *script*, and return it when all is written."""

    async def run() -> Context:
        context = Context(manager, clock, credential)
        await context.freshness.begin()
        await script(context)
        await context.settle()
        return context

    return asyncio.run(run())


def test_state_that_came_with_content_is_the_next_version(manager: ManagerRig, clock: ManualClock) -> None:
    """Sealed, of the same put, and with the time at which it was seen."""
    clock.advance(5.0)

    async def script(context: Context) -> None:
        clock.advance(3.0)
        await context.leaves(cookie("second"))

    context = play(manager, clock, script)

    stored = context.stored()
    assert (stored.version, stored.session, stored.updated_at) == (2, 1, clock.now())
    assert context.values() == {"second"}


def test_state_that_did_not_change_is_not_written(manager: ManagerRig, clock: ManualClock) -> None:
    """Neither what was injected, nor what was written, nor an expiry that moves on by seconds."""
    start = cookie("first", expires=clock.now() // 60 * 60 + 600.0)

    async def script(context: Context) -> None:
        assert await context.leaves(start) == 0
        moved = msgspec.structs.replace(start, expires=(start.expires or 0.0) + 30.0)
        assert await context.leaves(moved) == 0
        assert await context.leaves(cookie("second")) == 1
        assert await context.leaves(cookie("second")) == 0

    context = play(manager, clock, script, msgspec.structs.replace(FIRST, cookies=(start,)))

    assert context.write_back.written == [("second",)]


def test_state_of_a_login_page_is_never_written(manager: ManagerRig, clock: ManualClock) -> None:
    """Not then, and not when another page, which is public, leaves the same cookies."""

    async def script(context: Context) -> None:
        anonymous = cookie("anonymous"), cookie("en", "language")
        assert await context.leaves(*anonymous, is_good=False) == 1
        assert await context.leaves(*anonymous) == 0
        context.freshness.judge(1, is_good=True)
        await context.freshness.finish()

    assert play(manager, clock, script).write_back.written == []


def test_state_without_a_usable_cookie_is_never_written(manager: ManagerRig, clock: ManualClock) -> None:
    """A site that logs out may show content all the same."""

    async def script(context: Context) -> None:
        assert await context.leaves() == 0
        assert await context.leaves(cookie("elsewhere", domain="other.example")) == 0

    assert play(manager, clock, script).values() == {"first"}


def test_changes_during_a_write_are_written_by_one_more(manager: ManagerRig, clock: ManualClock) -> None:
    """However many pages leave cookies meanwhile, and the last of them stays."""

    async def script(context: Context) -> None:
        context.write_back.may_go.clear()
        for number in range(2, 12):
            assert await context.leaves(cookie(f"token {number}"))
            await asyncio.sleep(0)  # lets the writer begin; nothing is waited for
        context.write_back.may_go.set()

    context = play(manager, clock, script)

    assert context.write_back.written == [("token 2",), ("token 11",)]
    assert context.values() == {"token 11"}
    assert len(context.tasks) == 1


def test_verdict_on_an_older_state_does_not_bring_it_back(manager: ManagerRig, clock: ManualClock) -> None:
    """Pages are judged in any order, and a newer state is there."""

    async def script(context: Context) -> None:
        older = await context.leaves(cookie("second"), is_good=None)
        newer = await context.leaves(cookie("third"), is_good=None)
        context.freshness.judge(newer, is_good=True)
        await context.settle()
        context.freshness.judge(older, is_good=True)

    assert play(manager, clock, script).write_back.written == [("third",)]


def test_pages_that_leave_one_state_are_one(manager: ManagerRig, clock: ManualClock) -> None:
    """The verdict of any of them will do."""

    async def script(context: Context) -> None:
        numbers = [await context.leaves(cookie("second"), is_good=None) for _ in range(3)]
        assert numbers == [1, 1, 1]
        context.freshness.judge(1, is_good=True)
        context.freshness.judge(1, is_good=True)

    assert play(manager, clock, script).write_back.written == [("second",)]


def test_cookies_of_other_sites_are_left_out_and_partitioned_ones_kept(manager: ManagerRig, clock: ManualClock) -> None:
    """What a page loads from elsewhere leaves nothing; what was never sent is there as it was put."""
    unsent = cookie("partitioned", "part", partition_key="https://top.example")

    async def script(context: Context) -> None:
        await context.leaves(cookie("second"), cookie("tracker", "id", "ads.example"))

    credential = msgspec.structs.replace(FIRST, cookies=(*FIRST.cookies, unsent))

    assert play(manager, clock, script, credential).values() == {"second", "partitioned"}


def test_last_state_is_written_at_the_end_if_no_cookie_is_missing(manager: ManagerRig, clock: ManualClock) -> None:
    """A page that was under way may have been given a new token."""

    async def script(context: Context) -> None:
        context.cookies = (cookie("second"),)
        await context.freshness.finish()

    assert play(manager, clock, script).write_back.written == [("second",)]


def test_state_at_the_end_that_lost_a_cookie_is_not_written(manager: ManagerRig, clock: ManualClock) -> None:
    """That may be a logout, and nobody has judged the page."""

    async def script(context: Context) -> None:
        context.cookies = (cookie("anonymous", "visitor"),)
        await context.freshness.finish()

    assert play(manager, clock, script).write_back.written == []


def test_write_that_fails_is_made_up_for_by_the_next(manager: ManagerRig, clock: ManualClock) -> None:
    """Nothing of the page is harmed by it."""

    async def script(context: Context) -> None:
        context.write_back.error = EngineStoppedError()
        await context.leaves(cookie("second"))
        await context.settle()
        context.write_back.error = None
        await context.leaves(cookie("third"))

    assert play(manager, clock, script).write_back.written == [("third",)]


def test_write_that_failed_is_done_at_the_end(manager: ManagerRig, clock: ManualClock) -> None:
    """No page need come for it."""

    async def script(context: Context) -> None:
        context.write_back.error = EngineStoppedError()
        await context.leaves(cookie("second"))
        await context.settle()
        context.write_back.error = None
        await context.freshness.finish()

    assert play(manager, clock, script).write_back.written == [("second",)]


def test_write_that_another_overtakes_is_sealed_anew(manager: ManagerRig, clock: ManualClock) -> None:
    """Two contexts of one session may write at once: the later state stays, at the version after the other."""

    async def script(context: Context) -> None:
        other = Watched(manager)
        context.write_back.between = lambda: other.write(
            msgspec.structs.replace(FIRST, cookies=(cookie("other"),)), put_version=1, at=clock.now()
        )
        clock.advance(1.0)
        await context.leaves(cookie("second"))

    context = play(manager, clock, script)

    assert (context.values(), context.stored().version) == ({"second"}, 3)


def test_session_that_was_put_meanwhile_is_not_overwritten(manager: ManagerRig, clock: ManualClock) -> None:
    """The context goes on, and what it becomes is nobody's."""
    by_hand = msgspec.structs.replace(FIRST, cookies=(cookie("by hand"),))

    async def script(context: Context) -> None:
        manager.ask(PutCredential(sealed=VAULT.seal(by_hand, version=2, now=clock.now())))
        await context.leaves(cookie("second"))

    context = play(manager, clock, script)

    assert (context.values(), context.stored().version) == ({"by hand"}, 2)


def test_clock_that_is_set_back_loses_no_state(manager: ManagerRig, clock: ManualClock) -> None:
    """Of one context the order is known without it."""

    async def script(context: Context) -> None:
        await context.leaves(cookie("second"))
        await context.settle()
        clock.jump(clock.now() - 3600.0)
        await context.leaves(cookie("third"))

    assert play(manager, clock, script).values() == {"third"}


def test_states_that_nobody_judges_are_forgotten(manager: ManagerRig, clock: ManualClock) -> None:
    """The memory of a context is bounded; the newest are kept."""

    async def script(context: Context) -> None:
        numbers = [await context.leaves(cookie(f"token {n}"), is_good=None) for n in range(MAX_STATES + 2)]
        context.freshness.judge(numbers[0], is_good=True)
        context.freshness.judge(numbers[-1], is_good=True)

    assert play(manager, clock, script).write_back.written == [(f"token {MAX_STATES + 1}",)]
