"""Many jobs go through an engine, and it holds no more for it."""

from __future__ import annotations

from pathlib import Path

from memory_driver import let_through

from bequest.engine.database import WAL_BOUND_BYTES

JOBS = 10_000
A_TIME = 2_000


def test_engine_holds_no_more_after_many_jobs(tmp_path: Path) -> None:
    """With events that are read, some that nobody reads and futures that are lost, less than one object a job stays."""
    held = let_through(tmp_path, JOBS, A_TIME)

    assert held.completed == JOBS
    assert held.seen == 3 * JOBS
    assert held.blocks[-1] - held.blocks[0] < A_TIME
    assert held.wal < WAL_BOUND_BYTES
    assert held.left == held.before
