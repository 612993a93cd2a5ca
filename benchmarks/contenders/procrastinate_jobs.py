"""Answers for procrastinate, on a real PostgreSQL: a database for each sample, in the server that the harness lends.

Callers use its connector for threads, the worker is its own with coroutines, which it runs without a thread each. A
worker is told of a new job by ``LISTEN``, so there is no interval to choose.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from contenders.callers import THREADS, chunks, in_threads
from contenders.durability import confirm
from contenders.handled import Handled, check
from contenders.starts import Starts
from peers import POSTGRES, PROCRASTINATE
from postgres import serving
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.connector import BaseConnector
from procrastinate.tasks import Task
from procrastinate.types import JSONDict
from psycopg.conninfo import make_conninfo
from stopwatch import Stopwatch

CONCURRENCY = 10  # the best of 1, 4, 10 and 30


@contextlib.contextmanager
def database(watch: Stopwatch, folder: Path) -> Iterator[str]:
    """Make a database with its schema, and give its address; without a harness, in a server of its own."""
    with contextlib.ExitStack() as stack:
        server = watch.servers.get(POSTGRES) or stack.enter_context(serving(folder)).address
        name = f"sample_{os.getpid()}"
        with psycopg.connect(server, autocommit=True) as connection:
            settings = (f"{one}={shown(connection, one)}" for one in ("fsync", "synchronous_commit"))
            confirm(", ".join(settings), PROCRASTINATE.durability)
            connection.execute(f"CREATE DATABASE {name}")
            stack.callback(dropped, server, name)
        address = make_conninfo(server, dbname=name)
        with App(connector=SyncPsycopgConnector(conninfo=address)).open() as app:
            app.schema_manager.apply_schema()
        yield address


def shown(connection: psycopg.Connection, setting: str) -> str:
    """Return what the server has for a setting."""
    row = connection.execute(f"SHOW {setting}").fetchone()
    return str(row[0]) if row else ""


def dropped(server: str, name: str) -> None:
    """Remove a database."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


# Any: how a task is called is not what is measured
def tasked(connector: BaseConnector, take: Callable[[int], None]) -> tuple[App, Task[Any, Any, Any]]:
    """Return an application with one task, that gives its number to *take*."""
    app = App(connector=connector)

    @app.task(name="job", pass_context=False)
    async def job(number: int) -> None:
        take(number)

    return app, job


def arguments(numbers: range) -> list[JSONDict]:
    """Return what the task is called with for each number."""
    return [{"number": number} for number in numbers]


def noop(number: int) -> None:
    """Do nothing."""


def stored(address: str, state: str) -> int:
    """Return how many jobs are in a state."""
    with psycopg.connect(address) as connection:
        found = connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status::text = %s", (state,))
        row = found.fetchone()
        return int(row[0]) if row else 0


def enqueue_one(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from one thread."""
    with database(watch, folder) as address:
        app, job = tasked(SyncPsycopgConnector(conninfo=address), noop)
        with app.open(), watch.over(count):
            for number in range(count):
                job.defer(number=number)
        check(stored(address, "todo"), count, "jobs stored")


def enqueue_threads(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs one by one from sixteen threads, with as many connections."""
    with database(watch, folder) as address:
        connector = SyncPsycopgConnector(conninfo=address, min_size=THREADS, max_size=THREADS)
        app, job = tasked(connector, noop)

        def enqueue(numbers: range) -> None:
            for number in numbers:
                job.defer(number=number)

        with app.open(), watch.over(count):
            in_threads(count, enqueue)
        check(stored(address, "todo"), count, "jobs stored")


def enqueue_bulk(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs a thousand in a call."""
    with database(watch, folder) as address:
        app, job = tasked(SyncPsycopgConnector(conninfo=address), noop)
        with app.open(), watch.over(count):
            for numbers in chunks(count):
                job.batch_defer(*arguments(numbers))
        check(stored(address, "todo"), count, "jobs stored")


def drain(watch: Stopwatch, folder: Path, count: int, concurrency: int = CONCURRENCY) -> None:
    """Run jobs that wait, until its worker finds no more."""
    with database(watch, folder) as address:
        handled = Handled(count)
        app, job = tasked(SyncPsycopgConnector(conninfo=address), noop)
        with app.open():
            for numbers in chunks(count):
                job.batch_defer(*arguments(numbers))
        app, _ = tasked(PsycopgConnector(conninfo=address), handled)
        with watch.over(count):
            app.run_worker(concurrency=concurrency, wait=False)
        handled.check()
        check(stored(address, "succeeded"), count, "jobs succeeded")


@contextlib.contextmanager
def working(address: str, starts: Starts) -> Iterator[None]:
    """Run its worker in a thread, with default settings."""
    app, _ = tasked(PsycopgConnector(conninfo=address), starts)
    loop = asyncio.new_event_loop()

    async def work() -> None:
        async with app.open_async():
            await app.run_worker_async(install_signal_handlers=False)

    running = loop.create_task(work())

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(running)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join()
        loop.close()


def idle_latency(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make a job whenever the worker idles."""
    with database(watch, folder) as address:
        starts = Starts()
        app, job = tasked(SyncPsycopgConnector(conninfo=address), noop)
        with app.open(), working(address, starts):
            starts.measure(watch, count, lambda number: job.defer(number=number))
