"""Tests of schedules as rows: how they are kept, put anew, paused, resumed and run at once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from schedule_rig import HOUR_S, HOURLY, fire, get, jobs, put

from bequest import InvalidJobError, MetadataError, ScheduleNotFoundError
from bequest.engine.fire_times import Cron, Interval
from bequest.engine.records import NewJob
from bequest.engine.schedules import CatchUp, NewSchedule, Overlap
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

# Keeping a schedule.


def test_put_keeps_a_schedule_and_wakes_at_its_first_time(store: Store, clock: ManualClock) -> None:
    """The first interval ends that long from now, and the alarm is asked to ring then."""
    with store.group():
        kept = store.schedules.put(NewSchedule(name="hourly", job=NewJob(kind="report"), rule=HOURLY))
        wake_at = store.changes.wake_at

    assert kept == get(store)
    assert kept.rule == Interval(every_s=HOUR_S, from_at=clock.now())
    assert kept.next_at == wake_at == clock.now() + HOUR_S


@pytest.mark.parametrize("is_paused", [False, True])
def test_put_of_an_equal_schedule_changes_nothing(store: Store, clock: ManualClock, is_paused: bool) -> None:
    """A daemon may put its schedules at each start: nothing is written, and what is paused stays so."""
    job = NewJob(kind="report", config={"b": [1, 2.5], "a": None}, tags=("x",), max_child_failures=0.5)
    put(store, job=job, catch_up=CatchUp.ALL)
    if is_paused:
        with store.group():
            store.schedules.pause("hourly")
    before = get(store)
    clock.advance(60)
    changes = store.total_changes

    again = put(store, job=msgspec.structs.replace(job, config={"a": None, "b": [1, 2.5]}), catch_up=CatchUp.ALL)

    assert again == before
    assert store.total_changes == changes


@pytest.mark.parametrize(
    "fields",
    [
        {"job": NewJob(kind="report", config={"a": 1})},
        {"job": NewJob(kind="report", max_child_failures=0)},
        {"catch_up": CatchUp.SKIP},
        {"catch_up_limit": 7},
        {"overlap": Overlap.QUEUE},
    ],
)
def test_put_of_another_job_or_policy_keeps_the_times(store: Store, clock: ManualClock, fields: dict[str, Any]) -> None:
    """What changes is what the next fire time makes; that time stays, and what is due is not left out."""
    first = put(store, job=NewJob(kind="report", max_child_failures=0.0))
    clock.advance(60)

    changed = put(store, **{"job": NewJob(kind="report", max_child_failures=0.0), **fields})

    assert changed == msgspec.structs.replace(first, **fields) == get(store)


def test_put_of_another_rule_takes_effect_from_now(store: Store, clock: ManualClock) -> None:
    """With another rule the next time is the first of that, and nothing is due by the old one."""
    put(store)
    clock.advance(10 * HOUR_S)

    changed = put(store, rule=Interval(every_s=60.0))

    assert changed.next_at == clock.now() + 60
    assert fire(store, clock) == []


def test_put_of_another_rule_leaves_a_pause_and_what_ran(store: Store, clock: ManualClock) -> None:
    """A person's pause is undone by ``resume`` alone, and the newest fire time is not run again by the new rule."""
    put(store, rule=Cron(expression="0 * * * *"))
    (job,) = fire(store, clock, after_s=HOUR_S)
    with store.group():
        store.schedules.pause("hourly")
    clock.jump(job.metadata["fire_at"] - 30)

    changed = put(store, rule=Cron(expression="*/5 * * * *"))

    assert changed.is_paused
    assert changed.last_at == job.metadata["fire_at"]
    assert changed.next_at == job.metadata["fire_at"] + 300


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"rule": Interval(every_s=0.0)}, InvalidJobError),
        ({"rule": Cron(expression="x")}, InvalidJobError),
        ({"job": NewJob(kind="report", config={"a": float("inf")})}, MetadataError),
    ],
)
def test_put_that_is_refused_writes_nothing(store: Store, fields: dict[str, Any], error: type[Exception]) -> None:
    """The schedule that is there stays as it is."""
    kept = put(store)
    changes = store.total_changes

    with pytest.raises(error):
        put(store, **fields)

    assert get(store) == kept
    assert store.total_changes == changes


def test_entries_are_by_name(store: Store) -> None:
    """All schedules are listed by name."""
    for name in ("b", "a", "c"):
        put(store, name)

    with store.group():
        assert [one.name for one in store.schedules.entries()] == ["a", "b", "c"]


@pytest.mark.parametrize("verb", ["get", "remove", "pause", "resume", "run_now"])
def test_schedule_that_is_none_is_an_error(store: Store, verb: str) -> None:
    """Each verb says which name it was asked for."""
    with pytest.raises(ScheduleNotFoundError, match="asked for schedule 'nightly', found none"), store.group():
        getattr(store.schedules, verb)("nightly")


def test_remove_ends_a_schedule_and_leaves_its_jobs(store: Store, clock: ManualClock) -> None:
    """Nothing fires any more; what was made stays."""
    put(store)
    made = fire(store, clock, after_s=HOUR_S)

    with store.group():
        store.schedules.remove("hourly")

    assert fire(store, clock, after_s=HOUR_S) == made
    assert len(made) == 1


# Pause, resume, run now.


def test_paused_schedule_makes_nothing_and_goes_on_from_the_resuming(store: Store, clock: ManualClock) -> None:
    """What passes while it is paused is left out, for a person wanted it so, whatever the catch-up policy."""
    put(store, catch_up=CatchUp.ALL)
    with store.group():
        store.schedules.pause("hourly")
        store.schedules.pause("hourly")
    assert fire(store, clock, after_s=5.5 * HOUR_S) == []

    with store.group():
        assert store.schedules.next_wake() is None
        store.schedules.resume("hourly")
        wake_at = store.changes.wake_at

    assert fire(store, clock) == []
    assert wake_at == clock.now() + HOUR_S / 2
    assert len(fire(store, clock, after_s=HOUR_S / 2)) == 1


def test_resume_of_what_is_not_paused_changes_nothing(store: Store, clock: ManualClock) -> None:
    """What is due is not left out by it."""
    put(store)
    clock.advance(HOUR_S)

    with store.group():
        store.schedules.resume("hourly")

    assert len(fire(store, clock)) == 1


def test_run_now_makes_a_job_beside_the_fire_times(store: Store, clock: ManualClock) -> None:
    """It comes at once, paused or not, as often as it is asked for, and the schedule's own times stay."""
    kept = put(store, overlap=Overlap.SKIP)
    with store.group():
        store.schedules.pause("hourly")

    with store.group():
        ids = [store.schedules.run_now("hourly"), store.schedules.run_now("hourly")]

    assert [job.id for job in jobs(store)] == ids
    assert {job.key for job in jobs(store)} == {None}
    assert jobs(store)[0].metadata == {"schedule": "hourly", "fire_at": clock.now()}
    assert get(store) == msgspec.structs.replace(kept, is_paused=True, last_job_id=ids[1])
