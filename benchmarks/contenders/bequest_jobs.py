"""Answers for Bequest what is asked about jobs: its public API, with default settings."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from contenders.starts import Starts
from stopwatch import Stopwatch

from bequest import Engine, JobContext, JobHandle, State

DEPTH = 256  # futures outstanding
THREADS = 16
BULK = 1000
PATIENCE_S = 600.0


class Noop:
    """An engine with a kind that does nothing but count."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._calls = itertools.count()
        self.kind = engine.kind("noop")(self._noop)

    def _noop(self, job: JobContext, number: int) -> None:
        """Count."""
        next(self._calls)

    def check(self, count: int, state: State) -> None:
        """Raise unless there are *count* jobs, all in *state*, and each was called once if it has ended."""
        found = sum(getattr(counts.jobs, state.value) for counts in self.engine.stats())
        total = sum(counts.jobs.total for counts in self.engine.stats())
        called = next(self._calls)
        if (found, total, called) != (count, count, count if state.is_final else 0):
            raise AssertionError(f"{found} of {count} jobs are {state.value}, {total} are there, {called} were called")


@contextmanager
def noops(folder: Path, *, is_paused: bool) -> Iterator[Noop]:
    """Run an engine on a new file; paused it stores jobs and starts none."""
    engine = Engine(folder / "jobs.db")
    noop = Noop(engine)
    with engine:
        if is_paused:
            engine.pause()
        yield noop


def enqueue_one(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from one thread, each durable before the next."""
    with noops(folder, is_paused=True) as noop:
        with watch.over(count):
            for number in range(count):
                noop.engine.enqueue(noop.kind, number)
        noop.check(count, State.PENDING)


def enqueue_threads(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from each of 16 threads."""
    with noops(folder, is_paused=True) as noop:

        def enqueue() -> None:
            for number in range(count // THREADS):
                noop.engine.enqueue(noop.kind, number)

        threads = [threading.Thread(target=enqueue) for _ in range(THREADS)]
        with watch.over(count // THREADS * THREADS):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        noop.check(watch.count, State.PENDING)


def enqueue_futures(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs from one thread that waits for the oldest of 256 futures."""
    with noops(folder, is_paused=True) as noop:
        outstanding: deque[Future[JobHandle[None]]] = deque()
        with watch.over(count):
            for number in range(count):
                outstanding.append(noop.engine.enqueue_later(noop.kind, number))
                if len(outstanding) == DEPTH:
                    outstanding.popleft().result(PATIENCE_S)
            for future in outstanding:
                future.result(PATIENCE_S)
        noop.check(count, State.PENDING)


def enqueue_bulk(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs a thousand at a time."""
    with noops(folder, is_paused=True) as noop:
        with watch.over(count):
            for start in range(0, count, BULK):
                noop.engine.enqueue_many(noop.kind, range(start, min(start + BULK, count)))
        noop.check(count, State.PENDING)


def drain(watch: Stopwatch, folder: Path, count: int) -> None:
    """Run jobs that are there already, in the default slots, until none is left."""
    with noops(folder, is_paused=True) as noop:
        fill(noop, count)
        with watch.over(count):
            noop.engine.resume()
            noop.engine.wait_idle(PATIENCE_S)
        noop.check(count, State.COMPLETED)


def drain_beside_busy_thread(watch: Stopwatch, folder: Path, count: int) -> None:
    """Do the same while one thread of the program computes without end."""
    is_over = threading.Event()

    def compute() -> None:
        while not is_over.is_set():
            sum(range(100))

    busy = threading.Thread(target=compute)
    with noops(folder, is_paused=True) as noop:
        fill(noop, count)
        busy.start()
        try:
            with watch.over(count):
                noop.engine.resume()
                noop.engine.wait_idle(PATIENCE_S)
        finally:
            is_over.set()
            busy.join()
        noop.check(count, State.COMPLETED)


def fill(noop: Noop, count: int) -> None:
    """Make jobs, as fast as can be."""
    for start in range(0, count, 10 * BULK):
        noop.engine.enqueue_many(noop.kind, range(start, min(start + 10 * BULK, count)))


def idle_latency(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make a job whenever the engine idles."""
    starts = Starts()
    engine = Engine(folder / "jobs.db")

    @engine.kind("noop")
    def noop(job: JobContext, number: int) -> None:
        starts(number)

    with engine:
        starts.measure(watch, count, lambda number: engine.enqueue(noop, number))
