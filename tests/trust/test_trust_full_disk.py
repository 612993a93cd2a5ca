"""The disk is full, of a model for an hour and for real, and the engine goes on by itself (I1)."""

from __future__ import annotations

from pathlib import Path

from figures import Figures
from full_disk_driver import fill_for
from real_full_driver import work_on_a_small_disk, work_under_a_limit

MINUTES = 60


def test_disk_that_is_full_for_an_hour_costs_nothing_but_time(tmp_path: Path, figures: Figures) -> None:
    """Few attempts and a line of the log each minute, and then every job ends, without a restart."""
    found = fill_for(tmp_path, MINUTES * 60)

    assert found.completed == found.acknowledged
    assert found.restarts == 0
    assert len(found.lines) <= 1 + MINUTES
    assert found.failed < 3 * 60 * MINUTES
    figures.note(
        f"a disk that is full for {MINUTES} minutes of the engine's time, while 20 handlers end",
        f"{found.completed} of {found.acknowledged} acknowledged jobs completed after it, without a restart;"
        f" {found.failed / MINUTES:.0f} failed operations and {len(found.lines) / MINUTES:.1f} lines of log a minute",
    )


def test_disk_that_is_really_full_loses_nothing(tmp_path: Path, figures: Figures) -> None:
    """On a small disk of its own, and where none may be mounted under a limit on the size of files."""
    found = work_on_a_small_disk(tmp_path) or work_under_a_limit(tmp_path)

    assert found.lost == 0
    assert found.is_well
    assert all("database or disk is full" in error or "disk I/O error" in error for error in found.errors)
    figures.note(
        f"jobs enqueued on {found.way} until it was full, and again when there was room",
        f"{found.lost} of {found.acknowledged} acknowledged jobs lost, all completed, the same engine went on",
    )
