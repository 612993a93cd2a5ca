"""The power is cut, in the model, at tens of thousands of operations (I1, I12, I13)."""

from __future__ import annotations

from pathlib import Path

from engine_cut_driver import cut_engines
from figures import Figures
from power_cut_driver import cut_power

SEED = 20_261_126
CUTS = 20_000
CONTROLS = 1_000
ENGINES = 500


def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path, figures: Figures) -> None:
    """No cut takes a commit or halves one, and each leaves a file that is whole, its keys and counters right."""
    tally = cut_power(tmp_path, CUTS, SEED)

    assert tally.faults == []
    assert tally.lost == 0
    doings = ", ".join(f"{count:,} in {doing}" for doing, count in sorted(tally.doings.items()))
    figures.note(
        f"{tally.cuts:,} power cuts of a store under `full`, sectors surviving by chance ({doings}; seed {SEED})",
        f"{tally.lost} acknowledged writes lost, {len(tally.faults)} half batches, integrity ok after each;"
        f" {tally.kept:,} commits under way were kept",
    )


def test_power_cuts_take_what_was_not_synced(tmp_path: Path, figures: Figures) -> None:
    """The model can lose: where commits are not synced, or the disk lies about it, cuts take some of them."""
    (relaxed := tmp_path / "relaxed").mkdir()
    (lying := tmp_path / "lying").mkdir()
    unsynced = cut_power(relaxed, CONTROLS, SEED, durability="relaxed")
    lied_to = cut_power(lying, CONTROLS, SEED, lies=True)

    assert min(unsynced.lost, lied_to.lost) > CONTROLS / 20
    assert unsynced.faults == []
    figures.note(
        f"controls: {CONTROLS:,} cuts under `relaxed`, and {CONTROLS:,} on a disk that lies about its syncs",
        f"{unsynced.lost} of {unsynced.cuts:,} and {lied_to.lost} of {lied_to.cuts:,} cuts took acknowledged writes;"
        f" what was left was damaged after {len(unsynced.faults)} and {len(lied_to.faults)}",
    )


def test_engines_go_on_after_a_power_cut(tmp_path: Path, figures: Figures) -> None:
    """A whole engine whose power went has lost nothing that it told of, and another one completes the rest."""
    tally = cut_engines(tmp_path, ENGINES, SEED)

    assert tally.faults == []
    figures.note(
        f"{tally.cuts} power cuts of a whole engine, at any operation of its life (seed {SEED})",
        f"0 of {tally.acknowledged:,} acknowledged jobs lost or doubled, and the next engine completed all of them",
    )
