"""The disk is full for a while, and the engine goes on by itself when it is not (I1)."""

from __future__ import annotations

from pathlib import Path

from full_disk_driver import fill_for
from real_full_driver import work_under_a_limit

MINUTES = 2


def test_full_disk_costs_nothing_but_time(tmp_path: Path) -> None:
    """A minute without room makes few attempts and a line of the log, and then every job ends, without a restart."""
    found = fill_for(tmp_path, MINUTES * 60)

    assert found.completed == found.acknowledged
    assert found.restarts == 0
    assert 0 < len(found.lines) <= 1 + MINUTES
    assert found.failed < 3 * 60 * MINUTES
    assert found.operations < 60 * 60 * MINUTES
    assert len(found.refused) == 6 * MINUTES
    assert all("Full: database or disk is full" in error for error in found.refused)


def test_disk_that_is_really_full_loses_nothing(tmp_path: Path) -> None:
    """Where the system itself refuses to write, calls say so, and the same engine goes on when there is room (I1)."""
    found = work_under_a_limit(tmp_path)

    assert found.lost == 0
    assert found.acknowledged > 10
    assert found.is_well
    assert len(found.errors) == 5
    assert all("database or disk is full" in error or "disk I/O error" in error for error in found.errors)
