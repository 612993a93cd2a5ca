"""Answers for Bequest what an engine costs a program that has it."""

from __future__ import annotations

import time
from pathlib import Path

from contenders.bequest_jobs import PATIENCE_S, fill, noops
from stopwatch import Stopwatch

from bequest import Engine, JobContext


def memory(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs and run them."""
    with noops(folder, is_paused=False) as noop, watch.over(count):
        fill(noop, count)
        noop.engine.wait_idle(PATIENCE_S)


def idle(watch: Stopwatch, folder: Path, count: int) -> None:
    """Do nothing for *count* seconds, with a kind whose jobs may come."""
    engine = Engine(folder / "jobs.db")

    @engine.kind("noop")
    def noop(job: JobContext, number: int) -> None:
        """Do nothing."""

    with engine:
        engine.enqueue(noop, 1).result(PATIENCE_S)
        time.sleep(1.0)  # until the WAL is written back
        with watch.over(count):
            time.sleep(count)


def start_and_stop(watch: Stopwatch, folder: Path, count: int) -> None:
    """Start and stop engines in memory, one after the other."""
    with Engine(":memory:"):
        pass
    with watch.over(count):
        for _ in range(count):
            with Engine(":memory:"):
                pass


def stats(watch: Stopwatch, folder: Path, count: int) -> None:
    """Ask for the counts of jobs."""
    with noops(folder, is_paused=True) as noop:
        fill(noop, 10_000)
        with watch.over(count):
            for _ in range(count):
                noop.engine.stats()
