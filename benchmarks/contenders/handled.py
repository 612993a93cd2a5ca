"""Owns what the contenders of peers share: what handlers were called with, callers in threads, and one job at a time.

Every job of a benchmark carries a number, so that a job that was lost, or ran twice, is seen.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from stopwatch import Stopwatch

THREADS = 16
BULK = 1000
DRAINED_S = 500.0
STARTED_S = 60.0
PAUSES_S = (0.01, 0.05)  # so that a poll is met at any point of its interval


class Handled:
    """The numbers that handlers were called with, from whatever threads."""

    def __init__(self, count: int) -> None:
        self._count, self._numbers, self._are_all = count, list[int](), threading.Event()

    def __call__(self, number: int) -> None:
        """Take a number; this is all that a handler does."""
        self._numbers.append(number)
        if len(self._numbers) >= self._count:
            self._are_all.set()

    def wait(self) -> None:
        """Return once as many handlers ran as there are jobs."""
        if not self._are_all.wait(DRAINED_S):
            raise TimeoutError(f"{len(self._numbers)} of {self._count} handlers ran")

    def check(self) -> None:
        """Raise unless each job's handler ran once."""
        if sorted(self._numbers) != list(range(self._count)):
            raise AssertionError(f"{len(self._numbers)} calls for {len(set(self._numbers))} of {self._count} jobs")


class Starts:
    """The moments at which handlers started."""

    def __init__(self) -> None:
        self._moments: SimpleQueue[float] = SimpleQueue()

    def __call__(self, number: int) -> None:
        """Take the moment; this is all that a handler does."""
        self._moments.put(time.perf_counter())

    def measure(self, watch: Stopwatch, count: int, enqueue: Callable[[int], object]) -> None:
        """Note the milliseconds from before each enqueue to its handler, one at a time, with pauses in between.

        One job goes before, so that all is open and warm.
        """
        pauses = random.Random(count)
        latencies_ms: list[float] = []
        enqueue(count)
        self._moments.get(timeout=STARTED_S)
        with watch.over(count):
            for number in range(count):
                time.sleep(pauses.uniform(*PAUSES_S))
                began = time.perf_counter()
                enqueue(number)
                latencies_ms.append(1000 * (self._moments.get(timeout=STARTED_S) - began))
        watch.note(latencies_ms=latencies_ms)


def in_threads(count: int, work: Callable[[range], object], *, threads: int = THREADS) -> None:
    """Run *work* in that many threads, each with its part of the numbers, and raise what any of them raised."""
    errors: list[Exception] = []

    def run(numbers: range) -> None:
        try:
            work(numbers)
        except Exception as error:  # noqa: BLE001  # raised below, in the caller's thread
            errors.append(error)

    parts = [threading.Thread(target=run, args=(range(first, count, threads),)) for first in range(threads)]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    if errors:
        raise errors[0]


def chunks(count: int, size: int = BULK) -> list[range]:
    """Return the numbers in ranges of *size*, the last one shorter."""
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def check(found: int, count: int, what: str) -> None:
    """Raise when *found* is not *count*."""
    if found != count:
        raise AssertionError(f"{found} of {count} {what}")
