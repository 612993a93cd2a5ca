"""A program that crawls and is killed: the real engine, with a browser that reads a site made of numbers.

    crawl_child.py DATABASE PAGES

It reads one byte from stdin for each page that it may fetch, and writes ``completed N`` to stdout after the commit that
made it so, and ``ended STATE`` in the end.
"""

from __future__ import annotations

import sys

from bequest import Definition, Engine
from bequest.actors.asking import Ask
from bequest.actors.browser_messages import FetchPage
from bequest.actors.supervised import SupervisedActor
from bequest.engine.pages import PageSnapshot

SEED = "http://site.example/1"


class NumberedSite(SupervisedActor):
    """Answers ``FetchPage`` as the browser does, with a page that links to its two children and back."""

    def receive(self, message: Ask) -> None:
        """Wait until a page may be fetched, and answer."""
        if not sys.stdin.buffer.read(1):
            return
        asked: FetchPage = message.message
        number = int(asked.request.url.rpartition("/")[2])
        links = "".join(f'<a href="/{other}">{other}</a>' for other in (2 * number, 2 * number + 1, 1))
        message.reply.set(
            PageSnapshot(
                url=asked.request.url,
                status=200,
                content_type="text/html",
                html=f"<title>Page {number}</title><p>The page with the number {number}.</p>{links}",
                was_redirected=False,
                login_form=None,
                cookies=None,
            )
        )


class SiteEngine(Engine):
    """An engine whose browser is the site."""

    def _start_browser(self) -> None:
        supervisor = self._running_supervisor()
        if not supervisor.has(self._browser):
            supervisor.add(self._browser, lambda: NumberedSite.start(supervisor))


def main(database: str, pages: str) -> None:
    """Crawl until the run has ended or somebody kills us."""
    with SiteEngine(database) as engine:
        definition = Definition.crawl(
            "numbers", start_urls=[SEED], max_pages=int(pages), max_depth=50, labels={"team": "harbour"}
        )
        run = engine.run(definition, key="numbers")
        for status in run.progress():
            sys.stdout.write(f"completed {status.pages.completed}\n")
            sys.stdout.flush()
        sys.stdout.write(f"ended {run.wait(60)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
