"""How many durable jobs a second pass the manager, under synchronous=FULL?

Supports the README's claim on speed. ``raw`` is the ceiling on this machine: the same rows in one transaction of 256,
without an actor; compare the other lines with it, not with figures of another machine.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pykka
from report import line, rate_of

from bequest import Engine
from bequest.actors.messages import CreateAlike, CreateJob
from bequest.actors.standing_messages import Assigned, WantJobs
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, NewJob, State

ROUNDS = 5
TERMS = (KindTerms(kind="noop"),)


def job(number: int) -> NewJob:
    """Return a job that shares nothing with others, as a program's do."""
    return NewJob(kind="noop", config={"n": number})


def one_caller_each(engine: Engine, callers: int, each: int) -> int:
    """Enqueue from *callers* threads that wait for each job."""

    def enqueue() -> None:
        for number in range(each):
            engine.manager.ask(CreateJob(job=job(number)))

    threads = [threading.Thread(target=enqueue) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return callers * each


def pipelined(engine: Engine, total: int, depth: int) -> int:
    """Enqueue from one caller that keeps *depth* answers outstanding."""
    replies: list[pykka.Future[Any]] = []
    for number in range(total):
        replies.append(engine.manager.ask_later(CreateJob(job=job(number))))
        if len(replies) == depth:
            for reply in replies[: depth // 2]:
                reply.get(timeout=60)
            del replies[: depth // 2]
    for reply in replies:
        reply.get(timeout=60)
    return total


def bulk(engine: Engine, batches: int, size: int) -> int:
    """Enqueue many jobs in one message."""
    for _ in range(batches):
        engine.manager.ask(CreateAlike(job=job(0), configs=tuple({"n": number} for number in range(size))))
    return batches * size


class Worker(pykka.ThreadingActor):
    """Completes what it is assigned, and wants as many again in the same message."""

    def __init__(self, engine: Engine, batch: int, total: int, done: threading.Event) -> None:
        super().__init__()
        self._engine, self._batch, self._left, self._done = engine, batch, total, done

    def on_start(self) -> None:
        """Say that it is free."""
        self._want(())

    def on_receive(self, message: Assigned) -> None:
        """Complete all of it."""
        completions = tuple(
            Completion(job_id=lease.job_id, token=lease.token, state=State.COMPLETED) for lease in message.leases
        )
        self._left -= len(completions)
        self._want(completions)
        if self._left <= 0:
            self._done.set()

    def _want(self, completions: tuple[Completion, ...]) -> None:
        want = WantJobs(
            worker=self.actor_ref,
            queue="default",
            terms=TERMS,
            limit=self._batch,
            lease_s=60.0,
            completions=completions,
        )
        self._engine.manager.tell(want)


def drain(engine: Engine, batch: int, total: int) -> int:
    """Have one worker claim and complete *total* jobs, *batch* at a time."""
    done = threading.Event()
    worker = Worker.start(engine, batch, total, done)
    done.wait(120)
    worker.stop()
    return total


def raw(path: Path, total: int) -> int:
    """Insert the rows without any actor, 256 in a transaction."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0")
    with suppress(apsw.SQLError):
        connection.execute(
            "CREATE TABLE job (id INTEGER PRIMARY KEY, parent INTEGER, kind TEXT, state INTEGER, priority INTEGER,"
            " run_at REAL, config_json TEXT, metadata_json TEXT); CREATE INDEX ready ON job (kind, priority, run_at)"
            " WHERE state = 0; CREATE INDEX parent ON job (parent) WHERE parent IS NOT NULL"
        )
    row = (None, "noop", 0, 0, 1.0, '{"n":1}', "{}")
    for _ in range(total // 256):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO job VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", [row] * 256)
        connection.execute("COMMIT")
    connection.close()
    return total


def measured(name: str, work: Callable[[Engine], int], *, first: Callable[[Engine], int] | None = None) -> None:
    """Print the rate of *work* over some fresh databases, after what it needs *first*."""
    rates = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder, Engine(Path(folder) / "jobs.db") as engine:
            if first is not None:
                first(engine)
            rates.append(rate_of(lambda engine=engine: work(engine)))  # type: ignore[misc]  # bound at once
    line(name, rates, "jobs/s")


def main() -> None:
    """Print all measurements."""
    with tempfile.TemporaryDirectory() as folder:
        line(
            "raw insert, 256 a transaction",
            [rate_of(lambda: raw(Path(folder) / "raw.db", 51_200)) for _ in range(3)],
            "jobs/s",
        )
    measured("enqueue, 16 callers", lambda engine: one_caller_each(engine, 16, 250))
    measured("enqueue, pipelined 256 deep", lambda engine: pipelined(engine, 40_000, 256))
    measured("enqueue, 1,000 in one message", lambda engine: bulk(engine, 50, 1_000))
    for batch, total in ((1, 4_000), (16, 20_000), (64, 40_000)):
        measured(
            f"claim and complete, batches of {batch}",
            lambda engine, batch=batch, total=total: drain(engine, batch, total),  # type: ignore[misc]
            first=lambda engine, total=total: bulk(engine, total // 1_000, 1_000),  # type: ignore[misc]
        )


if __name__ == "__main__":
    main()
