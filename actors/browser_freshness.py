"""Owns the freshness of one context's session: what its cookies have become, and that this is written back.

A state of the cookies is kept only once a page that left it was judged to be content: what came with a login page may
be a logout. One write is under way at a time, and what changes meanwhile is written by the next, so that it is once per
context and not per page.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from playwright.async_api import Error

from ..engine.clock import Clock
from ..engine.cookies import Cookie, admit, from_playwright, narrow
from ..engine.credentials import Credential
from ..engine.errors import BequestError
from ..engine.records import Kept, SealedCredential
from .write_back import WriteBack

logger = logging.getLogger(__name__)

MAX_STATES = 64  # that wait for their verdict, or were found to be bad
LOOK_TIMEOUT_S = 5.0
WRITE_TIMEOUT_S = 20.0
EXPIRY_GRAIN_S = 60.0  # an expiry that moves on with every page is no change of its own within it

ReadCookies = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]  # Any: Playwright's own type
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class State(NamedTuple):
    """The cookies of the credential's sites at some time."""

    number: int
    digest: bytes
    cookies: tuple[Cookie, ...]
    at: float


class Freshness:
    """Follows the cookies of one context, from those that were injected; used on the browser's loop."""

    def __init__(
        self,
        credential: Credential,
        sealed: SealedCredential,
        *,
        read_cookies: ReadCookies,
        write_back: WriteBack,
        spawn: Spawn,
        clock: Clock,
    ) -> None:
        self._credential = credential
        self._put_version = sealed.session
        self._at = sealed.updated_at  # of the newest state: time goes on here, also when the clock is set back
        self._read_cookies = read_cookies
        self._write_back = write_back
        self._spawn = spawn
        self._clock = clock
        self._kept = State(0, b"", (), self._at)
        self._last = 0
        self._waiting: dict[bytes, State] = {}  # without a verdict, by digest
        self._bad: dict[bytes, None] = {}  # in the order that they were found so
        self._unwritten: State | None = None
        self._writing: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        """Take the cookies that are there for those that are stored."""
        state = await self._read()
        if state is not None:
            self._kept = state

    async def look(self) -> int:
        """Return the number of the state that the cookies are in, 0 for one that is kept or is not to be kept."""
        state = await self._read()
        if state is None or state.digest == self._kept.digest or state.digest in self._bad or not self._works(state):
            return 0
        known = self._waiting.setdefault(state.digest, state)
        if known is state:
            self._last, self._at = state.number, state.at
            forget_oldest(self._waiting)
        return known.number

    def judge(self, number: int, *, is_good: bool) -> None:
        """Keep the state if it came with content, and never else."""
        state = next((state for state in self._waiting.values() if state.number == number), None)
        if state is None:
            return
        if not is_good:
            del self._waiting[state.digest]
            self._bad[state.digest] = None
            forget_oldest(self._bad)
            return
        self._waiting = {digest: later for digest, later in self._waiting.items() if later.number > number}
        self._kept = self._unwritten = state
        self._go_on_writing()

    async def finish(self) -> None:
        """Write what is not written, also the last state without a verdict if no cookie is missing from it."""
        await self.look()
        last = max(self._waiting.values(), key=lambda state: state.number, default=None)
        if last is not None and {map_key(one) for one in self._kept.cookies} <= {map_key(one) for one in last.cookies}:
            self.judge(last.number, is_good=True)
        if self._unwritten is not None:
            self._go_on_writing()
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=WRITE_TIMEOUT_S)

    async def _read(self) -> State | None:
        with suppress(Error, TimeoutError):  # the browser may be gone
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                found = [from_playwright(spelled) for spelled in await self._read_cookies()]
                own = tuple(cookie for cookie in found if narrow(cookie, self._credential.sites))
                return State(self._last + 1, digest_of(own), own, max(self._at, self._clock.now()))
        return None

    def _works(self, state: State) -> bool:
        """Whether there is a cookie in it that can be used, as there was when it began."""
        return bool(admit(state.cookies, sites=self._credential.sites, now=state.at).kept) or not self._kept.cookies

    def _go_on_writing(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_future()
            self._spawn(self._write(self._writing))

    async def _write(self, done: asyncio.Future[None]) -> None:
        try:
            while (state := self._unwritten) is not None:
                self._unwritten = None
                if not await self._write_one(state):
                    self._put_off(state)
                    break
        finally:
            if not done.done():
                done.set_result(None)

    def _put_off(self, state: State) -> None:
        """Leave it to the next that is written, or to the end, unless a newer one came meanwhile."""
        if self._unwritten is None:
            self._unwritten = state

    async def _write_one(self, state: State) -> bool:
        """Return whether nothing is left to do about it."""
        unsent = tuple(cookie for cookie in self._credential.cookies if cookie.partition_key is not None)
        credential = msgspec.structs.replace(self._credential, cookies=(*state.cookies, *unsent))
        about = {"auth_id": credential.auth_id, "cookies": len(state.cookies)}
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                kept = await self._write_back.write(credential, put_version=self._put_version, at=state.at)
        except (BequestError, TimeoutError) as error:
            logger.warning("refreshed session not written", extra={**about, "error": type(error).__name__})
            return False
        logger.debug("refreshed session", extra={**about, "kept": kept.name})
        return kept is not Kept.OUT_OF_STEP


def digest_of(cookies: Sequence[Cookie]) -> bytes:
    """Return a digest of all that a server or a browser makes of them, so that no value is held for the comparison."""
    hashed = hashlib.blake2b(digest_size=16)
    for one in sorted(cookies, key=map_key):
        expires = None if one.expires is None else one.expires // EXPIRY_GRAIN_S
        flags = (one.secure, one.http_only, one.same_site, expires)
        hashed.update(repr((map_key(one), one.value.reveal(), flags)).encode("utf-8", "surrogatepass"))
    return hashed.digest()


def map_key(cookie: Cookie) -> tuple[str, str, bool, str, str]:
    """Return what a browser keeps a cookie under."""
    return cookie.name, cookie.domain, cookie.host_only, cookie.path, cookie.partition_key or ""


def forget_oldest(states: dict[bytes, Any]) -> None:  # Any: what is kept of a state
    """Bound the memory of a context that nobody judges."""
    while len(states) > MAX_STATES:
        del states[next(iter(states))]
