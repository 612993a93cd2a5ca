"""Tests that the picture of the states shows the table of transitions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from bequest.engine.records import TRANSITIONS, State

PAGE = Path(__file__).parents[2] / "docs" / "state_machine.md"
START = "[*]"


def test_picture_shows_every_transition_with_its_label_and_no_other() -> None:
    """The arrows between states in the docs are exactly the table, labels and all (I2)."""
    lines = [line.strip() for line in PAGE.read_text("utf-8").splitlines() if "-->" in line]

    arrows = [re.fullmatch(r"(\S+) --> (\S+): (.+)", line) for line in lines]

    shown = [arrow.groups() for arrow in arrows if arrow and arrow[1] != START]
    table = [(source, target, label) for source, targets in TRANSITIONS.items() for target, label in targets.items()]
    assert all(arrows)
    assert sorted(shown) == sorted(table)


def test_picture_is_what_the_script_draws(tmp_path: Path) -> None:
    """The script beside the page draws the picture that stands on it, and changes nothing else there."""
    for name in ("state_machine.py", "state_machine.md"):
        (tmp_path / name).write_text((PAGE.parent / name).read_text("utf-8"), encoding="utf-8")

    subprocess.run([sys.executable, tmp_path / "state_machine.py"], check=True, timeout=60)

    assert (tmp_path / "state_machine.md").read_text("utf-8") == PAGE.read_text("utf-8")


def test_page_says_what_every_state_means() -> None:
    """Each state has one line of the table on the page, in the order of the states."""
    states = re.findall(r"^\| `(\w+)` \| \S.* \|$", PAGE.read_text("utf-8"), re.MULTILINE)

    assert states == list(State)
