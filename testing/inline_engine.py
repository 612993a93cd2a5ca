"""Owns the engine that runs on the test's own thread, in an order that can be had again."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypedDict, Unpack

from ..actors.system import Engine
from ..engine.database import MEMORY
from ..engine.database_connection import Durability
from ..engine.errors import EngineError
from ..engine.keys import KeySource
from ..engine.retention import Retention
from .manual_clock import ManualClock
from .schedule import Schedule
from .site_actor import Site, SiteActor
from .strand_threads import Crash, StrandThreads


class EngineOptions(TypedDict, total=False):
    """What an in-line engine has in common with ``Engine``."""

    key: KeySource | None
    durability: Durability
    concurrency: int
    resume: bool
    queues: Mapping[str, int] | None
    retention: Retention | None
    vfs: str | None


class Drained(NamedTuple):
    """How many jobs have ended, and how many are left that have not."""

    completed: int
    failed: int
    cancelled: int
    left: int


class InlineEngine(Engine):
    """An engine without a thread: handlers run where the test waits for something, or drains it.

    Time is *clock*'s. It stands still while jobs run, and passes by itself while something is waited for that only time
    can bring, such as the result of a job that is to be tried again in a minute. *schedule* says in which order things
    happen, *crashes* which actors die and when. There is no browser: what a crawl finds is *site*'s to say. All else is
    as in ``Engine``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = MEMORY,
        *,
        clock: ManualClock | None = None,
        schedule: Schedule | None = None,
        crashes: Sequence[Crash] = (),
        site: Site | None = None,
        **options: Unpack[EngineOptions],
    ) -> None:
        self.clock = clock or ManualClock()
        self.in_line = StrandThreads(self.clock, schedule or Schedule(), crashes)
        super().__init__(path, clock=self.clock, threads=self.in_line, **options)
        self._site = site
        self._jitter = random.Random(0).random  # noqa: S311 - the same at each replay

    def stop(self, grace_s: float = 0.0) -> None:
        """Stop it as any engine; a handler that never returns is ended where it waits."""
        super().stop(grace_s)
        self.in_line.end()

    def kill(self) -> None:
        """End it as SIGKILL does, wherever it is: nothing more is written, and the file is free for another engine."""
        self.in_line.end()
        store, self._store = self._store, None
        if store is not None:
            store.abandon()

    def _start_browser(self) -> None:
        supervisor, site = self._running_supervisor(), self._site
        if site is None:
            raise EngineError("an in-line engine has no browser; give it the site that it is to crawl: site=...")
        if not supervisor.has(self._browser):
            supervisor.add(self._browser, lambda: self.in_line.start_actor(SiteActor, supervisor, site))


def drain(engine: InlineEngine) -> Drained:
    """Run all that is due now, and all that this makes due, on this thread; return what came of it."""
    before = ended_in(engine)
    engine.in_line.strands.settle()
    after = ended_in(engine)
    return Drained(after[0] - before[0], after[1] - before[1], after[2] - before[2], after[3])


def ended_in(engine: Engine) -> tuple[int, int, int, int]:
    """Return how many jobs are completed, failed, cancelled and none of that."""
    counts = [one.jobs for one in engine.stats()]
    completed, failed, cancelled = (
        sum(getattr(one, state) for one in counts) for state in ("completed", "failed", "cancelled")
    )
    return completed, failed, cancelled, sum(one.pending + one.running + one.waiting for one in counts)
