"""Crawls with Crawlee's PlaywrightCrawler and its storage of files; each page is an item of the default dataset."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from weakref import WeakSet

from chromium import TABS, launch_options, session_cookie
from crawlee import ConcurrencySettings, service_locator
from crawlee.configuration import Configuration
from crawlee.crawlers import PlaywrightCrawler, PlaywrightCrawlingContext, PlaywrightPreNavCrawlingContext
from linked_site import LATENCY_S, linked_site
from playwright.async_api import BrowserContext
from stopwatch import Stopwatch


def crawl(watch: Stopwatch, folder: Path, count: int) -> None:
    """Crawl all pages."""
    run(watch, folder, count)


def crawl_slow_site(watch: Stopwatch, folder: Path, count: int) -> None:
    """Crawl the pages of a site that takes its time."""
    run(watch, folder, count, latency_s=LATENCY_S)


def run(watch: Stopwatch, folder: Path, count: int, *, latency_s: float = 0.0) -> None:
    """Crawl the site, from the browser's start to its end."""
    service_locator.set_configuration(Configuration(storage_dir=str(folder), log_level="WARNING"))
    with linked_site(count, latency_s=latency_s) as site:
        with watch.over(count):
            found = asyncio.run(read_all(site.url, count))
        site.check(found)


async def read_all(url: str, count: int) -> dict[str, str]:
    """Return the HTML of each page that was stored, by URL."""
    crawler = PlaywrightCrawler(
        headless=True,
        browser_type="chromium",
        browser_launch_options=launch_options(),
        max_requests_per_crawl=count,
        concurrency_settings=ConcurrencySettings(min_concurrency=TABS, desired_concurrency=TABS, max_concurrency=TABS),
        request_handler_timeout=timedelta(minutes=1),
        configure_logging=False,
    )
    logging.getLogger("crawlee").setLevel(logging.WARNING)
    entered: WeakSet[BrowserContext] = WeakSet()

    @crawler.pre_navigation_hook
    async def log_in(context: PlaywrightPreNavCrawlingContext) -> None:
        if context.page.context not in entered:
            entered.add(context.page.context)
            await context.page.context.add_cookies([session_cookie(url)])

    @crawler.router.default_handler
    async def keep(context: PlaywrightCrawlingContext) -> None:
        html = await context.page.content()
        await context.push_data({"url": context.request.url, "title": await context.page.title(), "html": html})
        await context.enqueue_links()

    await crawler.run([f"{url}/"])
    items = (await crawler.get_data()).items
    return {str(item["url"]): str(item["html"]) for item in items}
