"""What the tests of schedules as rows share: schedules put, fired and their jobs ended in one line each."""

from __future__ import annotations

from typing import Any

from bequest.engine.fire_times import Interval
from bequest.engine.records import Job, NewJob, State
from bequest.engine.schedules import NewSchedule, Schedule
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

HOUR_S = 3_600.0
HOURLY = Interval(every_s=HOUR_S)


def put(store: Store, name: str = "hourly", **fields: Any) -> Schedule:
    """Put a schedule, hourly unless *fields* say otherwise."""
    asked: dict[str, Any] = {"job": NewJob(kind="report"), "rule": HOURLY, **fields}
    with store.group():
        return store.schedules.put(NewSchedule(name=name, **asked))


def get(store: Store, name: str = "hourly") -> Schedule:
    """Return a schedule as it is kept."""
    with store.group():
        return store.schedules.get(name)


def fire(store: Store, clock: ManualClock, *, after_s: float = 0.0) -> list[Job]:
    """Let time pass, fire what is due and return all jobs."""
    clock.advance(after_s)
    with store.group():
        store.schedules.fire_due()
    return jobs(store)


def fire_in_vain(store: Store) -> None:
    """Fire what is due in a group that fails in the end."""
    with store.group():
        store.schedules.fire_due()
        store.follow_up()
        raise ZeroDivisionError


def jobs(store: Store) -> list[Job]:
    """Return all jobs, oldest first."""
    with store.group():
        return [view.job for view in store.queries.jobs(limit=1000)]


def end(store: Store, job_id: int) -> None:
    """End a job."""
    with store.group():
        store.jobs.update_status(job_id, State.CANCELLED)


def fired_at(found: list[Job]) -> list[float]:
    """Return the fire times that *found* were made for."""
    return [job.metadata["fire_at"] for job in found]
