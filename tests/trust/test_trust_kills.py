"""A busy engine is killed a thousand times with SIGKILL (I1, I11, I12, I13, I20)."""

from __future__ import annotations

from pathlib import Path

from figures import Figures
from kill_driver import kill_often

KILLS = 1_000
SEED = 20_261_126


def test_busy_engine_survives_a_thousand_kills(tmp_path: Path, figures: Figures) -> None:
    """Nothing acknowledged is lost, no batch is half there, all rows agree, and in the end every job ends."""
    done = kill_often(tmp_path, KILLS, SEED)

    figures.note(
        f"{KILLS} kills of a busy engine, {done.starting} in its start and {done.stopping} in its stop (seed {SEED})",
        f"0 of {done.acknowledged:,} acknowledgements lost, 0 half batches, integrity ok after each, every job ended",
    )
