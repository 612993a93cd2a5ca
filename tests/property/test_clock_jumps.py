"""The wall clock is set, slept through and stands still, beside leases and a busy engine (I20)."""

from __future__ import annotations

from pathlib import Path

import pytest
from busy_clocks import be_busy
from lease_clocks import jump_often


@pytest.mark.parametrize("seed", range(3))
def test_lease_that_is_renewed_in_time_outlasts_any_clock(tmp_path: Path, seed: int) -> None:
    """Who renews as time passes keeps its lease and has its result taken, and who has died loses it."""
    done = jump_often(tmp_path / "jobs.db", 300, seed)

    assert done.expired > 0


@pytest.mark.parametrize("seed", range(2))
def test_busy_engine_outlasts_any_clock(tmp_path: Path, seed: int) -> None:
    """While the clock jumps nothing is lost or done twice, no fire time is doubled, and the engine stays well."""
    be_busy(tmp_path / "jobs.db", 15, seed)
