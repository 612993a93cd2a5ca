"""Owns who enqueues: several threads at once, or one with many jobs in hand."""

from __future__ import annotations

import threading
from collections.abc import Callable

THREADS = 16
BULK = 1000


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
