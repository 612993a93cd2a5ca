"""Storms of signals, at any moment from the start on: what ends by them ends in order (I19)."""

from __future__ import annotations

from pathlib import Path

import pytest
from signal_driver import storm_often

STORMS = 15


@pytest.mark.parametrize("what", ["daemon", "crawl"])
def test_program_in_a_storm_of_signals_ends_in_order(tmp_path: Path, what: str) -> None:
    """Its exit code is the right one, nothing is leased or half closed, no process is left, and nothing is traced."""
    codes = storm_often(tmp_path, what, STORMS, seed=20_261_125)

    assert codes.total() == STORMS
