"""The wall clock is set, slept through and stands still, thousands of times, beside leases and busy engines (I20)."""

from __future__ import annotations

from pathlib import Path

from busy_clocks import be_busy
from figures import Figures
from lease_clocks import jump_often

SEEDS = 40


def test_leases_that_are_renewed_in_time_outlast_any_clock(tmp_path: Path, figures: Figures) -> None:
    """Who renews as time passes keeps its lease and has its result taken, and who has died loses it."""
    done = [jump_often(tmp_path / f"{seed}.db", 2_500, 1_000 + seed) for seed in range(SEEDS)]

    jumps, renewals = sum(one.jumps for one in done), sum(one.renewals for one in done)
    figures.note(
        f"{jumps:,} settings of the wall clock, by an hour to ten years either way, and sleeps, among {renewals:,}"
        f" renewals of leases ({SEEDS} seeds)",
        f"0 leases lost or held twice, 0 results refused; {sum(one.expired for one in done):,} of the dead ended",
    )


def test_busy_engines_outlast_any_clock(tmp_path: Path, figures: Figures) -> None:
    """While the clock jumps nothing is lost or done twice, no fire time is doubled, and the engine stays well."""
    done = [be_busy(tmp_path / f"{seed}.db", 50, 1_000 + seed) for seed in range(SEEDS)]

    jobs, fired = sum(one.jobs for one in done), sum(one.fired for one in done)
    figures.note(
        f"{sum(one.jumps for one in done):,} jumps of the clock of a busy engine, summer and winter time of five zones"
        f" among them ({SEEDS} seeds)",
        f"{jobs:,} jobs done once each, {fired:,} fire times with one job each, the engine running throughout",
    )
