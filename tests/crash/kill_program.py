"""A busy program that is killed: an engine with all that it can do at once, which says what was acknowledged.

Each line on stdout is a JSON array. ``asks`` comes before a call and all others after one, once its answer was there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from bequest import (
    DeadlineError,
    Engine,
    EngineStoppedError,
    JobContext,
    JobHandle,
    Keep,
    Kind,
    Retention,
    Retry,
    child,
)
from bequest.actors.messages import IncrementJobMetadata, UpdateJobMetadata
from bequest.testing.manual_clock import ManualClock

THREADS = 3
MOST_ACTS = 80  # of one life, so that what is to be looked at does not grow without end
BOARD = "board"
SPREAD = 3
OFTEN = Retry(max_attempts=20, base_s=0.1)
PATIENCE_S = 60.0


def say(*words: object) -> None:
    """Write a line, whole, whichever thread says it."""
    os.write(1, (json.dumps(words) + "\n").encode())


kinds: dict[str, Kind[Any, Any]] = {}


def echo(job: JobContext, number: int) -> int:
    """Return what it is given, some of it not at the first attempt."""
    if job.attempt == 1 and number % 10 == 3:
        raise ValueError("the first attempt fails")
    return number


async def aecho(job: JobContext, number: int) -> int:
    """Return what it is given, from asyncio."""
    await asyncio.sleep(0)
    return number


def pecho(job: JobContext, number: int) -> int:
    """Return what it is given, from another process."""
    return number


def total(job: JobContext, count: int) -> int:
    """Return the sum of what its children returned."""
    return sum(job.results(kinds["echo"]))


def spreads(job: JobContext, number: int) -> None:
    """Leave children."""
    for _ in range(SPREAD):
        job.spawn(kinds["echo"], number)


def counts(job: JobContext, number: int) -> None:
    """Count in its own metadata, and say how far."""
    for step in range(3):
        sum_ = job.increment("sum")
        job.update_metadata(**{f"step {job.attempt} {step}": number})
        say("counted", job.id, sum_, f"step {job.attempt} {step}")


def short(job: JobContext, number: int) -> int:
    """Be pruned."""
    return number


def report(job: JobContext) -> None:
    """Do nothing; the job is what counts."""


def board(job: JobContext) -> None:
    """Be written on before it runs."""


def make_engine(database: str, clock: ManualClock, *, has_processes: bool) -> Engine:
    """Return an engine with all kinds, that which runs in a process only when asked to."""
    engine = Engine(database, clock=clock, queues={"default": 4})
    for handler in (echo, aecho, total, spreads, counts, short, report, board):
        kinds[handler.__name__] = engine.kind(handler.__name__, retry=OFTEN)(handler)
    if has_processes:
        kinds["pecho"] = engine.kind("pecho", retry=OFTEN, run_in="process", queue="processes")(pecho)
    return engine


class Life:
    """What one process does until it is killed."""

    def __init__(self, engine: Engine, clock: ManualClock, seed: str, archive: str) -> None:
        self.engine = engine
        self.clock = clock
        self.seed = seed
        self.archive = archive
        self.numbers = itertools.count()
        self.acts = itertools.count()
        self.plain = [name for name in kinds if name not in ("total", "report", BOARD)]
        self.handles: list[JobHandle[Any]] = []
        self.board: JobHandle[Any] = engine.enqueue(BOARD, key=BOARD, delay_s=1e6)

    def live(self, name: str) -> None:
        """Act at random."""
        chance = random.Random(f"{self.seed} {name}")  # noqa: S311
        acts: list[Callable[[random.Random, str], None]] = [
            self.enqueue,
            self.enqueue,
            self.enqueue_many,
            self.flow,
            self.write,
            self.cancel,
            self.result,
            self.pass_time,
            self.prune,
            self.schedule,
        ]
        for number in itertools.count():
            if next(self.acts) >= MOST_ACTS:
                return
            try:
                chance.choice(acts)(chance, f"{self.seed} {name} {number}")
            except EngineStoppedError:
                return
            except DeadlineError:  # a job did not end in time: time stands still unless somebody lets it pass
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, it is said
                say("fault", repr(error))

    def enqueue(self, chance: random.Random, key: str) -> None:
        """Make several keyed jobs at once, one of them twice."""
        kind = chance.choice(self.plain)
        for number in range(chance.randint(1, 4)):
            key_of_one = f"{key} {number}"
            future: Future[JobHandle[Any]] = self.engine.enqueue_later(kind, next(self.numbers), key=key_of_one)
            future.add_done_callback(partial(self.made, kind, key_of_one))
        again: JobHandle[Any] = self.engine.enqueue(kind, 0, key=f"{key} 0")
        say("made", kind, f"{key} 0", again.id)

    def made(self, kind: str, key: str, future: Future[JobHandle[Any]]) -> None:
        """Say that a job was made."""
        if future.exception() is None:
            say("made", kind, key, future.result().id)
            if kind != "short":  # which may have been pruned
                self.handles.append(future.result())

    def enqueue_many(self, chance: random.Random, key: str) -> None:
        """Make many jobs in one transaction."""
        count = chance.randint(2, 20)
        self.engine.enqueue_many("echo", range(count), tags=[f"{key} of {count}"])
        say("batch", f"{key} of {count}", count)

    def flow(self, chance: random.Random, key: str) -> None:
        """Make a job with children, and perhaps some below them."""
        count = chance.randint(1, 6)
        children = [child(kinds["echo"], number) for number in range(count)]
        below = [child(kinds["total"], count, children=children)] if chance.random() < 0.3 else children
        made: JobHandle[Any] = self.engine.enqueue("total", len(below), children=below, key=key)
        say("flow", key, made.id, len(below))
        self.handles.append(made)

    def write(self, chance: random.Random, key: str) -> None:
        """Write on the board, where all threads write."""
        say("asks")
        message = IncrementJobMetadata(job_id=self.board.id, key="sum")
        total: int = self.engine.manager.ask(message)
        say("added", total)
        self.engine.manager.ask(UpdateJobMetadata(job_id=self.board.id, metadata={key: 1}))
        say("merged", key)

    def cancel(self, chance: random.Random, key: str) -> None:
        """Make a job that is due late, and cancel it; and try that with one that may have begun."""
        late: JobHandle[Any] = self.engine.enqueue("echo", 1, delay_s=1e5)
        assert late.cancel() == 1
        say("cancelled", late.id)
        if self.handles:
            chance.choice(self.handles).cancel()

    def result(self, chance: random.Random, key: str) -> None:
        """Wait for the end of a job, and say how it ended."""
        made: JobHandle[Any] = self.engine.enqueue("echo", next(self.numbers))
        state = made.wait(0.5)
        say("ended", made.id, state, made.job().result)

    def pass_time(self, chance: random.Random, key: str) -> None:
        """Let time pass, so that what is late falls due."""
        self.clock.advance(chance.uniform(0.0, 5.0))

    def prune(self, chance: random.Random, key: str) -> None:
        """Prune what may be pruned, into the archive."""
        made: JobHandle[Any] = self.engine.enqueue("short", 1, key=key)
        say("made", "short", key, made.id)
        keep = Keep(completed_s=0.0, failed_s=0.0, cancelled_s=0.0)
        self.engine.prune(Retention(kinds={"short": keep}, archive=self.archive))
        say("is", "pruned")

    def schedule(self, chance: random.Random, key: str) -> None:
        """Put a schedule, as it is or with another interval."""
        every_s = chance.choice([1.0, 1.0, 1.0, 2.0])
        self.engine.schedules.put("often", "report", every_s=every_s, catch_up="all", catch_up_limit=10)
        say("scheduled")


def main(database: str, archive: str, seed: str, start: str, how: str) -> None:
    """Live until somebody kills us; *how* says what to do: ``live``, with ``processes`` or without, or ``end``."""
    clock = ManualClock(float(start))
    engine = make_engine(database, clock, has_processes=how != "live")
    say("is", "starting")
    with engine:
        say("is", "started")
        life = Life(engine, clock, seed, archive)
        if how == "end":
            finish(engine, life, clock)
            return
        threads = [threading.Thread(target=life.live, args=(str(number),)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        sys.stdin.buffer.read(1)  # the word to stop
        say("is", "stopping")
    say("is", "stopped")
    for thread in threads:
        thread.join(PATIENCE_S)


def finish(engine: Engine, life: Life, clock: ManualClock) -> None:
    """Let everything come to its end."""
    for schedule in engine.schedules.list():
        engine.schedules.remove(schedule.name)
    for step_s in (20.0,) * 20 + (1e5,) * 20:
        counts = [one.jobs for one in engine.stats()]
        if not any(one.pending + one.running + one.waiting for one in counts):
            say("is", "finished")
            return
        clock.advance(step_s)
        engine.wait_idle(PATIENCE_S)
        life.board.cancel()
    say("fault", f"not finished: {engine.stats()}")
