"""Owns schedules as values: what is due after an absence, what may start, and which fire times were used.

Holds I20: a fire time makes at most one job, however often the clock comes to it, and none is lost but by the catch-up
and the overlap policy. A schedule is *looked at* when something may be due. What the clock has passed since the last
look is due, unless it was used. A clock that stands before the last look was set back: what it has passed since then is
due, and what it comes to again, where that was not used before.

Plain functions of their arguments; when a rule fires is said in ``fire_times``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import NamedTuple

import msgspec

from .errors import InvalidJobError
from .fire_times import Rule, check_rule, fire_times, next_time
from .job_rules import check_job
from .json_values import encode_json, encode_object
from .records import KeyScope, NewJob, OnClash, Record

MAX_NAME_LENGTH = 200
MAX_CATCH_UP = 1000
MAX_SPANS = 32
LATE_S = 120.0  # twice the sweep of the alarm: what is later than that was missed
RESERVED = ("schedule", "fire_at")  # keys of the metadata


class CatchUp(enum.StrEnum):
    """What becomes of fire times that were missed, because no engine ran or the clock jumped over them."""

    SKIP = "skip"  # nothing; only the newest runs, if it is not late
    ONCE = "once"  # the newest runs, for all of them
    ALL = "all"  # each runs, of many the newest catch_up_limit


class Overlap(enum.StrEnum):
    """What becomes of a fire time while the schedule's last job has not ended."""

    ALLOW = "allow"  # it runs beside it
    SKIP = "skip"  # nothing
    QUEUE = "queue"  # once that has ended, the newest of them runs


class Span(NamedTuple):
    """A stretch of fire times, all of them used."""

    first: float
    last: float


class NewSchedule(Record, frozen=True, kw_only=True):
    """What a caller says of a schedule."""

    name: str
    job: NewJob  # what it makes; its key and its time are the schedule's to give
    rule: Rule
    catch_up: CatchUp = CatchUp.ONCE
    catch_up_limit: int = 100  # of CatchUp.ALL
    overlap: Overlap = Overlap.ALLOW


class Schedule(NewSchedule, frozen=True, kw_only=True):
    """A schedule with where it stands; times are seconds since the epoch."""

    is_paused: bool = False
    next_at: float | None = None  # the next fire time; None when there is none
    last_at: float | None = None  # the newest fire time that made a job
    last_job_id: int | None = None
    queued_at: float | None = None  # a fire time that runs once the last job has ended
    fault: str | None = None  # why it cannot fire, until it is put again
    seen_at: float = 0.0  # of the last look at which something was due, or the clock had been set back
    used: tuple[Span, ...] = ()  # in order


class Plan(NamedTuple):
    """What due fire times come to."""

    make: tuple[float, ...]  # a job each
    queue: float | None = None  # to run once the last job has ended


class Look(NamedTuple):
    """What a look at a schedule comes to."""

    schedule: Schedule  # as it is then, but for its last job
    jobs: tuple[NewJob, ...]  # to be made


def check_schedule(schedule: NewSchedule, now: float) -> None:
    """Raise ``InvalidJobError`` or ``MetadataError`` for what cannot be kept, or would never fire."""
    name, job = schedule.name, schedule.job
    try:
        msgspec.convert(msgspec.to_builtins(schedule), NewSchedule)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidJobError(f"schedule {name!r}: {error}") from None
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise InvalidJobError(f"a schedule's name has 1 to {MAX_NAME_LENGTH} printable characters, found another text")
    if not 1 <= schedule.catch_up_limit <= MAX_CATCH_UP:
        raise InvalidJobError(f"catch_up_limit is from 1 to {MAX_CATCH_UP}, found {schedule.catch_up_limit}")
    if (job.key, job.key_scope, job.on_clash, job.run_at) != (None, KeyScope.FOREVER, OnClash.EXISTING, None):
        raise InvalidJobError(f"schedule {name!r} gives its jobs their key and their time; give neither with the job")
    if job.parent_id is not None:
        raise InvalidJobError(f"schedule {name!r} makes jobs without a parent, found parent {job.parent_id}")
    taken = [key for key in RESERVED if key in job.metadata]
    if taken:
        raise InvalidJobError(f"schedule {name!r} writes {taken[0]!r} into its jobs' metadata; choose another key")
    check_job(job)
    encode_json(job.config, owner=f"config of schedule {name!r}")
    encode_object(job.metadata, owner=f"metadata of schedule {name!r}")
    check_rule(schedule.rule, now)


def look(schedule: Schedule, now: float, *, is_busy: bool) -> Look:
    """Return what is to be done now; *is_busy*: the schedule's last job has not ended.

    Only fire times that the clock has passed since ``seen_at`` are due, so a look at which nothing was due leaves it.
    """
    due = due_times(schedule, now)
    plan = plan_of(due, schedule.overlap, is_busy=is_busy)
    fired = _fired(schedule, plan)
    next_at = next_fire(fired, now)
    if due or now < schedule.seen_at or next_at != schedule.next_at:
        fired = msgspec.structs.replace(fired, next_at=next_at, seen_at=now)
    return Look(fired, tuple(job_at(schedule, at) for at in plan.make))


def look_at_queue(schedule: Schedule) -> Look:
    """Return what is to be done once the last job of a schedule has ended."""
    if schedule.queued_at is None:
        return Look(schedule, ())
    job = job_at(schedule, schedule.queued_at)
    return Look(_fired(msgspec.structs.replace(schedule, queued_at=None), Plan((schedule.queued_at,))), (job,))


def job_at(schedule: Schedule, at: float) -> NewJob:
    """Return the job of a fire time; its key is of the schedule and the time, so that there is one of it (I11)."""
    moment = datetime.fromtimestamp(at, UTC).isoformat()
    return msgspec.structs.replace(marked_job(schedule, at), key=f"schedule {schedule.name} at {moment}")


def marked_job(schedule: Schedule, at: float) -> NewJob:
    """Return the schedule's job with a metadata that says where it comes from."""
    metadata = {**schedule.job.metadata, "schedule": schedule.name, "fire_at": at}
    return msgspec.structs.replace(schedule.job, metadata=metadata)


def next_fire(schedule: Schedule, after: float) -> float | None:
    """Return the first fire time after that time that is not used, or None."""
    return next(_unused(schedule, after), None)


def due_times(schedule: Schedule, now: float) -> tuple[float, ...]:
    """Return the fire times that the catch-up policy has act now, earliest first.

    They are among those that are not used and that the clock has passed since the last look.
    """
    limit = schedule.catch_up_limit if schedule.catch_up is CatchUp.ALL else 1
    due = _newest(schedule, _passed_since(schedule, now), now, limit)
    if schedule.catch_up is CatchUp.SKIP and due and due[-1] < now - LATE_S:
        return ()
    return due


def plan_of(due: Sequence[float], overlap: Overlap, *, is_busy: bool) -> Plan:
    """Return what the fire times *due* come to, in their order; *is_busy*: the last job has not ended."""
    if overlap is Overlap.ALLOW or not due:
        return Plan(tuple(due))
    make = () if is_busy else (due[0],)
    is_left = len(due) > len(make)
    return Plan(make, due[-1] if is_left and overlap is Overlap.QUEUE else None)


def used_with(schedule: Schedule, at: float) -> tuple[Span, ...]:
    """Return the used fire times and *at*.

    Neighbours become one span. Of too many spans the two oldest become one: what was not used between them is lost if
    the clock is ever set back so far, and nothing is used twice.
    """
    if _span_over(schedule.used, at) is not None:
        return schedule.used
    before = [span for span in schedule.used if span.last < at]
    after = [span for span in schedule.used if span.first > at]
    first = last = at
    if before and next_time(schedule.rule, before[-1].last) == at:
        first = before.pop().first
    if after and next_time(schedule.rule, at) == after[0].first:
        last = after.pop(0).last
    spans = [*before, Span(first, last), *after]
    if len(spans) > MAX_SPANS:
        spans[:2] = [Span(spans[0].first, spans[1].last)]
    return tuple(spans)


def _passed_since(schedule: Schedule, now: float) -> float:
    """Return the time from which on the clock has run to *now*.

    Nobody saw to what time a clock was set back, but it was at most ``LATE_S`` ago while an engine ran. One that was
    set back by less than that had passed all of them before.
    """
    if now < schedule.seen_at - LATE_S:
        return now - LATE_S
    return min(now, schedule.seen_at)


def _fired(schedule: Schedule, plan: Plan) -> Schedule:
    for at in plan.make:
        schedule = msgspec.structs.replace(schedule, last_at=at, used=used_with(schedule, at))
    return schedule if plan.queue is None else msgspec.structs.replace(schedule, queued_at=plan.queue)


def _unused(schedule: Schedule, after: float) -> Iterator[float]:
    """Yield the fire times after that time that are not used."""
    span: Span | None = None
    while True:
        for at in fire_times(schedule.rule, after):
            span = _span_over(schedule.used, at)
            if span is not None:
                break
            yield at
        if span is None:
            return
        after, span = span.last, None


def _newest(schedule: Schedule, after: float, until: float, limit: int) -> tuple[float, ...]:
    """Return the newest *limit* unused fire times after the one time and up to the other.

    There may be any number of them, and fire times can only be counted forwards: where more than *limit* come after
    *low* and fewer after *high*, a time between has just so many after it.
    """
    low, high = after, until
    found = _some(schedule, low, until, limit + 1)
    if len(found) <= limit:
        return found
    while len(found) != limit:
        middle = low + (high - low) / 2
        if not low < middle < high:  # so it never hangs, whatever a time zone does
            return found[-limit:]
        found = _some(schedule, middle, until, limit + 1)
        low, high = (middle, high) if len(found) > limit else (low, middle)
    return found


def _some(schedule: Schedule, after: float, until: float, count: int) -> tuple[float, ...]:
    return tuple(islice(takewhile(lambda at: at <= until, _unused(schedule, after)), count))


def _span_over(spans: Sequence[Span], at: float) -> Span | None:
    return next((span for span in spans if span.first <= at <= span.last), None)
