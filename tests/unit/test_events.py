"""Events as they are made of what a group did: one for each move, in order, with the words of the states."""

from __future__ import annotations

from bequest.engine.changes import LoggedIn, LoginRefusal, Move, Notice, Stall
from bequest.engine.events import EventsMissed, JobMoved, LoginFailed, RunStalled, SessionRenewed, events_of
from bequest.engine.records import State

KINDS = (JobMoved, EventsMissed, RunStalled, SessionRenewed, LoginFailed)


def event(number: int, job_id: int, parent_id: int | None, old: State | None, new: State | None) -> JobMoved:
    return JobMoved(number=number, at=9.0, job_id=job_id, parent_id=parent_id, queue="q", kind="k", old=old, new=new)


def test_each_move_is_an_event_with_the_next_number() -> None:
    """A new job has no old state and a deleted one no new state."""
    moves = [Move(7, None, "q", "k", None, 0), Move(8, 7, "q", "k", 0, 1), Move(8, 7, "q", "k", 5, None)]

    events = events_of(moves, first=5, at=9.0)

    assert events == [
        event(5, 7, None, None, State.PENDING),
        event(6, 8, 7, State.PENDING, State.RUNNING),
        event(7, 8, 7, State.CANCELLED, None),
    ]


def test_no_moves_are_no_events() -> None:
    """A group of reads has none."""
    assert events_of([], first=1, at=0.0) == []


def test_what_else_happened_comes_in_its_order() -> None:
    """A stalled run and the two ends of a login have events of their own."""
    facts: list[Notice] = [LoggedIn("wiki", 3), Stall(7, "wiki", "why"), LoginRefusal("wiki", 2, "wrong")]

    assert events_of(facts, first=5, at=9.0) == [
        SessionRenewed(number=5, at=9.0, auth_id="wiki", version=3),
        RunStalled(number=6, at=9.0, job_id=7, auth_id="wiki", reason="why"),
        LoginFailed(number=7, at=9.0, auth_id="wiki", failed_logins=2, reason="wrong"),
    ]


def test_kinds_of_events_differ_where_they_are_written() -> None:
    """Each says what it is, so that one stream of JSON can hold them."""
    tags = {event.__struct_config__.tag for event in KINDS}

    assert tags == {"JobMoved", "EventsMissed", "RunStalled", "SessionRenewed", "LoginFailed"}
