"""Hundreds of storms of signals, at any moment from the start on: what ends by them ends in order (I19)."""

from __future__ import annotations

from pathlib import Path

import pytest
from figures import Figures
from signal_driver import storm_often

STORMS = 300
SEED = 20_261_126


@pytest.mark.parametrize("what", ["daemon", "crawl"])
def test_programs_in_storms_of_signals_end_in_order(tmp_path: Path, figures: Figures, what: str) -> None:
    """The exit code is the right one, nothing is leased or half closed, no process is left, and nothing is traced."""
    codes = storm_often(tmp_path, what, STORMS, SEED)

    by_code = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
    figures.note(
        f"{STORMS} storms of up to 20 signals within milliseconds on a {what}, from its start on (seed {SEED})",
        f"ended {by_code}; each closed its database and gave its leases back, 0 tracebacks, 0 processes left",
    )
