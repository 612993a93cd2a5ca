"""Answers for huey: ``SqliteHuey`` made as durable as Bequest is, and its consumer with threads.

It has no bulk enqueue: ``TaskWrapper.map`` enqueues one by one. Its consumer's threads share one connection behind a
lock, so their number hardly matters to a handler that does nothing. The consumer polls, at first every 0.1 s and, the
longer nothing comes, up to every 10 s.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from contenders.callers import in_threads
from contenders.durability import confirm_sqlite
from contenders.handled import DRAINED_S, Handled, check
from contenders.starts import Starts
from huey import SqliteHuey
from peers import HUEY
from stopwatch import Stopwatch

WORKERS = 4  # the best of 1, 2, 4 and 8, and better than two processes
FAST_POLL_S = 0.001


def opened(folder: Path) -> Any:  # huey has no types
    """Return a queue in the folder."""
    huey = SqliteHuey("jobs", filename=str(folder / "huey.db"), fsync=True)
    confirm_sqlite(lambda pragma: huey.storage.conn.execute(pragma).fetchone()[0], HUEY.durability)
    return huey


def noop(number: int) -> None:
    """Do nothing."""


def enqueue_one(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from one thread."""
    huey = opened(folder)
    task = huey.task()(noop)
    with watch.over(count):
        for number in range(count):
            task(number)
    check(huey.pending_count(), count, "jobs stored")


def enqueue_threads(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from sixteen threads."""
    huey = opened(folder)
    task = huey.task()(noop)

    def enqueue(numbers: range) -> None:
        for number in numbers:
            task(number)

    with watch.over(count):
        in_threads(count, enqueue)
    check(huey.pending_count(), count, "jobs stored")


@contextlib.contextmanager
def consuming(huey: Any, **options: float) -> Iterator[None]:  # huey has no types
    """Run its consumer, as its command does."""
    consumer = huey.create_consumer(worker_type="thread", shutdown_timeout=DRAINED_S, **options)
    consumer.start()
    try:
        yield
    finally:
        consumer.stop(graceful=True)


def drain(watch: Stopwatch, folder: Path, count: int, workers: int = WORKERS) -> None:
    """Run jobs that wait."""
    huey, handled = opened(folder), Handled(count)
    task = huey.task()(handled_by(handled))
    for number in range(count):
        task(number)
    with watch.over(count), consuming(huey, workers=workers):
        handled.wait()
    handled.check()
    check(huey.pending_count(), 0, "jobs left")


def handled_by(take: Callable[[int], None]) -> Callable[[int], None]:
    """Return a function as a task wants it, with a name."""

    def job(number: int) -> None:
        take(number)

    return job


def idle_latency(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make a job whenever the consumer idles, with its default settings."""
    waited_for(watch, folder, count)


def idle_latency_fast_poll(watch: Stopwatch, folder: Path, count: int) -> None:
    """Do the same while it polls a thousand times a second."""
    waited_for(watch, folder, count, initial_delay=FAST_POLL_S, max_delay=FAST_POLL_S, backoff=1.0)


def waited_for(watch: Stopwatch, folder: Path, count: int, **options: float) -> None:
    """Measure from enqueue to start."""
    huey, starts = opened(folder), Starts()
    task = huey.task()(handled_by(starts))
    with consuming(huey, **options):
        starts.measure(watch, count, task)
