"""A database of a hundred megabytes is backed up while others write to it, and they are served all the while."""

from __future__ import annotations

import threading
from pathlib import Path

from bequest import BackupProgress, Engine
from bequest.actors.messages import CreateAlike, CreateJob
from bequest.engine.records import NewJob

MEGABYTE = 1_000_000
SIZE = 100 * MEGABYTE
WRITERS = 2
PATIENCE_S = 60.0


def fill(engine: Engine) -> int:
    """Make a database of that size, and return how many jobs are in it."""
    configs = ("x" * MEGABYTE,) * 25
    for _ in range(SIZE // MEGABYTE // len(configs)):
        engine.manager.ask(CreateAlike(job=NewJob(kind="large"), configs=configs))
    return SIZE // MEGABYTE


class Writer(threading.Thread):
    """Makes jobs, one after the other, until it is told to stop."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.acknowledged = 0
        self.is_done = threading.Event()
        self._engine = engine

    def run(self) -> None:
        """Write."""
        while not self.is_done.is_set():
            self._engine.manager.ask(CreateJob(job=NewJob(kind="small")))
            self.acknowledged += 1


def test_large_database_is_backed_up_while_others_write(tmp_path: Path) -> None:
    """Between any two steps others are served, and what they wrote before the last is in the backup, which is whole."""
    steps: list[tuple[BackupProgress, int]] = []
    with Engine(tmp_path / "jobs.db", durability="relaxed") as engine:
        large = fill(engine)
        writers = [Writer(engine) for _ in range(WRITERS)]

        def note(progress: BackupProgress) -> None:
            engine.manager.ask(CreateJob(job=NewJob(kind="between")))  # it is acknowledged before the next step
            steps.append((progress, sum(writer.acknowledged for writer in writers)))

        for writer in writers:
            writer.start()
        engine.backup(tmp_path / "copy.db", on_progress=note)
        for writer in writers:
            writer.is_done.set()
            writer.join(PATIENCE_S)

    assert (tmp_path / "copy.db").stat().st_size >= SIZE
    with Engine(tmp_path / "copy.db", resume=False) as copy:
        assert copy.integrity() == []
        counts = {counted.kind: counted.jobs.total for counted in copy.stats()}
    assert counts["large"] == large
    assert counts["between"] == len(steps) - 1  # all but the one after the last step
    assert counts["small"] >= steps[-2][1]
    assert len(steps) > 90
    assert steps[-1][1] > steps[0][1]
