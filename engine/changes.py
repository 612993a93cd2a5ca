"""Owns the note of what one group of writes did, from which it is seen whom to tell after the commit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Move(NamedTuple):
    """A job that changed its state; a new one has no old state, a deleted one no new one."""

    job_id: int
    parent_id: int | None
    queue: str
    kind: str
    old: int | None  # positions in engine.records.STATES
    new: int | None


class Stall(NamedTuple):
    """A run of which all that is unfinished waits for a credential."""

    job_id: int
    auth_id: str
    reason: str


class LoggedIn(NamedTuple):
    """A credential that got a new session by a scripted login."""

    auth_id: str
    version: int


class LoginRefusal(NamedTuple):
    """A scripted login that did not lead to a session, and how many did not in a row."""

    auth_id: str
    failed_logins: int
    reason: str


Notice = Stall | LoggedIn | LoginRefusal


class Ripe(NamedTuple):
    """Parents for which something is to be done."""

    to_judge: tuple[int, ...]  # sealed: they end, or take their own step
    to_go_on: tuple[int, ...]  # not sealed: their next step is due


class Mark(NamedTuple):
    """What was noted at some point."""

    moves: int
    notices: int
    lost_leases: frozenset[int]


class Changes:
    """What was done since the last ``clear()``.

    *moves*, *notices* and *lost_leases* are exact; of the rest too much is harmless, too little is not.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self.moves: list[Move] = []  # in order
        self.notices: list[Notice] = []  # what else is told of; in order
        self.page_roots: set[int] = set()  # runs of which a page's attempt ended, so that they may be stalled
        self.jobs: set[int] = set()  # state or progress changed
        self.parents: set[int] = set()  # children came, or changed their state
        self.lost_leases: set[int] = set()  # running jobs that were cancelled
        self.has_due_work = False  # a job became claimable
        self.wake_at = math.inf  # the earliest time that something falls due or a lease ends; seconds since the epoch

    def move(self, moves: Iterable[Move]) -> None:
        """Note that jobs changed their state."""
        noted = list(moves)
        self.moves += noted
        self.jobs.update([move.job_id for move in noted])
        self.parents.update([move.parent_id for move in noted if move.parent_id is not None])

    def mark(self) -> Mark:
        """Return where the note stands, for ``undo``."""
        return Mark(len(self.moves), len(self.notices), frozenset(self.lost_leases))

    def undo(self, mark: Mark) -> None:
        """Forget what was noted after *mark*, because it was undone."""
        del self.moves[mark.moves :]
        del self.notices[mark.notices :]
        self.lost_leases = set(mark.lost_leases)

    def note_due(self, run_at: float, now: float) -> None:
        """Note that a pending job is claimable from *run_at* on."""
        if run_at <= now:
            self.has_due_work = True
        else:
            self.wake_at = min(self.wake_at, run_at)
