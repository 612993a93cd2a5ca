"""Owns who goes next where several can: an order that can be written down, replayed and made smaller."""

from __future__ import annotations

import random
from collections.abc import Mapping

import msgspec

PREEMPT_ONE_IN = 3  # of what is sent: then somebody else may run before the sender goes on
PREEMPTED = 1  # of the numbers below that


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who goes next: first come, first served, but for what *seed* or *turns* say.

    With a *seed* every choice is drawn; else *turns* has the choices that are not the first one, by their number. Its
    repr is all that it takes to have the same order again.
    """

    seed: int | None = None
    turns: Mapping[int, int] = {}  # number of the choice, from 1 on: which of those that can go

    def __repr__(self) -> str:
        """Return what makes it."""
        if self.seed is not None:
            return f"Schedule(seed={self.seed})"
        return f"Schedule(turns={dict(self.turns)})" if self.turns else "Schedule()"


class Chooser:
    """Makes the choices of a schedule, one after the other."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.made = 0
        self._random = None if schedule.seed is None else random.Random(schedule.seed)  # noqa: S311 - an order, no secret

    def choose(self, among: int) -> int:
        """Return which of so many goes next, from 0 on."""
        self.made += 1
        if self._random is not None:
            return self._random.randrange(among)
        return self.schedule.turns.get(self.made, 0) % among

    def preempts(self) -> bool:
        """Whether somebody else runs before the one who sends goes on."""
        return self.choose(PREEMPT_ONE_IN) == PREEMPTED
