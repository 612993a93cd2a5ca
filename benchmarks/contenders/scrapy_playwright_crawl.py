"""Crawls with Scrapy and scrapy-playwright's download handler; each page becomes a line of a feed.

The session's cookie is in the storage state of the default context, where scrapy-playwright's documentation has it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from chromium import TABS, launch_options
from linked_site import COOKIE, LATENCY_S, VALUE, linked_site
from scrapy import Request, Spider
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response
from stopwatch import Stopwatch

HANDLER = "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"


class PageSpider(Spider):
    """Follows all links."""

    name = "pages"

    async def start(self) -> AsyncIterator[Request]:
        """Begin with the first page."""
        yield Request(self.start_urls[0], meta={"playwright": True})

    def parse(self, response: Response) -> Iterator[Any]:  # an item or a request
        """Keep the page and follow its links."""
        yield {"url": response.url, "title": response.css("title::text").get(), "html": response.text}
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link, meta={"playwright": True})


def crawl(watch: Stopwatch, folder: Path, count: int) -> None:
    """Crawl all pages."""
    run(watch, folder, count)


def crawl_slow_site(watch: Stopwatch, folder: Path, count: int) -> None:
    """Crawl the pages of a site that takes its time."""
    run(watch, folder, count, latency_s=LATENCY_S)


def run(watch: Stopwatch, folder: Path, count: int, *, latency_s: float = 0.0) -> None:
    """Crawl the site, from the browser's start to its end."""
    feed = folder / "pages.jsonl"
    with linked_site(count, latency_s=latency_s) as site:
        process = CrawlerProcess(settings(feed))
        process.crawl(PageSpider, start_urls=[f"{site.url}/"])
        with watch.over(count):
            process.start()
        items = [json.loads(line) for line in feed.read_text(encoding="utf-8").splitlines()]
        site.check({item["url"]: item["html"] for item in items})


def settings(feed: Path) -> dict[str, Any]:  # Any: Scrapy's own
    """Return what the documentation asks for, and as many pages at once as the others have."""
    cookie = {"name": COOKIE, "value": VALUE, "domain": "127.0.0.1", "path": "/"}
    return {
        "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
        "DOWNLOAD_HANDLERS": {"http": HANDLER, "https": HANDLER},
        "PLAYWRIGHT_LAUNCH_OPTIONS": launch_options(),
        "PLAYWRIGHT_CONTEXTS": {"default": {"storage_state": {"cookies": [cookie], "origins": []}}},
        "PLAYWRIGHT_MAX_PAGES_PER_CONTEXT": TABS,
        "CONCURRENT_REQUESTS": TABS,
        "FEEDS": {str(feed): {"format": "jsonlines", "encoding": "utf8"}},
        "LOG_LEVEL": "WARNING",
    }
