"""Answers for APScheduler 3: jobs that are due at once, in its SQLAlchemy store on SQLite.

The file is set to WAL beforehand, which is faster than the rollback journal that it gets otherwise. A misfire's grace
is unlimited, or it drops what is a second late. It has no bulk add, and no interval to choose: an added job wakes it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from contenders.callers import in_threads
from contenders.durability import confirm_sqlite
from contenders.handled import Handled, check
from contenders.starts import Starts
from peers import APSCHEDULER
from stopwatch import Stopwatch

WORKERS = 10  # its default; 1 and 4 are as fast
takers: list[Callable[[int], None]] = []  # a stored job names its function, so what it reaches is the module's


def job(number: int) -> None:
    """Give the number to whoever measures."""
    takers[-1](number)


@contextlib.contextmanager
def scheduling(
    folder: Path, take: Callable[[int], None], *, paused: bool, workers: int = WORKERS
) -> Iterator[BackgroundScheduler]:
    """Run a scheduler on a store in the folder."""
    path = folder / "apscheduler.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    store = SQLAlchemyJobStore(url=f"sqlite:///{path}")
    with store.engine.connect() as connection:
        confirm_sqlite(lambda pragma: connection.exec_driver_sql(pragma).scalar(), APSCHEDULER.durability)
    takers.append(take)
    scheduler = BackgroundScheduler(
        jobstores={"default": store},
        executors={"default": ThreadPoolExecutor(workers)},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )
    scheduler.start(paused=paused)
    try:
        yield scheduler
    finally:
        scheduler.remove_all_jobs()  # a paused one would begin with them as it shuts down
        scheduler.shutdown()


def noop(number: int) -> None:
    """Do nothing."""


def enqueue_one(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from one thread."""
    with scheduling(folder, noop, paused=True) as scheduler:
        with watch.over(count):
            for number in range(count):
                scheduler.add_job(job, args=(number,))
        check(len(scheduler.get_jobs()), count, "jobs stored")


def enqueue_threads(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from sixteen threads."""
    with scheduling(folder, noop, paused=True) as scheduler:

        def enqueue(numbers: range) -> None:
            for number in numbers:
                scheduler.add_job(job, args=(number,))

        with watch.over(count):
            in_threads(count, enqueue)
        check(len(scheduler.get_jobs()), count, "jobs stored")


def drain(watch: Stopwatch, folder: Path, count: int, workers: int = WORKERS) -> None:
    """Run jobs that wait."""
    handled = Handled(count)
    with scheduling(folder, handled, paused=True, workers=workers) as scheduler:
        for number in range(count):
            scheduler.add_job(job, args=(number,))
        with watch.over(count):
            scheduler.resume()
            handled.wait()
            check(len(scheduler.get_jobs()), 0, "jobs left")  # which waits for the last to be removed
    handled.check()


def idle_latency(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make a job whenever the scheduler idles."""
    starts = Starts()
    with scheduling(folder, starts, paused=False) as scheduler:
        starts.measure(watch, count, lambda number: scheduler.add_job(job, args=(number,)))
