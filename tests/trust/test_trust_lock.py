"""The owner of a database is killed two hundred times in all company, and its lock ends with it."""

from __future__ import annotations

from pathlib import Path

from figures import Figures
from lock_driver import kill_owners

KILLS = 200
SEED = 20_261_126


def test_lock_ends_with_two_hundred_killed_owners(tmp_path: Path, figures: Figures) -> None:
    """A fork of the owner, a program that it started and a handler's process keep nobody out when it is dead."""
    kill_owners(tmp_path, KILLS, SEED)

    figures.note(
        f"{KILLS} owners killed: alone, with forks, with programs that inherit all, with handlers (seed {SEED})",
        "each kept others out while it lived, and its file was taken over at once, with what it had left still alive",
    )
