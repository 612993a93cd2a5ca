"""A database is damaged in five thousand ways, and each is refused or told of."""

from __future__ import annotations

from pathlib import Path

from damage_driver import damage_often
from figures import Figures

CASES = 5_000
SEED = 1_000_000


def test_damaged_database_is_refused_or_told_of_five_thousand_times(tmp_path: Path, figures: Figures) -> None:
    """What is refused is left byte for byte; what lies deeper is told by whoever meets it and by the examination."""
    done = damage_often(tmp_path, CASES, SEED)

    figures.note(
        f"{CASES:,} damaged files: header fields, pages, sectors, bits, texts, cuts, foreign and newer files,"
        f" write-ahead logs (seed {SEED})",
        f"{done.refused:,} refused and left as they were, {done.reported:,} told of by the operation that met it and by"
        f" the examination, {done.unnoticed:,} changed in what nothing can know; 0 crashes, 0 hangs, 0 other errors",
    )
