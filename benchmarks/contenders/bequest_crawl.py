"""Crawls with an engine of default settings: durable jobs, a sealed session, each page stored as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from chromium import launch_options
from linked_site import COOKIE, LATENCY_S, VALUE, linked_site
from stopwatch import Stopwatch

from bequest import Cookie, Credential, Definition, Engine, Key, OriginHeader, Secret


def cookie(url: str) -> Credential:
    """Return the session of the site at *url*, as a cookie."""
    host = urlsplit(url).hostname or ""
    one = Cookie(name=COOKIE, value=Secret(VALUE), domain=host, host_only=True)
    return Credential(auth_id="site", sites=(host,), cookies=(one,))


def header(url: str) -> Credential:
    """Return the session of the site at *url*, as a header."""
    host = urlsplit(url).hostname or ""
    return Credential(auth_id="site", sites=(host,), headers=(OriginHeader.bearer(url, token=Secret(VALUE)),))


def crawl(watch: Stopwatch, folder: Path, count: int) -> None:
    """Crawl all pages."""
    run(watch, folder, count)


def crawl_slow_site(watch: Stopwatch, folder: Path, count: int) -> None:
    """Crawl the pages of a site that takes its time."""
    run(watch, folder, count, latency_s=LATENCY_S)


def crawl_with_header(watch: Stopwatch, folder: Path, count: int) -> None:
    """Crawl all pages with a session that is a header."""
    run(watch, folder, count, credential=header)


def run(
    watch: Stopwatch,
    folder: Path,
    count: int,
    *,
    latency_s: float = 0.0,
    credential: Callable[[str], Credential] = cookie,
) -> None:
    """Crawl the site, from the engine's start to its stop."""
    key, executable = Key.generate(), launch_options()["executable_path"]
    with linked_site(count, latency_s=latency_s) as site:
        with watch.over(count), Engine(folder / "crawl.db", key=lambda: key, browser=executable) as engine:
            engine.credentials.put(credential(site.url))
            definition = Definition.crawl(
                "pages", start_urls=[f"{site.url}/"], auth_id="site", max_pages=count, allow_private=True
            )
            crawled = engine.run(definition)
            crawled.wait(600)
            found = {document.url: document.markdown for document in crawled.documents()}
        site.check(found)
