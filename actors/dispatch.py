"""Owns the count of the jobs that a worker was given, so that what it wants is not given twice.

What a worker is assigned reaches it later than it is given; what it wants meanwhile counts the same free slots again.
"""

from __future__ import annotations

from typing import NamedTuple


class Want(NamedTuple):
    """What a worker is free for."""

    jobs: int
    taken: int  # jobs that had reached it by then, of all that it was ever given


class Dispatch:
    """How many jobs one worker was given, those on their way too; changed by the manager alone."""

    def __init__(self) -> None:
        self._sent = 0
        self._uncommitted: list[tuple[int, int]] = []  # each with the number of rollbacks that it is good for

    def missing(self, want: Want, rollbacks: int) -> int:
        """Return how many jobs are yet to be given of those that are wanted."""
        given = self._sent + sum(jobs for at, jobs in self._uncommitted if at == rollbacks)
        return want.jobs - (given - want.taken)

    def give(self, jobs: int, rollbacks: int) -> None:
        """Note what is given in a group that is not committed."""
        self._uncommitted = [one for one in self._uncommitted if one[0] == rollbacks]
        self._uncommitted.append((rollbacks, jobs))

    def send(self, jobs: int) -> None:
        """Note that what was given first is committed, and on its way."""
        self._sent += jobs
        del self._uncommitted[:1]
