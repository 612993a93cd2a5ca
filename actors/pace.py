"""Owns the note of how long jobs take: what is quick is leased ahead and reported together, all else one by one.

What is leased ahead waits behind what runs, so it is never more than a moment's work.
"""

from __future__ import annotations

QUICK_S = 0.001  # jobs of a kind that take less on average are leased ahead
BATCH_S = 0.064  # of work, done one after another, is reported together
MOST = 256  # jobs of it
WEIGHT = 0.1  # of the newest duration in the average


class Pace:
    """How long the jobs of one queue take; used under its pool's lock."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}  # seconds by kind
        self._slowest = QUICK_S  # of them
        self.batch = int(BATCH_S / QUICK_S)  # how many quick jobs are reported together

    def note(self, kind: str, took_s: float) -> None:
        """Note how long a job took."""
        mean = self._means.get(kind)
        self._means[kind] = took_s if mean is None else mean + WEIGHT * (took_s - mean)

    def is_quick(self, kind: str) -> bool:
        """Whether jobs of *kind* are quick, as far as is known."""
        return self._means.get(kind, QUICK_S) < QUICK_S

    def look(self) -> int:
        """Return how many jobs to lease beyond the slots: a batch to run and one to report; none if one is slow."""
        slowest = max(self._means.values(), default=QUICK_S)
        if slowest >= QUICK_S:
            return 0
        self.batch = min(MOST, int(BATCH_S / max(slowest, BATCH_S / MOST)))
        return 2 * self.batch
