"""Single operations of the disk fail under a whole engine, once and for good (I1, I11, I12, I13)."""

from __future__ import annotations

from pathlib import Path

from fault_driver import fail_each, plans_of

SEED = 20_261_125
SHARE = 0.02


def test_engine_outlives_a_disk_that_fails(tmp_path: Path) -> None:
    """It goes on or says that it has failed, names the true cause, and in the end has all that it acknowledged once."""
    tally = fail_each(tmp_path, plans_of(tmp_path, SHARE, SEED))

    assert tally.faults == []
    assert tally.met > tally.runs * 0.7  # some runs have fewer operations than the one that was counted
    assert tally.refused > 0
