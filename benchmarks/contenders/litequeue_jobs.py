"""Answers for litequeue: a queue without a worker, so each thread takes, handles and marks, on a connection of its own.

Its own connection is NORMAL: what it acknowledged, a power cut may take away. It has no blocking get: whoever waits for
a job polls, and how often is the user's choice alone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from contenders.callers import chunks, in_threads
from contenders.durability import confirm_sqlite
from contenders.handled import Handled, check
from contenders.starts import Starts
from litequeue import LiteQueue
from peers import LITEQUEUE
from stopwatch import Stopwatch

WORKERS = 2  # the best of 1, 2 and 4
FAST_POLL_S = 0.001
BUSY_S = 60.0  # writers wait for each other


def opened(folder: Path) -> LiteQueue:
    """Return a queue in the folder, on a new connection."""
    queue = LiteQueue(folder / "litequeue.db", timeout=BUSY_S)
    confirm_sqlite(lambda pragma: queue.conn.execute(pragma).fetchone()[0], LITEQUEUE.durability)
    return queue


def enqueue_one(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from one thread."""
    queue = opened(folder)
    with watch.over(count):
        for number in range(count):
            queue.put(str(number))
    check(queue.qsize(), count, "jobs stored")


def enqueue_threads(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from sixteen threads, that share its connection: faster than one for each."""
    queue = opened(folder)

    def enqueue(numbers: range) -> None:
        for number in numbers:
            queue.put(str(number))

    with watch.over(count):
        in_threads(count, enqueue)
    check(queue.qsize(), count, "jobs stored")


def enqueue_bulk(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs a thousand in a transaction."""
    queue = opened(folder)
    with watch.over(count):
        for numbers in chunks(count):
            with queue.transaction():
                for number in numbers:
                    queue.put(str(number))
    check(queue.qsize(), count, "jobs stored")


def drain(watch: Stopwatch, folder: Path, count: int, workers: int = WORKERS) -> None:
    """Run jobs that wait."""
    queue, handled = opened(folder), Handled(count)
    with queue.transaction():
        for number in range(count):
            queue.put(str(number))

    def work(_: range) -> None:
        own = opened(folder)
        while (message := own.pop()) is not None:
            handled(int(message.data))
            own.done(message.message_id)
        own.close()

    with watch.over(count):
        in_threads(count, work, threads=workers)
    handled.check()
    check(queue.qsize(), 0, "jobs left")


@contextlib.contextmanager
def working(folder: Path, starts: Starts) -> Iterator[None]:
    """Run a worker that polls a thousand times a second."""
    is_over = threading.Event()

    def work() -> None:
        own = opened(folder)
        while not is_over.is_set():
            message = own.pop()
            if message is None:
                time.sleep(FAST_POLL_S)
                continue
            starts(int(message.data))
            own.done(message.message_id)
        own.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def idle_latency_fast_poll(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make a job whenever the worker idles."""
    queue, starts = opened(folder), Starts()
    with working(folder, starts):
        starts.measure(watch, count, lambda number: queue.put(str(number)))
