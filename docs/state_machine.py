"""Draws the picture in ``docs/state_machine.md`` from the table of transitions; run it after a change of the table."""

from __future__ import annotations

import re
from pathlib import Path

from bequest.engine.records import FINAL_STATES, TRANSITIONS

PAGE = Path(__file__).with_suffix(".md")
PICTURE = re.compile(r"(?<=```mermaid\n)stateDiagram-v2\n.*?(?=```)", re.DOTALL)
BEGINNINGS = ("[*] --> pending: created", "[*] --> waiting: created as a parent")


def picture() -> str:
    """Return the picture as Mermaid text: the ways of a job's life first, then what a retry may do."""
    arrows = [
        (source in FINAL_STATES, f"{source} --> {target}: {label}")
        for source, targets in TRANSITIONS.items()
        for target, label in targets.items()
    ]
    lines = [*BEGINNINGS, *(line for _, line in sorted(arrows, key=lambda arrow: arrow[0]))]
    return "stateDiagram-v2\n" + "".join(f"    {line}\n" for line in lines)


def drawn(text: str) -> str:
    """Return the page's *text* with the picture as it should be."""
    return PICTURE.sub(lambda _: picture(), text)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text("utf-8")), encoding="utf-8")
