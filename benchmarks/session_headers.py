"""What do headers of a session cost a crawl, for which the browser asks back at each request?

Supports the figure of docs/howto/sessions.md: two crawls of the same local pages in turn within one run, one with a
session of a cookie, one with a session of a header. The ratio counts, not the rates.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from browser_crawl import PAGES, ROUNDS, site
from report import line, rate_of

from bequest import Cookie, Credential, Definition, Engine, Key, OriginHeader, Secret

COOKIE = Cookie(name="session", value=Secret("value"), domain="127.0.0.1", host_only=True)


def crawl(url: str, credential: Credential) -> int:
    """Read all pages with that session."""
    key = Key.generate()
    with tempfile.TemporaryDirectory() as folder, Engine(Path(folder) / "crawl.db", key=lambda: key) as engine:
        engine.credentials.put(credential)
        definition = Definition.crawl(
            "pages", start_urls=[url], auth_id=credential.auth_id, max_pages=PAGES, allow_private=True
        )
        run = engine.run(definition)
        run.wait(600)
        completed = run.stats().completed
    if completed != PAGES:
        raise SystemExit(f"the crawl read {completed} of {PAGES} pages")
    return completed


def main() -> None:
    """Print both rates and what the headers cost."""
    with site() as url:
        host = urlsplit(url).hostname or ""
        cookie = Credential(auth_id="cookie", sites=(host,), cookies=(COOKIE,))
        header = Credential(auth_id="header", sites=(host,), headers=(OriginHeader.bearer(url, token=COOKIE.value),))
        rates = [(rate_of(lambda: crawl(url, cookie)), rate_of(lambda: crawl(url, header))) for _ in range(ROUNDS)]
    line("crawl with a cookie", [one for one, _ in rates], "pages/s")
    line("crawl with a header", [two for _, two in rates], "pages/s")
    costs = [1 - two / one for one, two in rates]
    line("cost of the header", costs, f"(median {statistics.median(costs):.0%})")


if __name__ == "__main__":
    main()
