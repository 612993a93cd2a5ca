"""Owns the moment at which a code is made: as it is typed, with time enough left to arrive, and each once."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress

from ..engine.clock import Clock
from ..engine.secret import Secret
from ..engine.totp import Totp

MARGIN_S = 2.0  # what a code must hold yet when it is typed
MAX_WAIT_S = 30.0  # for a code that was not typed yet; a login has no more time


class FreshCodes:
    """Makes codes for logins, and knows which it has made; used on one loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[bytes, int] = {}  # by a digest of the seed, the newest period that a code was made in

    async def take(self, totp: Totp) -> Secret:
        """Return a code that holds for two seconds at least and that a site has not seen: it takes each once.

        Waits for the next one where this one ends sooner or was typed before (RFC 6238, 5.2).
        """
        loop = asyncio.get_running_loop()
        was_set = asyncio.Event()
        seed = hashlib.blake2b(totp.seed.reveal().encode(), digest_size=16).digest()

        def wake() -> None:
            loop.call_soon_threadsafe(was_set.set)

        forget = self._clock.on_set(wake)
        try:
            while self._is_spent(totp, seed):
                with suppress(TimeoutError):
                    async with asyncio.timeout(totp.left_s(self._clock.now())):
                        await was_set.wait()
                was_set.clear()
            now = self._clock.now()
            self._made[seed] = int(now // totp.period_s)
            return totp.code(now)
        finally:
            forget()

    def _is_spent(self, totp: Totp, seed: bytes) -> bool:
        now = self._clock.now()
        left_s = totp.left_s(now)
        return left_s < MARGIN_S or (left_s <= MAX_WAIT_S and self._made.get(seed) == int(now // totp.period_s))
