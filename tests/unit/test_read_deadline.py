"""When a read is to end: at its time, and before it only for a WAL that is too large, and never in its first second."""

from __future__ import annotations

import pytest

from bequest.engine.read_deadline import ReadDeadline
from bequest.testing.manual_clock import ManualClock


@pytest.mark.parametrize(
    ("took", "is_large", "over"),
    [
        (0.0, False, False),
        (29.9, False, False),
        (30.0, False, True),
        (0.9, True, False),
        (1.0, True, True),
        (30.0, True, True),
    ],
)
def test_read_ends_at_its_time_or_for_a_large_wal(clock: ManualClock, took: float, is_large: bool, over: bool) -> None:
    """Each of the two ends it, and neither before its time."""
    deadline = ReadDeadline(clock, 30.0, gives_way_to=lambda: is_large)
    clock.advance(took)

    assert deadline.is_over() is over
    assert (deadline.why is not None) is over


def test_read_that_gives_no_way_ends_at_its_time_alone(clock: ManualClock) -> None:
    """However large the WAL is."""
    deadline = ReadDeadline(clock, 30.0, gives_way_to=None)
    clock.advance(29.0)

    assert not deadline.is_over()
    clock.advance(1.0)
    assert deadline.is_over()


def test_wall_clock_that_jumps_ends_no_read(clock: ManualClock) -> None:
    """Only time that passed counts (I20)."""
    deadline = ReadDeadline(clock, 30.0, gives_way_to=None)

    clock.jump(clock.now() + 1e6)

    assert not deadline.is_over()
