"""How much of a bare Playwright loop's speed does a crawl keep?

Supports the README's claim on speed: both read the same 200 local pages with the same flags, in turn within one run;
the bare loop reuses one page and runs one ``evaluate`` for each URL. The ratio counts, not the rates.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright
from report import line, rate_of

from bequest import Definition, Engine
from bequest.actors.browser_install import find_chromium
from bequest.actors.browser_launch import FLAGS

PAGES = 200
ROUNDS = 3
PARAGRAPH = "<p>The lamp is lit at dusk and put out at dawn, and the keeper writes both down in the book.</p>"


class Handler(BaseHTTPRequestHandler):
    """Answers ``/`` with links to all pages, and each page with a few paragraphs, a style and a script."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/":
            body = "".join(f'<li><a href="/page/{number}">Page {number}</a></li>' for number in range(1, PAGES))
        elif self.path.endswith(".css"):
            body = "body { font-family: serif; margin: 2em }"
        elif self.path.endswith(".js"):
            body = "document.body.dataset.ready = 'yes';"
        else:
            body = PARAGRAPH * 20
        kind = (
            "text/css"
            if self.path.endswith(".css")
            else "text/javascript"
            if self.path.endswith(".js")
            else "text/html"
        )
        if kind == "text/html":
            body = (
                f"<!doctype html><title>{self.path}</title><link rel=stylesheet href=/style.css>"
                f"<h1>{self.path}</h1>{body}<script src=/script.js></script>"
            )
        content = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def site() -> Iterator[str]:
    """Serve the pages on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def bare(url: str, executable: Path) -> int:
    """Read all pages with one reused page; the browser's start is in it, as it is in the crawl."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=list(FLAGS))
        page = browser.new_page()
        for path in ("/", *(f"/page/{number}" for number in range(1, PAGES))):
            page.goto(url + path)
            page.evaluate("() => [document.documentElement.outerHTML, [...document.links].map(link => link.href)]")
        browser.close()
    return PAGES


def crawl(url: str, executable: Path) -> int:
    """Read all pages as a run: durable jobs, Markdown, documents."""
    with tempfile.TemporaryDirectory() as folder, Engine(Path(folder) / "crawl.db", browser=str(executable)) as engine:
        run = engine.run(Definition.crawl("pages", start_urls=[url], max_pages=PAGES, allow_private=True))
        run.wait(600)
        completed = run.stats().completed
    if completed != PAGES:
        raise SystemExit(f"the crawl read {completed} of {PAGES} pages")
    return completed


def main() -> None:
    """Print both rates and their ratio."""
    executable = find_chromium()
    if executable is None:
        raise SystemExit("no browser; run `bequest browser install`")
    with site() as url:
        rates = [
            (rate_of(lambda: bare(url, executable)), rate_of(lambda: crawl(url, executable))) for _ in range(ROUNDS)
        ]
    line("bare Playwright loop, one page", [one for one, _ in rates], "pages/s")
    line("crawl, four tabs, all that it stores", [two for _, two in rates], "pages/s")
    line(
        "ratio of the two",
        [two / one for one, two in rates],
        f"(median {statistics.median(b / a for a, b in rates):.0%})",
    )


if __name__ == "__main__":
    main()
