"""Owns what is told of changes after their commit: facts, in the order of the commits."""

from __future__ import annotations

from collections.abc import Iterable

from .changes import Move
from .records import STATES, Record, State


class Event(Record, frozen=True, kw_only=True, tag=True):
    """A fact; *number* grows by one with each, from 1 for the first after the engine's start."""

    number: int
    at: float  # of the commit, in seconds since the epoch


class JobMoved(Event, frozen=True, kw_only=True):
    """A job changed its state; a new job has no old state, a deleted one no new one."""

    job_id: int
    parent_id: int | None
    queue: str
    kind: str
    old: State | None
    new: State | None


class EventsMissed(Event, frozen=True, kw_only=True):
    """A subscriber that reads too slowly lost this many events; the number is that of the last one lost."""

    count: int


def events_of(moves: Iterable[Move], *, first: int, at: float) -> list[Event]:
    """Return the events of *moves*, numbered from *first* on."""
    return [
        JobMoved(
            number=number,
            at=at,
            job_id=move.job_id,
            parent_id=move.parent_id,
            queue=move.queue,
            kind=move.kind,
            old=None if move.old is None else STATES[move.old],
            new=None if move.new is None else STATES[move.new],
        )
        for number, move in enumerate(moves, first)
    ]
