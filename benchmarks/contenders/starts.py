"""Owns how the latency of an idle system is taken, alike for all: when handlers start, and when jobs are made."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from queue import SimpleQueue

from stopwatch import Stopwatch

STARTED_S = 60.0
PAUSES_S = (0.01, 0.05)  # the system is idle again, and a poll is met at any point of its interval


class Starts:
    """The moments at which handlers started."""

    def __init__(self) -> None:
        self._moments: SimpleQueue[float] = SimpleQueue()

    def __call__(self, number: int) -> None:
        """Take the moment; this is all that a handler does."""
        self._moments.put(time.perf_counter())

    def measure(self, watch: Stopwatch, count: int, enqueue: Callable[[int], object]) -> None:
        """Note the milliseconds from before each enqueue to the start of its handler, one at a time.

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
