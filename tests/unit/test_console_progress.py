"""Tests of the display of a run: plain lines when something changed, a live line on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bequest.console.progress import PLAIN_AGAIN_S, PLAIN_EVERY_S, LiveDisplay, PlainDisplay, display_for
from bequest.engine.records import Counts, State
from bequest.engine.run_status import RunStatus
from bequest.testing.manual_clock import ManualClock


def at(completed: int, running: int = 1) -> RunStatus:
    """Return where a run stands."""
    return RunStatus(job_id=1, state=State.WAITING, pages=Counts(completed=completed, running=running))


@pytest.fixture
def stream() -> io.StringIO:
    """Give what is written to."""
    return io.StringIO()


def test_plain_display_prints_changes_and_not_too_often(stream: io.StringIO, clock: ManualClock) -> None:
    """A line is printed at once, and then when some seconds have passed and something changed."""
    display = PlainDisplay(Console(file=stream), clock)

    for completed in (0, 1, 2):
        display.show(at(completed))
    clock.advance(PLAIN_EVERY_S)
    for completed in (2, 2):
        display.show(at(completed))

    assert stream.getvalue().splitlines() == [
        "0 of 1 page stored, 1 running",
        "2 of 3 pages stored, 1 running",
    ]


def test_plain_display_gives_a_sign_of_life(stream: io.StringIO, clock: ManualClock) -> None:
    """A line is printed again when nothing changed for long."""
    display = PlainDisplay(Console(file=stream), clock)

    display.show(at(0))
    clock.advance(PLAIN_EVERY_S)
    display.show(at(0))
    clock.advance(PLAIN_AGAIN_S)
    display.show(at(0))

    assert len(stream.getvalue().splitlines()) == 2


@pytest.mark.parametrize(("width", "has_bar"), [(100, True), (40, False)])
def test_live_display_fits_on_its_terminal(stream: io.StringIO, clock: ManualClock, width: int, has_bar: bool) -> None:
    """The live line shows elapsed time and counts, with a bar where there is room, and is gone in the end."""
    console = Console(file=stream, force_terminal=True, width=width, color_system=None)

    with LiveDisplay(console, clock) as display:
        clock.advance(75)
        display.show(at(3, running=1))

    assert "1:15 3 of 4 pages stored" in stream.getvalue()
    assert ("━" in stream.getvalue()) is has_bar
    assert stream.getvalue().endswith("\x1b[1A\x1b[2K")


def test_live_display_writes_ascii_where_it_must(clock: ManualClock) -> None:
    """On a terminal without Unicode the live line is made of ASCII."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)

    with LiveDisplay(console, clock) as display:
        display.show(at(3))

    assert b"3 of 4 pages stored" in raw.getvalue()


def test_display_is_live_only_where_somebody_looks(stream: io.StringIO) -> None:
    """A pipe gets plain lines, whatever the environment says of colours."""
    console = Console(file=stream, force_terminal=True)

    assert isinstance(display_for(console, is_live=False), PlainDisplay)
    assert isinstance(display_for(console, is_live=True), LiveDisplay)
