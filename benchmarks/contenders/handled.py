"""Owns the proof that a contender did what it was timed for: each job's handler ran once.

Every job of a peer carries a number, so that a job that was lost, or ran twice, is seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

DRAINED_S = 500.0
LOOKED_S = 0.01


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


def until(is_so: Callable[[], bool]) -> None:
    """Return once it is so; for what nothing else tells."""
    deadline = time.perf_counter() + DRAINED_S
    while not is_so():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"not so after {DRAINED_S} s")
        time.sleep(LOOKED_S)


def check(found: int, count: int, what: str) -> None:
    """Raise when *found* is not *count*."""
    if found != count:
        raise AssertionError(f"{found} of {count} {what}")
