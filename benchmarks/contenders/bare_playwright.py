"""Crawls with Playwright alone, as fast as it goes: tabs that are reused, one navigation and one script a page.

What it finds stays in memory; nothing of it is durable.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urldefrag

from chromium import TABS, launch_options, session_cookie
from linked_site import LATENCY_S, linked_site
from playwright.async_api import BrowserContext, async_playwright
from stopwatch import Stopwatch

READ = "() => [document.documentElement.outerHTML, [...document.links].map((link) => link.href)]"


def crawl(watch: Stopwatch, folder: Path, count: int) -> None:
    """Read all pages in as many tabs as the crawls have."""
    run(watch, count, tabs=TABS)


def crawl_in_one_tab(watch: Stopwatch, folder: Path, count: int) -> None:
    """Read all pages in one tab."""
    run(watch, count, tabs=1)


def crawl_slow_site(watch: Stopwatch, folder: Path, count: int) -> None:
    """Read the pages of a site that takes its time."""
    run(watch, count, tabs=TABS, latency_s=LATENCY_S)


def run(watch: Stopwatch, count: int, *, tabs: int, latency_s: float = 0.0) -> None:
    """Read all pages of the site, from the browser's start to its end."""
    with linked_site(count, latency_s=latency_s) as site:
        with watch.over(count):
            found = asyncio.run(read_all(site.url, count, tabs))
        site.check(found)


async def read_all(url: str, count: int, tabs: int) -> dict[str, str]:
    """Return the HTML of each page, by URL."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(**launch_options())
        context = await browser.new_context()
        await context.add_cookies([session_cookie(url)])
        found = await Frontier(f"{url}/", count).read(context, tabs)
        await browser.close()
    return found


class Frontier:
    """The pages that are known, read and unread."""

    def __init__(self, start: str, count: int) -> None:
        self._count = count
        self._known = {start}
        self._unread: asyncio.Queue[str] = asyncio.Queue()
        self._unread.put_nowait(start)
        self._found: dict[str, str] = {}

    async def read(self, context: BrowserContext, tabs: int) -> dict[str, str]:
        """Read in that many tabs until every page that is linked has been read."""
        readers = [asyncio.create_task(self._read_in_tab(context)) for _ in range(tabs)]
        await asyncio.wait([asyncio.create_task(self._unread.join()), *readers], return_when=asyncio.FIRST_COMPLETED)
        for reader in readers:
            reader.cancel()
        for error in await asyncio.gather(*readers, return_exceptions=True):
            if isinstance(error, Exception):
                raise error
        return self._found

    async def _read_in_tab(self, context: BrowserContext) -> None:
        page = await context.new_page()
        while True:
            url = await self._unread.get()
            await page.goto(url)
            html, links = await page.evaluate(READ)
            self._found[url] = html
            for link in (urldefrag(one).url for one in links):
                if link not in self._known and len(self._known) < self._count:
                    self._known.add(link)
                    self._unread.put_nowait(link)
            self._unread.task_done()
