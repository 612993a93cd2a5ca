"""Fills the disk under a whole engine for a while of its own time, and counts what it does and says meanwhile."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bequest import Engine, EngineState, JobContext, State
from bequest.engine.errors import StoreError
from bequest.testing.faulty_disk import FaultyDisk
from bequest.testing.manual_clock import ManualClock

PATIENCE_S = 20.0  # until a test is given up; what it waits for comes at once
JOBS = 20


class FullDisk(NamedTuple):
    """What came of it."""

    failed: int  # operations of the disk, while it was full; most groups end at the first
    operations: int  # all of them, while it was full
    lines: list[str]  # of the log, while it was full
    refused: list[str]  # errors that callers got
    completed: int  # of the jobs that were acknowledged, after it
    acknowledged: int
    restarts: int


class Lines(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.levelname} {record.name} {record.getMessage()}")


def fill_for(folder: Path, seconds: int) -> FullDisk:
    """Fill the disk while handlers run and more is asked for; return what came of it once there is room again."""
    clock, lines = ManualClock(), Lines()
    may_end = threading.Event()
    logger = logging.getLogger("bequest")
    level = logger.level
    with FaultyDisk() as disk, Engine(folder / "jobs.db", vfs=disk.vfs, clock=clock, queues={"default": 4}) as engine:

        @engine.kind("work")
        def work(job: JobContext) -> str:
            assert may_end.wait(PATIENCE_S)
            return "x" * 5_000

        handles = [engine.enqueue(work, key=str(number)) for number in range(JOBS)]
        engine.stats()
        logger.addHandler(lines)
        logger.setLevel(logging.INFO)
        before = disk.counted.total()
        refused = pass_full(engine, disk, clock, may_end, seconds)
        failed, operations, said = disk.failed, disk.counted.total() - before, list(lines.said)
        disk.heal()
        handles += [engine.enqueue(work, key=str(number)) for number in range(JOBS, JOBS + 5)]
        for _ in range(3):
            clock.advance(1.0)
            engine.stats()
        states = [handle.wait(PATIENCE_S) for handle in handles]
        health = engine.health()
        logger.removeHandler(lines)
        logger.setLevel(level)
    assert health.state is EngineState.RUNNING
    return FullDisk(failed, operations, said, refused, states.count(State.COMPLETED), len(handles), health.restarts)


def pass_full(
    engine: Engine, disk: FaultyDisk, clock: ManualClock, may_end: threading.Event, seconds: int
) -> list[str]:
    """Let *seconds* pass on a full disk; the handlers end in the middle. Return the errors that callers got."""
    disk.fill()
    refused: list[str] = []
    for second in range(seconds):
        if second == seconds // 2:
            may_end.set()
        if second % 10 == 0:
            try:
                engine.enqueue("work", key=f"refused {second}")
            except StoreError as error:
                refused.append(str(error))
        clock.advance(1.0)
        with suppress(StoreError):  # of a neighbour in its group; what was told before is done when this is answered
            engine.stats()
    return refused
