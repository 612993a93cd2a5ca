"""Owns the note of how long jobs take: what is quick is leased ahead and reported together, all else one by one.

What is leased ahead waits behind what runs, so it is never more than a moment's work.
"""

from __future__ import annotations

QUICK_S = 0.001  # jobs of a kind that take less on average are leased ahead
BATCH_S = 0.064  # of work, done one after another, is reported together
MOST = 256  # jobs of it
SLOW_S = 0.004  # and what was leased ahead of jobs that take more is given back
SHARE_S = 0.005  # of work is one thread's: another one would wait as long for the interpreter
WEIGHT = 0.1  # of the newest duration in the average


class Pace:
    """How long the jobs of one queue take; used under its pool's lock."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}  # seconds by kind
        self.batch = int(BATCH_S / QUICK_S)  # how many quick jobs are reported together

    def note(self, kind: str, took_s: float) -> None:
        """Note how long a job took."""
        mean = self._means.get(kind)
        self._means[kind] = took_s if mean is None else mean + WEIGHT * (took_s - mean)

    def is_quick(self, kind: str) -> bool:
        """Whether jobs of *kind* are quick, as far as is known."""
        return self._means.get(kind, QUICK_S) < QUICK_S

    def ahead(self) -> int:
        """Return how many jobs to lease beyond the slots: a batch to run and one to report; none if one is slow."""
        if self._slowest >= QUICK_S:
            return 0
        self.batch = int(BATCH_S / max(self._slowest, BATCH_S / MOST))
        return 2 * self.batch

    @property
    def is_slow(self) -> bool:
        """Whether some job takes so long that what was leased ahead is no moment's work."""
        return self._slowest >= SLOW_S

    def threads(self, jobs: int) -> int:
        """Return among how many threads to share *jobs* that wait: among as many where one may be slow."""
        return min(jobs, 1 + int(jobs * self._slowest / SHARE_S)) if self._slowest < QUICK_S else jobs

    @property
    def _slowest(self) -> float:
        return max(self._means.values(), default=QUICK_S)
