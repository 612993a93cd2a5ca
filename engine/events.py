"""Owns what is told of changes after their commit: facts, in the order of the commits."""

from __future__ import annotations

from collections.abc import Iterable

from .changes import LoggedIn, LoginRefusal, Move, Notice, Stall
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


class RunStalled(Event, frozen=True, kw_only=True):
    """All that is unfinished of a run waits for a credential; the reason is that of one of its pages."""

    job_id: int
    auth_id: str
    reason: str


class SessionRenewed(Event, frozen=True, kw_only=True):
    """A scripted login gave a credential a new session."""

    auth_id: str
    version: int


class LoginFailed(Event, frozen=True, kw_only=True):
    """A scripted login led to no session; after the third in a row there is none until somebody puts a session."""

    auth_id: str
    failed_logins: int
    reason: str


class EventsMissed(Event, frozen=True, kw_only=True):
    """A subscriber that reads too slowly lost this many events; the number is that of the last one lost."""

    count: int


def events_of(facts: Iterable[Move | Notice], *, first: int, at: float) -> list[Event]:
    """Return the events of what has happened, numbered from *first* on."""
    return [_event_of(fact, number, at) for number, fact in enumerate(facts, first)]


def _event_of(fact: Move | Notice, number: int, at: float) -> Event:
    match fact:
        case Stall():
            return RunStalled(number=number, at=at, **fact._asdict())
        case LoggedIn():
            return SessionRenewed(number=number, at=at, **fact._asdict())
        case LoginRefusal():
            return LoginFailed(number=number, at=at, **fact._asdict())
    return JobMoved(
        number=number,
        at=at,
        job_id=fact.job_id,
        parent_id=fact.parent_id,
        queue=fact.queue,
        kind=fact.kind,
        old=None if fact.old is None else STATES[fact.old],
        new=None if fact.new is None else STATES[fact.new],
    )
