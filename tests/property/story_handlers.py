"""The handlers of a story, and the ledger in which they note what they were called for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bequest import JobContext, Kind, Retry
from bequest.testing.inline_engine import InlineEngine
from bequest.testing.manual_clock import ManualClock

RETRY = Retry(max_attempts=30, base_s=1.0, cap_s=5.0)  # more than the crashes of a story can cost
FRUITLESS = 3  # attempts of the kind that never succeeds


class Start(NamedTuple):
    """One call of a handler."""

    job_id: int
    token: int
    attempt: int
    at: float


class Ledger:
    """What handlers have noted; the order is that in which it happened."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.starts: list[Start] = []
        self.running: dict[int, list[JobContext]] = {}
        self.faults: list[str] = []

    @contextmanager
    def noted(self, job: JobContext) -> Iterator[None]:
        """Note a call of a handler; of those whose lease was not lost there is one at a time (I3)."""
        self.starts.append(Start(job.id, job.ref.token, job.attempt, self._clock.now()))
        running = self.running.setdefault(job.id, [])
        if any(not one.cancelled and one.ref.token >= job.ref.token for one in running):
            self.faults.append(f"I3: job {job.id} is run twice at once")
        running.append(job)
        try:
            yield
        finally:
            running.remove(job)


class Kinds(NamedTuple):
    """The kinds of one engine."""

    tally: Kind[int, int]
    gather: Kind[int, int]
    flaky: Kind[int, int]
    doomed: Kind[None, None]
    nap: Kind[float, float]
    stubborn: Kind[None, None]


def register(engine: InlineEngine, ledger: Ledger) -> Kinds:
    """Register the kinds."""

    @engine.kind("tally", retry=RETRY)
    def tally(job: JobContext, number: int) -> int:
        with ledger.noted(job):
            job.increment("visits")
            job.update_metadata(**{f"of {job.attempt}": number})
            job.log("counted", number=number)
            return number

    @engine.kind("gather", retry=RETRY)
    def gather(job: JobContext, count: int) -> int:
        with ledger.noted(job):
            for number in range(count):
                job.spawn(tally, number, key=f"part {number}")
            return count

    @gather.after_children
    def add_up(job: JobContext) -> int:
        with ledger.noted(job):
            return sum(job.results(tally))

    @engine.kind("flaky", retry=RETRY)
    def flaky(job: JobContext, failures: int) -> int:
        with ledger.noted(job):
            if job.increment("tries") <= failures:
                raise ValueError("not yet")
            return job.attempt

    @engine.kind("doomed", retry=Retry(max_attempts=FRUITLESS, base_s=1.0))
    def doomed(job: JobContext) -> None:
        with ledger.noted(job):
            raise ValueError("never")

    @engine.kind("nap", retry=RETRY)
    async def nap(job: JobContext, seconds: float) -> float:
        with ledger.noted(job):
            await asyncio.sleep(seconds)
            return seconds

    @engine.kind("stubborn", retry=RETRY)
    def stubborn(job: JobContext) -> None:
        with ledger.noted(job):
            job.wait(100_000.0)

    return Kinds(tally, gather, flaky, doomed, nap, stubborn)
