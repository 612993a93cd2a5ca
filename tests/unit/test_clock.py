"""The time of this machine, as everything else is given it."""

from __future__ import annotations

import time

from bequest.engine.clock import Clock, SystemClock


def test_system_clock_reads_the_machines_clocks() -> None:
    """Both readings lie between two of the machine's own."""
    clock: Clock = SystemClock()

    wall = [time.time(), clock.now(), time.time()]  # noqa: TID251 - what the clock is compared with
    steady = [time.monotonic(), clock.monotonic(), time.monotonic()]  # noqa: TID251

    assert wall == sorted(wall)
    assert steady == sorted(steady)
