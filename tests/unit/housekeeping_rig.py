"""What the tests of housekeeping share: a program with a few kinds, its archive's lines, and a query without end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bequest import Engine, State
from bequest.actors.job_context import JobContext
from bequest.actors.kinds import Kind
from bequest.engine.retention import Retention
from bequest.engine.retries import Retry

PATIENCE_S = 20.0
ALL = Retention(completed_s=0.0, failed_s=0.0, cancelled_s=0.0)
ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


class Program:
    """An engine with a few kinds."""

    def __init__(self, path: Path | str, **options: Any) -> None:
        self.engine = Engine(path, **options)
        once = Retry(max_attempts=1)

        @self.engine.kind("leaf", retry=once)
        def leaf(job: JobContext, config: int) -> int:
            job.log("leaf ran", number=config)
            job.log("leaf has a doubt", level="WARNING")
            return config

        @self.engine.kind("tree", retry=once)
        def tree(job: JobContext, config: int) -> None:
            job.log("tree ran", level="DEBUG")
            for number in range(config):
                job.spawn(leaf, number)

        @self.engine.kind("loud", retry=once)
        def loud(job: JobContext) -> None:
            job.log("too loud", level="LOUD")

        self.leaf: Kind[Any, Any] = leaf
        self.tree: Kind[Any, Any] = tree
        self.loud: Kind[Any, Any] = loud

    def grow(self, trees: int, leaves: int) -> list[int]:
        """Have trees grow, and return their numbers once they have."""
        handles = self.engine.enqueue_many(self.tree, [leaves] * trees)
        for handle in handles:
            assert handle.wait(PATIENCE_S) is State.COMPLETED
        return [handle.id for handle in handles]


def lines_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
