"""Owns ``ManualClock``: time that passes only when a test says so."""

from __future__ import annotations

import threading


class ManualClock:
    """A ``Clock`` that stands still until it is advanced; any thread may read or move it."""

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self._lock = threading.Lock()
        self._now = start
        self._monotonic = 0.0

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

    def jump(self, to: float) -> None:
        """Set the wall clock alone to *to*, forwards or backwards, as a person or NTP would."""
        with self._lock:
            self._now = to
