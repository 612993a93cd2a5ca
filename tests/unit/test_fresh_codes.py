"""Codes that still hold when they arrive."""

from __future__ import annotations

import asyncio

import pytest

from bequest import Secret
from bequest.actors.fresh_codes import MARGIN_S, FreshCodes
from bequest.engine.totp import Totp
from bequest.testing.manual_clock import ManualClock

TOTP = Totp.read(Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"))
PERIOD_START = 1_000_000_020.0  # a multiple of thirty seconds


@pytest.mark.parametrize("left_s", [30.0, MARGIN_S])
def test_code_that_holds_is_given_at_once(left_s: float) -> None:
    """A code of which two seconds are left is the one that is typed."""
    clock = ManualClock(PERIOD_START + 30.0 - left_s)

    assert asyncio.run(FreshCodes(clock).take(TOTP)) == TOTP.code(PERIOD_START)


def test_code_that_ends_is_waited_out() -> None:
    """Where less is left the next code is typed, once its time has come; other moves of the clock change nothing."""
    clock = ManualClock(PERIOD_START + 28.5)

    async def moved() -> tuple[bool, Secret]:
        waiting = asyncio.create_task(FreshCodes(clock).take(TOTP))
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

    assert asyncio.run(FreshCodes(clock).take(TOTP)) == TOTP.code(PERIOD_START + 30)


def test_code_is_not_typed_twice() -> None:
    """A site takes each once (RFC 6238, 5.2), so a second login within one period waits for the next."""
    clock = ManualClock(PERIOD_START)
    codes = FreshCodes(clock)

    async def typed() -> tuple[Secret, bool, Secret]:
        first = await codes.take(TOTP)
        waiting = asyncio.create_task(codes.take(TOTP))
        for _ in range(10):  # turns of the loop
            await asyncio.sleep(0)
        is_early = waiting.done()
        clock.advance(30.0)
        return first, is_early, await waiting

    assert asyncio.run(typed()) == (TOTP.code(PERIOD_START), False, TOTP.code(PERIOD_START + 30))


def test_code_of_another_seed_or_of_a_long_period_is_not_waited_for() -> None:
    """A login has not the time to wait for a period of minutes; the site may take the code once more."""
    codes = FreshCodes(ManualClock(PERIOD_START))
    slow = Totp.read(Secret("otpauth://totp/?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR&period=300"))

    async def typed() -> list[Secret]:
        return [await codes.take(one) for one in (TOTP, slow, slow)]

    assert asyncio.run(typed()) == [TOTP.code(PERIOD_START), *[slow.code(PERIOD_START)] * 2]
