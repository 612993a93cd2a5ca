"""The handlers of a story, and the ledger in which they note what they were called for."""

from __future__ import annotations

import asyncio
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

    def begin(self, job: JobContext) -> None:
        """Note a call; of those whose lease was not lost there is one at a time (I3)."""
        self.starts.append(Start(job.id, job.ref.token, job.attempt, self._clock.now()))
        live = [one for one in self.running.setdefault(job.id, []) if not one.cancelled]
        if any(one.ref.token >= job.ref.token for one in live):
            self.faults.append(f"I3: job {job.id} is run twice at once")
        self.running[job.id].append(job)

    def end(self, job: JobContext) -> None:
        """Note its end."""
        self.running[job.id].remove(job)


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
        ledger.begin(job)
        try:
            job.increment("visits")
            job.update_metadata(**{f"of {job.attempt}": number})
            job.log("counted", number=number)
            return number
        finally:
            ledger.end(job)

    @engine.kind("gather", retry=RETRY)
    def gather(job: JobContext, count: int) -> int:
        ledger.begin(job)
        try:
            for number in range(count):
                job.spawn(tally, number, key=f"part {number}")
            return count
        finally:
            ledger.end(job)

    @gather.after_children
    def add_up(job: JobContext) -> int:
        ledger.begin(job)
        try:
            return sum(job.results(tally))
        finally:
            ledger.end(job)

    @engine.kind("flaky", retry=RETRY)
    def flaky(job: JobContext, failures: int) -> int:
        ledger.begin(job)
        try:
            if job.increment("tries") <= failures:
                raise ValueError("not yet")
            return job.attempt
        finally:
            ledger.end(job)

    @engine.kind("doomed", retry=Retry(max_attempts=FRUITLESS, base_s=1.0))
    def doomed(job: JobContext) -> None:
        ledger.begin(job)
        try:
            raise ValueError("never")
        finally:
            ledger.end(job)

    @engine.kind("nap", retry=RETRY)
    async def nap(job: JobContext, seconds: float) -> float:
        ledger.begin(job)
        try:
            await asyncio.sleep(seconds)
            return seconds
        finally:
            ledger.end(job)

    @engine.kind("stubborn", retry=RETRY)
    def stubborn(job: JobContext) -> None:
        ledger.begin(job)
        try:
            job.wait(100_000.0)
        finally:
            ledger.end(job)

    return Kinds(tally, gather, flaky, doomed, nap, stubborn)
