"""Two hundred thousand jobs go through an engine, and it holds no more for it."""

from __future__ import annotations

from pathlib import Path

from figures import Figures
from memory_driver import let_through

from bequest.engine.database import WAL_BOUND_BYTES

JOBS = 200_000
A_TIME = 10_000
MEBIBYTE = 1024**2


def test_engine_holds_no_more_after_two_hundred_thousand_jobs(tmp_path: Path, figures: Figures) -> None:
    """The resident size grows by less than 1 MiB for each 10,000, the log stays small, and nothing is left open."""
    held = let_through(tmp_path, JOBS, A_TIME)

    assert held.completed == JOBS
    assert held.seen == 3 * JOBS
    assert held.slope < MEBIBYTE
    assert held.wal < WAL_BOUND_BYTES
    assert held.left == held.before
    figures.note(
        f"{JOBS:,} jobs that stay in the file, with events read and unread and futures lost",
        f"resident size {held.resident[0] / MEBIBYTE:.1f} MiB after 30,000, {held.resident[-1] / MEBIBYTE:.1f} in the"
        f" end, {held.slope / MEBIBYTE:.3f} MiB for each 10,000; write-ahead log at most"
        f" {held.wal / MEBIBYTE:.1f} MiB; {held.left[0]} thread and {held.left[1]} open files before and after",
    )


def test_reader_that_never_ends_costs_disk_and_no_memory(tmp_path: Path, figures: Figures) -> None:
    """Beside a connection that keeps an old state of the file all jobs go through; the log grows until it lets go."""
    held = let_through(tmp_path, JOBS, A_TIME, reader="stays")

    assert held.completed == JOBS
    assert held.slope < MEBIBYTE
    assert held.left == held.before
    assert not (tmp_path / "jobs.db-wal").exists()
    figures.note(
        f"{JOBS:,} jobs beside another connection that never lets go of an old state of the file",
        f"all went through; write-ahead log {held.wal / MEBIBYTE:.0f} MiB, for nothing can be done against who is not"
        f" ours, and gone after that; resident size {held.slope / MEBIBYTE:.3f} MiB for each 10,000",
    )
