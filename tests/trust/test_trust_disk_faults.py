"""Each single operation of the disk fails under a whole engine, with each error, once and for good (I1, I11, I12)."""

from __future__ import annotations

from pathlib import Path

from fault_driver import fail_each, plans_of
from figures import Figures

SEED = 20_261_126


def test_engine_outlives_each_operation_that_fails(tmp_path: Path, figures: Figures) -> None:
    """It goes on or says that it has failed, names the true cause, and has all that it acknowledged once."""
    tally = fail_each(tmp_path, plans_of(tmp_path, 1.0, SEED))

    assert tally.faults == []
    figures.note(
        f"each write, sync, truncate, read, open and delete of an engine's life failed, with an I/O error and as full,"
        f" once and from then on: {tally.runs:,} runs (seed {SEED})",
        f"{tally.met:,} faults met and {tally.refused:,} calls refused, each with the true cause; nothing acknowledged"
        f" was lost or doubled; {tally.runs - tally.failed:,} engines went on by themselves and {tally.failed} said"
        " `FAILED`",
    )
