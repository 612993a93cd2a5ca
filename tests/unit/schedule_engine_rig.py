"""What the tests of an engine's schedules share: an engine whose browser is a function, and what it is to run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
from actor_rig import PATIENCE_S, SiteEngine, page

from bequest import Definition, JobContext
from bequest.testing.manual_clock import ManualClock

HOUR_S = 3_600.0
SHORT_S = 10.0  # so that a job that runs for several of them keeps its lease
WIKI = "https://wiki.example/"


class Report(msgspec.Struct):
    """The config of the kind that the tests use."""

    team: str
    pages: int = 1


class ReportEngine(SiteEngine):
    """An engine whose browser finds pages with one link, with a kind whose handler notes what it is given."""

    def __init__(self, path: Path | str, clock: ManualClock, **options: Any) -> None:
        super().__init__(path, lambda request: page(request.url, "/other"), clock=clock, **options)
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


def crawl() -> Definition:
    """Return a small crawl."""
    return Definition.crawl("wiki", start_urls=[WIKI], max_pages=5, labels={"team": "docs"})


def flow(**step: Any) -> Definition:
    """Return a definition of one step."""
    return Definition.crawl("flow", steps=[step])
