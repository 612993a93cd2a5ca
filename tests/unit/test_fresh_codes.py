"""Codes that still hold when they arrive."""

from __future__ import annotations

import asyncio

import pytest

from bequest import Secret
from bequest.actors.fresh_codes import MARGIN_S, fresh_code
from bequest.engine.totp import Totp
from bequest.testing.manual_clock import ManualClock

TOTP = Totp.read(Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"))
PERIOD_START = 1_000_000_020.0  # a multiple of thirty seconds


@pytest.mark.parametrize("left_s", [30.0, MARGIN_S])
def test_code_that_holds_is_given_at_once(left_s: float) -> None:
    """A code of which two seconds are left is the one that is typed."""
    clock = ManualClock(PERIOD_START + 30.0 - left_s)

    assert asyncio.run(fresh_code(TOTP, clock)) == TOTP.code(PERIOD_START)


def test_code_that_ends_is_waited_out() -> None:
    """Where less is left the next code is typed, once its time has come; other moves of the clock change nothing."""
    clock = ManualClock(PERIOD_START + 28.5)

    async def moved() -> tuple[bool, Secret]:
        waiting = asyncio.create_task(fresh_code(TOTP, clock))
        await asyncio.sleep(0)
        clock.advance(0.5)
        for _ in range(10):  # turns of the loop
            await asyncio.sleep(0)
        is_early = waiting.done()
        clock.advance(1.0)
        return is_early, await waiting

    assert asyncio.run(moved()) == (False, TOTP.code(PERIOD_START + 30))


def test_wait_for_a_code_ends_by_itself() -> None:
    """On a clock that nobody moves by hand the wait is as long as what is left."""

    class Passing(ManualClock):
        """One that passes by each look at it."""

        def now(self) -> float:
            now = super().now()
            self.jump(now + 0.001)
            return now

    clock = Passing(PERIOD_START + 29.999)

    assert asyncio.run(fresh_code(TOTP, clock)) == TOTP.code(PERIOD_START + 30)
