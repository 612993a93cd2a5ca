"""What the tests of an engine's schedules share: an engine whose browser is a function, and what it is to run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec

from bequest import Definition, Engine, JobContext
from bequest.actors.asking import Ask
from bequest.actors.browser_messages import FetchPage
from bequest.actors.supervised import SupervisedActor
from bequest.engine.pages import PageSnapshot
from bequest.testing.manual_clock import ManualClock

PATIENCE_S = 20.0  # until a test is given up; what it waits for comes at once
HOUR_S = 3_600.0
SHORT_S = 10.0  # so that a job that runs for several of them keeps its lease
WIKI = "https://wiki.example/"


class Report(msgspec.Struct):
    """The config of the kind that the tests use."""

    team: str
    pages: int = 1


class SiteActor(SupervisedActor):
    """Answers ``FetchPage`` in the browser's place, with a page that links to one other."""

    def receive(self, message: object) -> None:
        """Answer."""
        assert isinstance(message, Ask)
        asked: FetchPage = message.message
        url = asked.request.url
        message.reply.set(
            PageSnapshot(
                url=url,
                status=200,
                content_type="text/html",
                html=f'<title>Page {url}</title><p>This is the page at {url}.</p><a href="/other">Other</a>',
                was_redirected=False,
                login_form=None,
                cookies=None,
            )
        )


class SiteEngine(Engine):
    """An engine whose browser is a function, with a kind whose handler notes what it is given."""

    def __init__(self, path: Path | str, clock: ManualClock, **options: Any) -> None:
        super().__init__(path, clock=clock, **options)
        self.ran: list[JobContext] = []
        self.is_running = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

        @self.kind("report")
        def report(job: JobContext, config: Report) -> None:
            self.ran.append(job)
            self.is_running.set()
            assert self.may_end.wait(PATIENCE_S)

    @property
    def fired_at(self) -> list[float]:
        """The fire times of what has run, in order."""
        return [job.metadata["fire_at"] for job in self.ran]

    def move(self, clock: ManualClock, *, by_s: float = 0.0, to: float | None = None) -> None:
        """Move the clock, and wait until nothing is left to do."""
        if to is not None:
            clock.jump(to)
        else:
            clock.advance(by_s)
        self.wait_idle(PATIENCE_S)

    def _start_browser(self) -> None:
        supervisor = self._running_supervisor()
        if not supervisor.has(self._browser):
            supervisor.add(self._browser, lambda: SiteActor.start(supervisor))


def crawl() -> Definition:
    """Return a small crawl."""
    return Definition.crawl("wiki", start_urls=[WIKI], max_pages=5, labels={"team": "docs"})


def flow(**step: Any) -> Definition:
    """Return a definition of one step."""
    return Definition.crawl("flow", steps=[step])
