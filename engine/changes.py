"""Owns the note of what one group of writes touched, from which the manager sees whom to tell after the commit."""

from __future__ import annotations

import math


class Changes:
    """What was touched since the last ``clear()``; too much is harmless, too little is not."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self.jobs: set[int] = set()  # state, progress or number of children changed
        self.parents: set[int] = set()  # children came, or changed their state
        self.has_due_work = False  # a job became claimable
        self.wake_at = math.inf  # the earliest time that something falls due or a lease ends; seconds since the epoch

    def note_due(self, run_at: float, now: float) -> None:
        """Note that a pending job is claimable from *run_at* on."""
        if run_at <= now:
            self.has_due_work = True
        else:
            self.wake_at = min(self.wake_at, run_at)

    def touch(self, job_id: int, parent_id: int | None) -> None:
        """Note that a job changed its state."""
        self.jobs.add(job_id)
        if parent_id is not None:
            self.parents.add(parent_id)

    @property
    def touched(self) -> set[int]:
        """All jobs whose picture, with that of their children, may differ."""
        return self.jobs | self.parents
