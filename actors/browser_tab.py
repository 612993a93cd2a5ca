"""Owns one tab of the browser: it is led from URL to URL, and each is read with one navigation and one script.

What a tab keeps between URLs (``window.name``, ``sessionStorage``) stays on one host: a tab that has been on another
host, has failed, has opened a window or has done its share of navigations is spent and is closed instead of used again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urldefrag, urlsplit

import msgspec
from playwright.async_api import CDPSession, Error, Page, Request, Response
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from ..engine.errors import PageError
from ..engine.login_pages import LOGIN_FACTS_JS
from ..engine.pages import LoginFormFacts, PageSnapshot
from ..engine.records import Record
from ..engine.session_checks import SESSION_SIGNS_JS, SessionCheck
from .browser_events import TabEvents
from .browser_failures import EMPTY_BODY, THROUGH_GUARD, bad_selector, kind_of, net_error, page_error
from .browser_leaving import LeavingWatch
from .browser_loading import LoadWatch
from .browser_size import SizeWatch

MAX_NAVIGATIONS = 50  # of one tab, then its renderer has grown
MAX_HTML_CHARACTERS = 20_000_000
LOAD_GRACE_S = 3.0  # for what is still loading when the document is complete
STOP_GRACE_S = 1.0  # for the news that a document is parsed, which come apart from that of its end
CRASH_TIMEOUT_S = 1.0
CLOSE_TIMEOUT_S = 3.0
READ_ATTEMPTS = 4  # a page that leads on takes the document away under the reader
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

READ_PAGE_JS = f"""(check) => {{
  const html = document.documentElement ? document.documentElement.outerHTML : "";
  const navigation = performance.getEntriesByType("navigation")[0];
  const page = {{url: location.href, content_type: document.contentType, characters: html.length,
    is_parsing: document.readyState === "loading",
    status: navigation && navigation.responseStatus || 0, html: "", login: null, checked: {{signs: [], bad: []}}}};
  if (html.length > {MAX_HTML_CHARACTERS}) return page;
  const checked = check ? ({SESSION_SIGNS_JS})(check) : page.checked;
  return {{...page, html, login: ({LOGIN_FACTS_JS})(), checked}};
}}"""

WhyRefused = Callable[[str], str | None]  # of a URL: the guard's reason


class Checked(Record, frozen=True, kw_only=True):
    """What the script found of a session check: fields that speak against the session, and those that are no CSS."""

    signs: tuple[str, ...]
    bad: tuple[str, ...]


class Reading(Record, frozen=True, kw_only=True):
    """What the script saw; a page can forge it all but ``url``."""

    url: str
    content_type: str
    characters: int
    is_parsing: bool
    status: int  # 0 when the page hides it
    html: str
    login: LoginFormFacts | None
    checked: Checked


class Tab:
    """One tab, bound to the host that it was opened for."""

    def __init__(self, page: Page, session: CDPSession, host: str) -> None:
        self.host = host
        self.is_spent = False
        self.session = session  # opened while the page still answers; it tells of pages
        self._page = page
        self._is_hung = False
        self._navigations = 0
        self._check_of: Any = None  # the arguments of the script for the page that is being read
        events = TabEvents(session)
        self._watch = LeavingWatch(events)
        self._load = LoadWatch(page, events)
        self._size = SizeWatch(session, events, self._announced_length, self._give_up)
        events.on("Page.windowOpen", self._on_window_open)

    @classmethod
    async def attach(cls, page: Page, host: str) -> Tab:
        """Make a tab for *host* of a new page."""
        tab = cls(page, await page.context.new_cdp_session(page), host)
        await tab.session.send("Page.enable")
        return tab

    async def read(
        self, url: str, *, timeout_s: float, why_refused: WhyRefused, check: SessionCheck | None = None
    ) -> PageSnapshot:
        """Go to *url* and return what is there after its scripts ran; raises ``PageError``.

        The caller holds the deadline, because a page can keep the script from answering; *timeout_s* only lets the
        browser give up too. A tab that was cancelled here or raised is spent.
        """
        is_fine = False
        self._check_of = None if check is None else msgspec.to_builtins(check)
        try:
            snapshot = await self._navigate_and_read(urldefrag(url).url, timeout_s, why_refused)
            is_fine = True
        except (asyncio.CancelledError, PlaywrightTimeoutError) as error:
            self._is_hung = True
            if isinstance(error, PlaywrightTimeoutError):
                raise page_error("timeout", url) from None
            raise
        except (Error, PageError) as error:
            if self._size.is_passed:
                raise page_error("too_large", url) from None
            if isinstance(error, PageError):
                raise
            raise page_error(kind_of(error.message), url) from None
        finally:
            is_elsewhere = host_of(self._page.url) != self.host
            self.is_spent = self.is_spent or not is_fine or is_elsewhere or self._navigations >= MAX_NAVIGATIONS
        return snapshot

    async def discard(self) -> None:
        """Close the tab within a few seconds, also when its page hangs; raises ``TimeoutError`` when it does not close.

        Crashing the renderer of a hung page first takes a tenth of the time that closing it does.
        """
        self._size.stop()
        if self._is_hung:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(CRASH_TIMEOUT_S):
                    await self.session.send("Page.crash")
        with contextlib.suppress(Error):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._page.close()

    def _on_window_open(self, _event: object) -> None:
        """Give the tab up: the window shares its renderer, and whatever spins there holds up the next page too."""
        self._give_up()

    def _give_up(self) -> None:
        self.is_spent = self._is_hung = True

    async def _navigate_and_read(self, url: str, timeout_s: float, why_refused: WhyRefused) -> PageSnapshot:
        self._navigations += 1
        self._watch.begin()
        self._size.begin()
        try:
            response = await self._go(url, timeout_s)
        except PlaywrightTimeoutError:
            raise
        except Error as error:
            if "interrupted by another navigation" not in error.message:
                return await self._judge(error, url, why_refused)
            response = None  # a script led on; the script that reads knows where to
        if response is not None and response.status < 400 and not is_html(response):
            raise page_error("not_html", url)
        reading = await self._read()
        return await self._check(url, response, reading, why_refused)

    async def _go(self, url: str, timeout_s: float) -> Response | None:
        """Navigate until the document is parsed; return the answer, or None where Chromium stopped in the middle of it.

        It does when a script leads on meanwhile to what turns out to be no document: a download, a 204, a mail address.
        """
        going = asyncio.ensure_future(
            self._page.goto(url, wait_until="domcontentloaded", timeout=(timeout_s + 1) * 1000)
        )
        stopping = asyncio.ensure_future(self._watch.stopped.wait())
        try:
            await asyncio.wait({going, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await asyncio.wait({going}, timeout=STOP_GRACE_S)
            if not going.done() and await self._is_complete() and not going.done():  # it may come while that is asked
                self.is_spent = True  # Playwright waits on
                return None
            return await going
        finally:
            going.cancel()
            stopping.cancel()

    async def _is_complete(self) -> bool:
        with contextlib.suppress(Error):  # it may be on its way to another document after all
            return bool(await self._page.evaluate("document.readyState === 'complete'"))
        return False

    async def _read(self) -> Reading:
        """Return what is there once no other document is on its way, or after some seconds of that."""
        attempts_left = READ_ATTEMPTS
        while True:
            attempts_left -= 1
            await self._load.wait(LOAD_GRACE_S)
            try:
                reading = msgspec.convert(await self._page.evaluate(READ_PAGE_JS, self._check_of), Reading)
            except Error as error:
                if "context was destroyed" not in error.message or attempts_left <= 0:
                    raise
            else:
                if attempts_left <= 0 or not (reading.is_parsing or self._watch.is_leaving):
                    return reading
            if not await self._watch.settle(LOAD_GRACE_S):
                attempts_left = 0

    async def _check(
        self, url: str, response: Response | None, reading: Reading, why_refused: WhyRefused
    ) -> PageSnapshot:
        if not reading.url.startswith(("http://", "https://")):  # a script led to where the browser would not go
            raise await self._refusal(url, why_refused)
        is_led_on = response is None or self._watch.documents > 1
        status = reading.status if is_led_on or response is None else response.status
        if reading.characters > MAX_HTML_CHARACTERS:
            raise page_error("too_large", url)
        if status < 400 and reading.content_type not in HTML_TYPES:
            raise page_error("not_html", url)
        if reading.checked.bad:
            raise bad_selector(reading.checked.bad[0], url)
        is_redirected = response is not None and response.request.redirected_from is not None
        return PageSnapshot(
            url=reading.url,
            status=status,
            content_type=reading.content_type,
            html=reading.html,
            was_redirected=is_redirected or (is_led_on and urldefrag(reading.url).url != url),
            login_form=reading.login,
            cookies=None,
            expired_signs=reading.checked.signs,
        )

    async def _judge(self, error: Error, url: str, why_refused: WhyRefused) -> PageSnapshot:
        """Return the snapshot of an answer without a body, which Chromium reports as an error; raise for all else."""
        name = net_error(error.message)
        if name in THROUGH_GUARD:
            raise await self._refusal(url, why_refused)
        last = await self._last_navigation()
        response = await last.response() if last is not None and name in {*EMPTY_BODY, "ERR_ABORTED"} else None
        if response is None:  # a browser that ends cuts its connections off first, and may still answer meanwhile
            raise page_error("crashed" if name == "ERR_ABORTED" else kind_of(error.message), url)
        if name == "ERR_ABORTED":  # 204 and 205 leave the old page standing
            raise page_error("not_html" if response.status in {204, 205} else "network", url)
        return PageSnapshot(
            url=response.url,
            status=response.status,
            content_type=response.headers.get("content-type", ""),
            html="",
            was_redirected=response.request.redirected_from is not None,
            login_form=None,
            cookies=None,
        )

    async def _announced_length(self) -> int:
        last = await self._last_navigation()
        response = None if last is None else await last.response()
        announced = "" if response is None else response.headers.get("content-length", "")
        return int(announced) if announced.isdecimal() else 0

    async def _refusal(self, url: str, why_refused: WhyRefused) -> Exception:
        last = await self._last_navigation()
        target = url if last is None else last.url  # a redirect may have led elsewhere
        return page_error(why_refused(target) or "network", target)

    async def _last_navigation(self) -> Request | None:
        for request in reversed(await self._page.requests()):
            with contextlib.suppress(Error):  # its frame may be gone
                if request.is_navigation_request() and request.frame == self._page.main_frame:
                    return request
        return None


def host_of(url: str) -> str:
    """Return the host of *url* in lower case, empty when it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_html(response: Response) -> bool:
    """Return whether the response says that it is HTML, or says nothing."""
    content_type = response.headers.get("content-type", "")
    return not content_type or content_type.partition(";")[0].strip().lower() in HTML_TYPES
