"""The owner of a database is killed in all company, and its lock ends with it."""

from __future__ import annotations

from pathlib import Path

from lock_driver import kill_owners


def test_lock_ends_with_a_killed_owner_whoever_outlives_it(tmp_path: Path) -> None:
    """A fork of the owner, a program that it started and a handler's process keep nobody out when it is dead."""
    kill_owners(tmp_path, 12, seed=20_261_125)
