"""Owns one browser context: the session of one credential, one egress policy, and a small pool of reused tabs.

Popups are closed as they appear: a spinning one freezes the page that opened it, and one that stayed open would keep
its share of memory and network.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Coroutine
from typing import Any

import msgspec
from playwright.async_api import BrowserContext, Error, Page

from ..engine.credentials import Credential
from ..engine.pages import CookieReport, PageSnapshot
from ..engine.session_checks import SessionCheck
from .browser_cookies import NarrowedCookies
from .browser_failures import kind_of, page_error
from .browser_freshness import Freshness
from .browser_launch import quietly
from .browser_outfit import Outfit
from .browser_tab import Tab, WhyRefused, host_of


class SessionContext:
    """A context in which pages are read under one session; *credential* and *report* are None when anonymous."""

    def __init__(
        self,
        context: BrowserContext,
        *,
        credential: Credential | None,
        report: CookieReport | None,
        outfit: Outfit,
        tabs: int,
        why_refused: WhyRefused,
    ) -> None:
        self.credential = credential
        self.readers = 0  # pages that are being read or wait for a tab
        self.is_broken = False  # a tab of it does not even close
        self.freshness: Freshness | None = None  # of a session that is written back
        self._context = context
        self._narrowed = None if credential is None else NarrowedCookies(credential)
        self._report = report
        self._outfit = outfit
        self._why_refused = why_refused
        self._limit = tabs
        self._slots = asyncio.Semaphore(tabs)
        self._idle: list[Tab] = []
        self._busy = 0
        self._opening = 0
        self._own: weakref.WeakSet[Page] = weakref.WeakSet()
        self._unknown: set[Page] = set()  # appeared while a tab was being opened
        self._tidying: set[asyncio.Task[None]] = set()
        context.on("page", self._meet)

    async def read(self, url: str, timeout_s: float, check: SessionCheck | None = None) -> PageSnapshot:
        """Read *url* in a tab of the pool; raises ``PageError``, at the latest when *timeout_s* has passed.

        The answer does not wait until a tab that hangs has been replaced; the slot in the pool does.
        """
        self.readers += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._slots.acquire()
                return await self._read_in_slot(url, timeout_s, check)
        except TimeoutError:
            raise page_error("timeout", url) from None
        finally:
            self.readers -= 1

    async def read_cookies(self) -> list[Any]:  # Any: Playwright's own type
        """Return all cookies of the context, as the browser spells them."""
        return list(await self._context.cookies())

    async def close(self) -> bool:
        """Close all tabs and the context; return whether it closed in time."""
        for task in self._tidying:
            task.cancel()
        is_closed = await quietly(self._context.close())
        await self._outfit.end()
        return is_closed

    async def _read_in_slot(self, url: str, timeout_s: float, check: SessionCheck | None) -> PageSnapshot:
        self._busy += 1
        tab: Tab | None = None
        try:
            tab = await self._take(host_of(url))
            snapshot = await tab.read(url, timeout_s=timeout_s, why_refused=self._why_refused, check=check)
            if self._narrowed is not None:
                await self._narrowed.tidy(self._context)
        except Error as error:  # no tab could be opened
            raise page_error(kind_of(error.message), url) from None
        finally:
            self._busy -= 1
            self._give_back(tab)
        return msgspec.structs.replace(snapshot, cookies=self._report)

    async def _take(self, host: str) -> Tab:
        for tab in list(self._idle):
            if tab.is_spent:  # its page opened a window since it was read
                self._idle.remove(tab)
                self._spawn(self._discard(tab))
            elif tab.host == host:
                self._idle.remove(tab)
                return tab
        if len(self._idle) + self._busy > self._limit:
            self._spawn(self._discard(self._idle.pop(0)))
        page = await self._new_page()
        try:
            tab = await Tab.attach(page, host)
            await self._outfit.fit(page, tab.session)
        except BaseException:
            self._spawn(self._close_page(page))
            raise
        return tab

    def _give_back(self, tab: Tab | None) -> None:
        if tab is not None and tab.is_spent:
            self._spawn(self._discard(tab)).add_done_callback(lambda _: self._slots.release())
            return
        if tab is not None:
            self._idle.append(tab)
        self._slots.release()

    async def _discard(self, tab: Tab) -> None:
        try:
            await tab.discard()
        except TimeoutError:
            self.is_broken = True

    async def _new_page(self) -> Page:
        self._opening += 1
        try:
            page = await self._context.new_page()
            self._own.add(page)
            return page
        finally:
            self._opening -= 1
            if not self._opening:
                for page in self._unknown - set(self._own):
                    self._spawn(self._close_page(page))
                self._unknown.clear()

    def _meet(self, page: Page) -> None:
        if self._opening:  # it may be the pool's own
            self._unknown.add(page)
        elif page not in self._own:
            self._spawn(self._close_page(page))

    async def _close_page(self, page: Page) -> None:
        await quietly(page.close())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)
        return task
