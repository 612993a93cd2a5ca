"""A busy engine is killed sixty times with SIGKILL, in its work, its start and its stop (I1, I11, I12, I13, I20)."""

from __future__ import annotations

from pathlib import Path

from kill_driver import kill_often

KILLS = 60


def test_busy_engine_survives_kills(tmp_path: Path) -> None:
    """Nothing acknowledged is lost, no batch is half there, all rows agree, and in the end every job ends."""
    done = kill_often(tmp_path, KILLS, seed=20_261_125)

    assert done.acknowledged > 10 * KILLS
    assert done.starting > 0
    assert done.stopping > 0
