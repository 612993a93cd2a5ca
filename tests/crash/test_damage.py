"""A database is damaged in two hundred ways, and each is refused or told of; nothing crashes or hangs."""

from __future__ import annotations

from pathlib import Path

from damage_driver import damage_often

CASES = 200


def test_damaged_database_is_refused_or_told_of(tmp_path: Path) -> None:
    """What is refused is left byte for byte; what lies deeper is told by whoever meets it and by the examination."""
    done = damage_often(tmp_path, CASES, seed=0)

    assert done.refused > CASES // 5
    assert done.reported > CASES // 5
