"""Answers for DBOS: workflows without steps, on a queue, in its system database on SQLite.

The file is set to WAL beforehand, which is faster than the rollback journal that it gets otherwise. While jobs are
only stored, the queue is held by a concurrency of none. It polls, every second unless told otherwise.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy
from contenders.callers import chunks, in_threads
from contenders.durability import confirm_sqlite
from contenders.handled import Handled, check, until
from contenders.starts import Starts
from dbos import DBOS, DBOSClient, Queue
from peers import DBOS as PEER
from stopwatch import Stopwatch

WORKERS = 8  # better than 1
FAST_POLL_S = 0.001
HELD = 0
takers: list[Callable[[int], None]] = []  # a workflow is known by its name, so what it reaches is the module's


@DBOS.workflow(name="job")
def job(number: int) -> None:
    """Give the number to whoever measures."""
    takers[-1](number)


def noop(number: int) -> None:
    """Do nothing."""


def address(folder: Path) -> str:
    """Return what SQLAlchemy calls the file."""
    return f"sqlite:///{folder / 'dbos.db'}"


@contextlib.contextmanager
def launched(
    folder: Path,
    take: Callable[[int], None],
    *,
    concurrency: int | None = HELD,
    workers: int = WORKERS,
    poll_s: float = 1.0,
) -> Iterator[Queue]:
    """Run it on a file in the folder, with a queue."""
    with contextlib.closing(sqlite3.connect(folder / "dbos.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    takers.append(take)
    instance = DBOS(
        config={
            "name": "bench",
            "system_database_url": address(folder),
            "log_level": "ERROR",
            "max_executor_threads": workers,
        }
    )
    DBOS.launch()
    try:
        with instance._sys_db.engine.connect() as connection:  # no public name gives its connection
            confirm_sqlite(lambda pragma: connection.exec_driver_sql(pragma).scalar(), PEER.durability)
        yield DBOS.register_queue("jobs", worker_concurrency=concurrency, polling_interval_sec=poll_s)
    finally:
        DBOS.destroy()


def stored(folder: Path, status: str) -> int:
    """Return how many jobs have a status."""
    with contextlib.closing(sqlite3.connect(folder / "dbos.db")) as connection:
        row = connection.execute("SELECT count(*) FROM workflow_status WHERE status = ?", (status,)).fetchone()
        return int(row[0])


def enqueue_one(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from one thread."""
    with launched(folder, noop) as queue:
        with watch.over(count):
            for number in range(count):
                queue.enqueue(job, number)
        check(stored(folder, "ENQUEUED"), count, "jobs stored")


def enqueue_threads(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from sixteen threads."""
    with launched(folder, noop) as queue:

        def enqueue(numbers: range) -> None:
            for number in numbers:
                queue.enqueue(job, number)

        with watch.over(count):
            in_threads(count, enqueue)
        check(stored(folder, "ENQUEUED"), count, "jobs stored")


def put(folder: Path, count: int) -> None:
    """Store jobs through its client, a thousand in a transaction."""
    engine, client = sqlalchemy.create_engine(address(folder)), DBOSClient(system_database_url=address(folder))
    for numbers in chunks(count):
        with engine.begin() as connection:
            for number in numbers:
                client.enqueue_in_transaction(connection, {"workflow_name": "job", "queue_name": "jobs"}, number)
    client.destroy()
    engine.dispose()


def enqueue_bulk(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs a thousand in a transaction."""
    with launched(folder, noop):
        with watch.over(count):
            put(folder, count)
        check(stored(folder, "ENQUEUED"), count, "jobs stored")


def drain(watch: Stopwatch, folder: Path, count: int, workers: int = WORKERS) -> None:
    """Run jobs that wait, polling often, and claiming all of them at once."""
    handled = Handled(count)
    with launched(folder, handled, workers=workers, poll_s=0.01) as queue:
        put(folder, count)
        with watch.over(count):
            queue.set_worker_concurrency(None)
            handled.wait()
            until(lambda: stored(folder, "SUCCESS") == count)  # the last outcomes are stored after their handlers
    handled.check()


def idle_latency(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make a job whenever the queue idles, with default settings; a twentieth of them, since each takes its time."""
    waited_for(watch, folder, max(2, count // 20), poll_s=1.0)


def idle_latency_fast_poll(watch: Stopwatch, folder: Path, count: int) -> None:
    """Do the same while it polls a thousand times a second."""
    waited_for(watch, folder, count, poll_s=FAST_POLL_S)


def waited_for(watch: Stopwatch, folder: Path, count: int, *, poll_s: float) -> None:
    """Measure from enqueue to start."""
    starts = Starts()
    with launched(folder, starts, concurrency=None, poll_s=poll_s) as queue:
        starts.measure(watch, count, lambda number: queue.enqueue(job, number))
