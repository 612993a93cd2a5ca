"""Owns the running browser on its loop: the guard, one Chromium, and one context per credential and egress policy.

The browser is started by the first message and again after it died; a start that fails is the answer of whoever
asked. All of it runs on one asyncio loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec
from playwright.async_api import BrowserContext, Error

from ..engine.clock import Clock
from ..engine.cookies import from_playwright
from ..engine.credentials import Credential
from ..engine.errors import BrowserError, BrowserNotFoundError, CredentialNeededError, PageError
from ..engine.pages import PageRequest, PageSnapshot
from ..engine.records import SealedCredential
from ..engine.sessions import Session
from .browser_context import SessionContext
from .browser_cookies import inject
from .browser_failures import is_fetchable, kind_of, page_error
from .browser_freshness import Freshness
from .browser_install import find_chromium
from .browser_launch import Chromium, quietly
from .browser_login import log_in
from .browser_messages import Login
from .browser_outfit import Outfit
from .browser_tab import WhyRefused, host_of
from .fresh_codes import FreshCodes
from .guard import Guard, LookUp
from .session_messages import JudgeSession
from .write_back import Seals

MAX_CONTEXTS = 8  # idle ones beyond it are closed, the longest unused first
STOP_SLACK_S = 2.0  # for a stop to come, when a signal to the whole process group may have ended the browser first
FINISH_TIMEOUT_S = 5.0  # for what is fresh to be written when the browser is closed
PROMPT_TIMEOUT_S = 15.0  # for a new context, for the cookies of one, for each storage

T = TypeVar("T")


class ContextKey(NamedTuple):
    """What pages share a context."""

    auth_id: str | None  # None is anonymous
    session: int  # the version that was put: what refreshes it was read in the context itself
    allow_private: bool


class BrowserService:
    """Reads pages and logs in; *executable* None means to look for a Chromium."""

    def __init__(self, seals: Seals, clock: Clock, look_up: LookUp, *, executable: Path | None, tabs: int) -> None:
        self._seals = seals
        self._clock = clock
        self._codes = FreshCodes(clock)
        self._executable = executable
        self._tabs = tabs
        self._guard = Guard(look_up)
        self._chromium: Chromium | None = None
        self._launching: asyncio.Task[Chromium] | None = None
        self._contexts: OrderedDict[ContextKey, SessionContext] = OrderedDict()
        self._opening = asyncio.Lock()  # of contexts, so that one key gets one
        self._closing: set[asyncio.Task[object]] = set()

    async def read(self, request: PageRequest) -> PageSnapshot:
        """Return what the browser finds at the request's URL.

        The credential is used only where it covers the URL's host; elsewhere the page is read anonymously, and the
        snapshot's ``cookies`` is None. Raises ``PageError``, ``BrowserNotFoundError``, the errors of the vault, and
        ``CredentialNeededError`` for a credential that covers the host and has secrets but no session yet.
        """
        if not is_fetchable(request.url):
            raise page_error("scheme", request.url)
        try:
            return await self._read(request)
        except PageError as error:
            if error.reason == "crashed" and self._chromium is not None:
                await self._chromium.check()
                await asyncio.sleep(STOP_SLACK_S)  # a stop cancels this, and then the page is not to blame
            raise

    async def log_in(self, message: Login) -> Session:
        """Take the steps in a context of their own and return all that it holds then; raises ``LoginFailedError``."""
        try:
            context = await self._fresh_context(allow_private=message.allow_private)
            try:
                why_refused = self._why_refused(allow_private=message.allow_private)
                return await log_in(context, message, self._codes, why_refused=why_refused)
            finally:
                await quietly(context.close())
        except Error as error:
            if self._chromium is not None:
                await self._chromium.check()
            raise BrowserError(f"asked for a login, found: the browser failed ({kind_of(error.message)})") from None

    def judge(self, message: JudgeSession) -> None:
        """Take the verdict on a state of a session's cookies; of a context that is closed it is too late."""
        key = ContextKey(message.auth_id, message.session, message.allow_private)
        context = self._contexts.get(key)
        if context is not None and context.freshness is not None:
            context.freshness.judge(message.state, is_good=message.is_good)

    async def close(self) -> None:
        """Write back what is fresh, and close every context, the browser and the guard, within some twenty seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_TIMEOUT_S):
                await asyncio.gather(*(one.freshness.finish() for one in self._contexts.values() if one.freshness))
        self._contexts.clear()
        if self._launching is not None:
            self._launching.cancel()
            await asyncio.gather(self._launching, return_exceptions=True)
        if self._chromium is not None:
            await self._chromium.close()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._guard.stop()

    async def _read(self, request: PageRequest) -> PageSnapshot:
        try:
            if request.is_trial:
                return await self._read_alone(request)
            context = await self._context_for(request)
            snapshot = await context.read(request.url, request.timeout_s, request.session_check)
            if context.freshness is None:
                return snapshot
            return msgspec.structs.replace(snapshot, session_state=await context.freshness.look())
        except Error as error:
            raise page_error(kind_of(error.message), request.url) from None

    async def _context_for(self, request: PageRequest) -> SessionContext:
        async with self._opening:
            await self._running()
            key, credential = self._session_of(request)
            context = self._contexts.get(key)
            if context is None or context.is_broken:
                self._retire(key)
                context = await self._open(key, credential)
                await self._keep_fresh(context, key, request.credential)
            self._contexts[key] = context
            self._contexts.move_to_end(key)
            self._retire_idle()
            return context

    def _session_of(self, request: PageRequest) -> tuple[ContextKey, Credential | None]:
        sealed = request.credential
        if sealed is not None:
            key = ContextKey(sealed.auth_id, sealed.session, request.allow_private)
            known = None if request.is_trial else self._contexts.get(key)
            is_open = known is not None and not known.is_broken  # with what the site has made of it since
            credential = known.credential if known is not None and is_open else self._seals.open(sealed)
            if credential is not None and credential.covers(host_of(request.url)):
                if not is_open:
                    check_has_session(credential, self._clock.now())
                return key, credential
        return ContextKey(None, 0, request.allow_private), None

    async def _read_alone(self, request: PageRequest) -> PageSnapshot:
        key, credential = self._session_of(request)
        context = await self._open(key, credential)
        try:
            snapshot = await context.read(request.url, request.timeout_s, request.session_check)
            left = await self._promptly(context.read_cookies())
            return msgspec.structs.replace(snapshot, left=tuple(map(from_playwright, left)))
        finally:
            self._spawn(self._close_or_kill(context))

    async def _keep_fresh(self, context: SessionContext, key: ContextKey, sealed: SealedCredential | None) -> None:
        write_back = self._seals.write_back
        if write_back is None or context.credential is None or sealed is None:
            return
        context.freshness = Freshness(
            context.credential,
            sealed,
            read_cookies=context.read_cookies,
            write_back=write_back,
            spawn=self._spawn,
            clock=self._clock,
        )
        await context.freshness.begin()
        for older in [one for one in self._contexts if is_outdated(one, key) and not self._contexts[one].readers]:
            self._retire(older)

    async def _open(self, key: ContextKey, credential: Credential | None) -> SessionContext:
        chromium = await self._running()
        user_agent = credential.user_agent if credential is not None else None
        context = await self._promptly(chromium.new_context(allow_private=key.allow_private, user_agent=user_agent))
        report, outfit = None, Outfit(chromium.headers)
        try:
            if credential is not None:
                now = self._clock.now()
                parts = 1 + len(credential.storages)
                report = await self._promptly(inject(context, credential, now), parts=parts)
                usable = credential.examined(now)
                outfit = Outfit(chromium.headers, usable.headers, usable.storages, sites=credential.sites)
        except BaseException:
            self._spawn(quietly(context.close()))
            raise

        return SessionContext(
            context,
            credential=credential,
            report=report,
            outfit=outfit,
            tabs=self._tabs,
            why_refused=self._why_refused(allow_private=key.allow_private),
        )

    def _why_refused(self, *, allow_private: bool) -> WhyRefused:
        return lambda url: self._guard.why_refused(*host_and_port(url), allow_private=allow_private)

    async def _fresh_context(self, *, allow_private: bool) -> BrowserContext:
        chromium = await self._running()
        return await self._promptly(chromium.new_context(allow_private=allow_private))

    async def _promptly(self, work: Awaitable[T], *, parts: int = 1) -> T:
        """Wait for what a browser in order does at once; one that does not is of no use and is killed."""
        chromium = self._chromium
        try:
            async with asyncio.timeout(parts * PROMPT_TIMEOUT_S):
                return await work
        except TimeoutError:
            if chromium is not None:
                chromium.kill()
            raise Error("the browser crashed") from None

    async def _running(self) -> Chromium:
        if self._chromium is not None and self._chromium.is_alive:
            return self._chromium
        if self._launching is None:
            self._launching = asyncio.create_task(self._launch())
        return await asyncio.shield(self._launching)

    async def _launch(self) -> Chromium:
        try:
            self._contexts.clear()
            if self._chromium is not None:
                await self._chromium.close()
            if not self._guard.strict_port:
                await self._guard.start()
            executable = self._executable or find_chromium()
            if executable is None:
                raise BrowserNotFoundError
            self._chromium = await Chromium.launch(executable, self._guard)
            return self._chromium
        finally:
            self._launching = None

    def _retire_idle(self) -> None:
        others = list(self._contexts)[:-1]  # the last is to be read in now
        idle = [key for key in others if not self._contexts[key].readers]
        for key in idle[: max(0, len(self._contexts) - MAX_CONTEXTS)]:
            self._retire(key)

    def _retire(self, key: ContextKey) -> None:
        context = self._contexts.pop(key, None)
        if context is not None:
            self._spawn(self._finish(context))

    async def _finish(self, context: SessionContext) -> None:
        if context.freshness is not None:
            await context.freshness.finish()
        await self._close_or_kill(context)

    async def _close_or_kill(self, context: SessionContext) -> None:
        chromium = self._chromium
        if not await context.close() and chromium is not None:
            chromium.kill()  # pages that cannot be closed would spin on

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def host_and_port(url: str) -> tuple[str, int]:
    """Return the host and the port that *url* is dialled at."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def is_outdated(key: ContextKey, newer: ContextKey) -> bool:
    """Return whether *newer* is a session that was put in the place of that of *key*."""
    return key.auth_id == newer.auth_id and key.session < newer.session


def check_has_session(credential: Credential, now: float) -> None:
    """Raise ``CredentialNeededError`` for one that could log in and has not."""
    if not credential.secrets:
        return
    usable = credential.admitted(now)
    if not (usable.cookies or usable.headers or usable.storages):
        raise CredentialNeededError(f"credential {credential.auth_id!r} has secrets and no session yet")
