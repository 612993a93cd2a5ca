"""The power is cut, in the model, at every kind of operation of a store and of a whole engine (I1, I12, I13)."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_cut_driver import cut_engines
from power_cut_driver import cut_power

from bequest.engine.database_connection import Durability

SEED = 20_261_125
CUTS = 2_000
CONTROLS = 200
ENGINES = 24


def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """No cut takes a commit or halves one, and each leaves a file that is whole, its keys and counters right."""
    tally = cut_power(tmp_path, CUTS, SEED)

    assert tally.faults == []
    assert tally.lost == 0
    assert tally.kept > 0
    assert set(tally.operations) == {"read", "write", "sync", "truncate", "open", "delete"}
    assert set(tally.doings) == {"open", "group", "idle", "checkpoint", "truncate", "close"}


@pytest.mark.parametrize(
    ("durability", "lies"), [("relaxed", False), ("full", True)], ids=["relaxed durability", "a disk that lies"]
)
def test_power_cuts_take_what_was_not_synced(tmp_path: Path, durability: Durability, lies: bool) -> None:
    """The model can lose: where commits are not synced, or the disk lies about it, cuts take some of them."""
    tally = cut_power(tmp_path, CONTROLS, SEED, durability=durability, lies=lies)

    assert tally.lost > CONTROLS / 20
    assert lies or tally.faults == []  # what is left is whole and in order, also where the newest is gone


def test_engine_goes_on_after_a_power_cut(tmp_path: Path) -> None:
    """A whole engine whose power went has lost no job and no end that it told of, and another completes the rest."""
    tally = cut_engines(tmp_path, ENGINES, SEED)

    assert tally.faults == []
    assert tally.acknowledged > ENGINES
