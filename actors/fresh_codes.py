"""Owns the moment at which a code is made: as it is typed, and with time enough left to arrive."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ..engine.clock import Clock
from ..engine.secret import Secret
from ..engine.totp import Totp

MARGIN_S = 2.0  # what a code must hold yet when it is typed


async def fresh_code(totp: Totp, clock: Clock) -> Secret:
    """Return a code that holds for two seconds at least; waits for the next one where this one ends sooner."""
    loop = asyncio.get_running_loop()
    was_set = asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(was_set.set)

    forget = clock.on_set(wake)
    try:
        while (left_s := totp.left_s(clock.now())) < MARGIN_S:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await was_set.wait()
            was_set.clear()
        return totp.code(clock.now())
    finally:
        forget()
