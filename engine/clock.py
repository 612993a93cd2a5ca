"""Owns the reading of time; every other module is given a ``Clock``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Return the wall-clock time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary origin that no clock change moves."""
        ...

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have *wake* called whenever a person moves this clock, on that person's thread; return what ends that.

        A clock that nobody moves but time itself calls nobody: who waits for a time on it waits just so long.
        """
        ...


class SystemClock:
    """The time of this machine."""

    def now(self) -> float:
        """Return the wall-clock time in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds from an arbitrary origin that no clock change moves."""
        return time.monotonic()

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call nobody: a machine does not say when its clock is set."""
        return lambda: None
