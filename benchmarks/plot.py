"""Owns the pictures: for each group one SVG with a panel a question, a bar a contender and a line from low to high.

Pure functions; bars are to scale within a panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from question import SUBJECT, Outcome
from tables import number
from verdict import Spread, figure_of

WIDTH, LEFT, RIGHT = 760, 210, 90
BAR, GAP, HEAD = 16, 6, 34
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.head{font-weight:600}.bar{fill:#8c959f}.ours{fill:#0969da}"
    ".spread{stroke:#24292f;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.spread{stroke:#e6edf3}.bar{fill:#6e7681}.ours{fill:#4493f8}}"
)


def picture(outcomes: Sequence[Outcome]) -> str:
    """Return the SVG of a group."""
    parts, top = [], 0
    for outcome in outcomes:
        drawn, height = panel(outcome, top)
        parts.append(drawn)
        top += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">'
        f"<style>{STYLE}</style>\n{''.join(parts)}</svg>\n"
    )


def panel(outcome: Outcome, top: int) -> tuple[str, int]:
    """Return the bars of one question, and their height."""
    question = outcome.question
    spreads = {one.name: figure_of(outcome.samples, one.name, question.figure) for one in question.contenders}
    most = max((found.high for found in spreads.values() if found is not None), default=0.0) or 1.0
    lines = [text(0, top + 20, f"{question.name}, {question.unit}", "head")]
    for position, (name, found) in enumerate(spreads.items()):
        lines += bar(name, found, most, top + HEAD + position * (BAR + GAP))
    return "".join(lines), HEAD + len(spreads) * (BAR + GAP) + GAP


def bar(name: str, found: Spread | None, most: float, top: int) -> list[str]:
    """Return the lines of one contender."""
    middle = top + BAR - 4
    lines = [text(0, middle, name)]
    if found is None:
        return [*lines, text(LEFT, middle, "not measured")]
    scale = (WIDTH - LEFT - RIGHT) / most
    kind = "ours" if name == SUBJECT else "bar"
    half = top + BAR / 2
    return [
        *lines,
        f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{found.median * scale:.1f}" height="{BAR}"/>\n',
        f'<line class="spread" x1="{LEFT + found.low * scale:.1f}" x2="{LEFT + found.high * scale:.1f}"'
        f' y1="{half:.1f}" y2="{half:.1f}"/>\n',
        text(LEFT + found.high * scale + 6, middle, number(found.median)),
    ]


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Return a text at a place."""
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text{of_kind} x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>\n'
