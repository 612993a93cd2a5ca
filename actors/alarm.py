"""Owns the one timer: a thread that sleeps until the earliest time asked for and then tells somebody.

A sweep each minute is the net under it: after a jump of the clock what is due is at most so late (I20). A clock that is
moved by hand, as in tests, says so, and then it rings at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..engine.clock import Clock
from .threads import OS_THREADS, Threads

SWEEP_S = 60.0


class Alarm:
    """Calls *ring* when a time set with ``set`` has come, and at every sweep; on its own thread."""

    def __init__(self, clock: Clock, ring: Callable[[], None], threads: Threads = OS_THREADS) -> None:
        self._clock = clock
        self._ring = ring
        self._at = math.inf
        self._is_stopped = False
        self._changed = threads.condition()
        self._forget: Callable[[], None] = lambda: None
        self._thread = threads.thread(self._run, "bequest-alarm")

    def start(self) -> None:
        """Start the thread."""
        self._forget = self._clock.on_set(self._clock_was_set)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if it was started; it has ended on return."""
        self._forget()
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def set(self, at: float) -> None:
        """Ring at *at*, in seconds since the epoch, unless it is set to ring earlier; any thread may call."""
        if at >= self._at:
            return
        with self._changed:
            if at < self._at:
                self._at = at
                self._changed.notify()

    def _clock_was_set(self) -> None:
        """Ring on the thread that moved the clock, so that all has been told when the move is over."""
        with self._changed:
            if self._at <= self._clock.now():
                self._at = math.inf
            self._changed.notify()
        self._ring()

    def _run(self) -> None:
        sweep_at = self._clock.monotonic() + SWEEP_S
        while True:
            with self._changed:
                if self._is_stopped:
                    return
                left_s = min(self._at - self._clock.now(), sweep_at - self._clock.monotonic())
                if left_s > 0:
                    self._changed.wait(left_s)
                    continue
                self._at = math.inf
            sweep_at = self._clock.monotonic() + SWEEP_S
            self._ring()
