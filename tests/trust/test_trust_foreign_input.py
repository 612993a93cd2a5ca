"""Foreign input in full: each parser fuzzed by the branches that it takes, and long inputs drawn at random."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from figures import Figures
from fuzz_drive import pump, refuse
from fuzz_targets import TARGETS

PROGRAM = Path(__file__).with_name("fuzz_program.py")
RUNS = 200_000
PUMPS = 100
REFUSED = 5_000
SEED = 20261125


@pytest.mark.parametrize("name", TARGETS)
def test_foreign_input_is_read_or_refused_however_it_is_mutated(name: str, tmp_path: Path, figures: Figures) -> None:
    """No input that the fuzzer makes, led by what it reaches in the engine, brings out a fault (I16)."""
    options = [f"-runs={RUNS}", f"-seed={SEED}"]
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), name, str(tmp_path), *options], capture_output=True, text=True, errors="replace"
    )

    assert ended.returncode == 0, ended.stderr[-4_000:]
    done = re.search(r"#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)", ended.stderr)
    assert done is not None
    figures.note(
        f"{int(done[1]):,} inputs to {name}, guided by coverage, seed {SEED}",
        f"no fault; {done[2]} edges reached, {done[4]} inputs that reached something new",
    )


def test_foreign_input_of_drawn_pieces_costs_what_its_size_says(figures: Figures) -> None:
    """Whatever piece of whatever format is repeated, four times as many take no sixteen times the work."""
    worst = {name: pump(name, PUMPS, SEED) for name in TARGETS}

    name = max(worst, key=lambda one: worst[one])
    figures.note(
        f"{PUMPS} drawn pieces a target, of {len(worst)} targets, repeated 5,000 and 20,000 times, seed {SEED}",
        f"at most {worst[name]:.1f} times the work for four times the input ({name})",
    )


def test_foreign_input_that_is_refused_leaves_no_trace_in_full(tmp_path: Path, figures: Figures) -> None:
    """Nothing that is stored is changed by any file that was refused (I12)."""
    names = [name for name in TARGETS if name not in ("url", "page", "set_cookie", "totp", "key_file")]

    refused = refuse(tmp_path, names, count=REFUSED, seed=SEED)

    assert refused > REFUSED // 10
    figures.note(
        f"{REFUSED:,} mutated files imported into an engine, seed {SEED}", f"{refused:,} refused, none left a trace"
    )
