"""Answers for persist-queue: ``SQLiteAckQueue`` shared by threads, each of which gets, handles and acknowledges.

It has no bulk put. Its threads share two connections behind locks. A blocking get is woken by a put of the same
process, so there is no interval to choose.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import cast

from contenders.callers import in_threads
from contenders.durability import confirm_sqlite
from contenders.handled import Handled, check
from contenders.starts import Starts
from peers import PERSIST_QUEUE
from persistqueue import Empty, SQLiteAckQueue
from stopwatch import Stopwatch

WORKERS = 8  # the best of 1, 2, 4 and 8


def opened(folder: Path) -> SQLiteAckQueue:
    """Return a queue in the folder that threads may share."""
    queue = SQLiteAckQueue(str(folder / "persistqueue"), multithreading=True)
    writer = cast(sqlite3.Connection, queue._putter)  # no public name gives its connection
    confirm_sqlite(lambda pragma: writer.execute(pragma).fetchone()[0], PERSIST_QUEUE.durability)
    return queue


def enqueue_one(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from one thread."""
    queue = opened(folder)
    with watch.over(count):
        for number in range(count):
            queue.put(number)
    check(len(queue.queue()), count, "jobs stored")


def enqueue_threads(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from sixteen threads."""
    queue = opened(folder)

    def enqueue(numbers: range) -> None:
        for number in numbers:
            queue.put(number)

    with watch.over(count):
        in_threads(count, enqueue)
    check(len(queue.queue()), count, "jobs stored")


def drain(watch: Stopwatch, folder: Path, count: int, workers: int = WORKERS) -> None:
    """Run jobs that wait."""
    queue, handled = opened(folder), Handled(count)
    for number in range(count):
        queue.put(number)

    def work(_: range) -> None:
        while True:
            try:
                taken = queue.get(block=False, raw=True)
            except Empty:
                return
            handled(taken["data"])
            queue.ack(id=taken["pqid"])

    with watch.over(count):
        in_threads(count, work, threads=workers)
    handled.check()
    check(queue.acked_count(), count, "jobs acknowledged")


def idle_latency(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make a job whenever the thread that waits for one idles."""
    queue, starts = opened(folder), Starts()

    def work() -> None:
        for _ in range(1 + count):
            taken = queue.get(raw=True)
            starts(taken["data"])
            queue.ack(id=taken["pqid"])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    starts.measure(watch, count, queue.put)
    thread.join()
    check(queue.acked_count(), 1 + count, "jobs acknowledged")
