"""Owns ``ManualClock``: time that passes only when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable


class ManualClock:
    """A ``Clock`` that stands still until it is advanced; any thread may read or move it.

    When ``advance`` or ``jump`` returns, every engine on this clock has been told to look at what is due, so that what
    is asked of it after that, such as ``wait_idle``, comes after.
    """

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self._lock = threading.Lock()
        self._now = start
        self._monotonic = 0.0
        self._woken: dict[object, Callable[[], None]] = {}

    def now(self) -> float:
        """Return the wall-clock time in seconds since the epoch."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced since the clock was made; ``jump`` does not move it."""
        with self._lock:
            return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass on both readings; raises ``ValueError`` for a negative number."""
        if seconds < 0:
            raise ValueError(f"time cannot pass backwards, got {seconds} seconds; use jump() to set the wall clock")
        with self._lock:
            self._now += seconds
            self._monotonic += seconds
        self._wake()

    def jump(self, to: float) -> None:
        """Set the wall clock alone to *to*, forwards or backwards, as a person or NTP would."""
        with self._lock:
            self._now = to
        self._wake()

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have *wake* called after each ``advance`` and ``jump``, on the thread that does it; return what ends that."""
        name = object()
        with self._lock:
            self._woken[name] = wake

        def forget() -> None:
            with self._lock:
                self._woken.pop(name, None)

        return forget

    def _wake(self) -> None:
        with self._lock:
            woken = tuple(self._woken.values())
        for wake in woken:
            wake()
