"""Owns the running browser on its loop: the guard, one Chromium, and one context per credential and egress policy.

The browser is started by the first message and again after it died; a start that fails is the answer of whoever
asked. All of it runs on one asyncio loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Error

from ..engine.clock import Clock
from ..engine.credentials import Credential
from ..engine.errors import BrowserError, BrowserNotFoundError, PageError
from ..engine.pages import PageRequest, PageSnapshot
from ..engine.records import SealedCredential
from ..engine.sessions import Session
from .browser_context import SessionContext
from .browser_cookies import inject
from .browser_failures import is_fetchable, kind_of, page_error
from .browser_install import find_chromium
from .browser_launch import Chromium, quietly
from .browser_login import log_in
from .browser_messages import Login
from .browser_outfit import Outfit
from .browser_tab import host_of
from .guard import Guard, LookUp

MAX_CONTEXTS = 8  # idle ones beyond it are closed, the longest unused first
STOP_SLACK_S = 2.0  # for a stop to come, when a signal to the whole process group may have ended the browser first
PROMPT_TIMEOUT_S = 15.0  # for a new context, for the cookies of one, for each storage

T = TypeVar("T")
OpenSeal = Callable[[SealedCredential], Credential]


class ContextKey(NamedTuple):
    """What pages share a context."""

    auth_id: str | None  # None is anonymous
    version: int
    allow_private: bool


class BrowserService:
    """Reads pages and logs in; *executable* None means to look for a Chromium."""

    def __init__(
        self, open_seal: OpenSeal, clock: Clock, look_up: LookUp, *, executable: Path | None, tabs: int
    ) -> None:
        self._open_seal = open_seal
        self._clock = clock
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
        snapshot's ``cookies`` is None. Raises ``PageError``, ``BrowserNotFoundError`` and the errors of the vault.
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
                return await log_in(context, message, self._clock)
            finally:
                await quietly(context.close())
        except Error as error:
            if self._chromium is not None:
                await self._chromium.check()
            raise BrowserError(f"asked for a login, found: the browser failed ({kind_of(error.message)})") from None

    async def close(self) -> None:
        """Close every context, the browser and the guard, within some twenty seconds."""
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
            context = await self._context_for(request)
            return await context.read(request.url, request.timeout_s)
        except Error as error:
            raise page_error(kind_of(error.message), request.url) from None

    async def _context_for(self, request: PageRequest) -> SessionContext:
        async with self._opening:
            await self._running()
            key, credential = self._session_of(request)
            context = self._contexts.get(key)
            if context is None or context.is_broken:
                context = await self._open(key, credential)
            self._contexts[key] = context
            self._contexts.move_to_end(key)
            self._retire_idle()
            return context

    def _session_of(self, request: PageRequest) -> tuple[ContextKey, Credential | None]:
        sealed = request.credential
        if sealed is not None:
            key = ContextKey(sealed.auth_id, sealed.version, request.allow_private)
            known = self._contexts.get(key)
            credential = known.credential if known is not None else self._open_seal(sealed)
            if credential is not None and credential.covers(host_of(request.url)):
                return key, credential
        return ContextKey(None, 0, request.allow_private), None

    async def _open(self, key: ContextKey, credential: Credential | None) -> SessionContext:
        self._retire(key)
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
                outfit = Outfit(chromium.headers, usable.headers, usable.storages)
        except BaseException:
            self._spawn(quietly(context.close()))
            raise

        def why_refused(url: str) -> str | None:
            return self._guard.why_refused(*host_and_port(url), allow_private=key.allow_private)

        return SessionContext(
            context, credential=credential, report=report, outfit=outfit, tabs=self._tabs, why_refused=why_refused
        )

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
        idle = [key for key, context in self._contexts.items() if not context.readers]
        for key in idle[: max(0, len(self._contexts) - MAX_CONTEXTS)]:
            self._retire(key)

    def _retire(self, key: ContextKey) -> None:
        context = self._contexts.pop(key, None)
        if context is not None:
            self._spawn(self._close_or_kill(context))

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
