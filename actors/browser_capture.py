"""Owns the visible browser in which a person logs in, and the moment at which the session is taken.

It is the person's browser, not the crawl's: it dials directly, as their own does, loads images and fonts, and lets
popups, dialogs and the machine's own proxy settings be. Its profile is fresh and gone when it closes.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Error, Page

from ..engine.errors import BrowserError, LoginFailedError
from ..engine.records import Record
from ..engine.sessions import Session
from .browser_failures import is_fetchable, net_error, place
from .browser_launch import LAUNCH_TIMEOUT_S, quietly, start_driver
from .browser_session import read_session

FLAGS = ("--disable-dev-shm-usage", "--disable-component-update", "--disable-sync", "--no-first-run")
NOTHING_STORED = "nothing was stored"


class Capture(Record, frozen=True, kw_only=True):
    """What a person is shown, and when they are taken to be logged in; without a condition when they say so."""

    url: str  # where the window opens
    until: str | None = None  # the selector of what only a session shows, on whichever page
    until_url: str | None = None  # a regular expression that the URL of a page matches once it has loaded
    timeout_s: float = 900.0

    @property
    def has_condition(self) -> bool:
        """Whether it ends by itself."""
        return self.until is not None or self.until_url is not None


async def capture(executable: Path, order: Capture, said_so: asyncio.Event) -> Session:
    """Open a window, wait until the person has logged in, and return all that the browser holds then.

    That is when *said_so* is set, when the condition holds, or, without a condition, when the last window is closed.
    Raises ``LoginFailedError`` when it comes to none of them, and ``BrowserError`` when there is no window.
    """
    if not is_fetchable(order.url):
        raise LoginFailedError(f"asked to open {place(order.url)}, expected a URL with http or https and a host")
    async with visible(executable) as browser:
        try:
            context = await browser.new_context(no_viewport=True, accept_downloads=False)
            async with asyncio.timeout(order.timeout_s):
                return await Attendance(browser, context, order, said_so).wait()
        except TimeoutError:
            raise LoginFailedError(
                f"asked for a login within {order.timeout_s:g} s, found none; {NOTHING_STORED}"
            ) from None


class Attendance:
    """Waits beside the person: watches every page that there is, popups too."""

    def __init__(self, browser: Browser, context: BrowserContext, order: Capture, said_so: asyncio.Event) -> None:
        self._context = context
        self._order = order
        self._said_so = said_so
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # when the login is done
        self._tasks: set[asyncio.Task[None]] = set()
        context.on("page", self._meet)
        context.on("dialog", lambda _: None)  # it stays open for the person; Playwright would dismiss it
        browser.on("disconnected", lambda _: self._fail("the browser was ended before the login was done"))

    async def wait(self) -> Session:
        """Wait until the login is done and return the session."""
        self._watch(self._listen())
        try:
            await self._open(await self._context.new_page())
            await self._over
            return await read_session(self._context, self._context.pages)
        except Error as error:
            raise LoginFailedError(f"the browser was ended before the login was done; {NOTHING_STORED}") from error
        finally:
            self._over.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open(self, page: Page) -> None:
        until, url = self._order.until, self._order.url
        if until is not None:
            try:
                await page.query_selector(until)
            except Error:
                raise LoginFailedError(f"asked to wait for {until!r}, which is no selector; {NOTHING_STORED}") from None
        try:
            await page.goto(url, wait_until="commit", timeout=0)
        except Error as error:
            if not page.is_closed():  # what the person does in the window meanwhile is no fault
                self._fail(f"asked to open {place(url)}, found {net_error(str(error)) or 'no page'}")

    async def _listen(self) -> None:
        await self._said_so.wait()
        self._end()

    def _meet(self, page: Page) -> None:
        page.on("close", self._leave)
        if self._order.until is not None:
            self._watch(self._see(page, self._order.until))
        if self._order.until_url is not None:
            self._watch(self._arrive(page, re.compile(self._order.until_url)))

    def _leave(self, _page: Page) -> None:
        if self._context.pages:
            return
        if self._order.has_condition:
            self._fail("the window was closed before the login was done")
        self._end()

    async def _see(self, page: Page, selector: str) -> None:
        with suppress(Error):  # the page was closed
            await page.wait_for_selector(selector, timeout=0)
            self._end()

    async def _arrive(self, page: Page, pattern: re.Pattern[str]) -> None:
        with suppress(Error):  # the page was closed
            await page.wait_for_url(pattern, timeout=0)
            self._end()

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _fail(self, message: str) -> None:
        if not self._over.done():
            self._over.set_exception(LoginFailedError(f"{message}; {NOTHING_STORED}"))

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def visible(executable: Path) -> AsyncIterator[Browser]:
    """Give a browser with a window; it has ended, and its driver, when the block has."""
    driver = await start_driver()
    try:
        try:
            async with asyncio.timeout(LAUNCH_TIMEOUT_S):
                browser = await driver.chromium.launch(
                    executable_path=executable,
                    headless=False,
                    args=FLAGS,
                    chromium_sandbox=os.geteuid() != 0,
                    handle_sigint=False,
                )
        except (Error, TimeoutError) as error:
            raise BrowserError(
                f"asked to open a window with {executable}, found that it does not start; check that other programs"
                " can open one here, and `bequest doctor`"
            ) from error
        try:
            yield browser
        finally:
            await quietly(browser.close())
    finally:
        await quietly(driver.stop())
