"""Tests of schedules as rows: one fire time makes one job, whatever happens in between (I20)."""

from __future__ import annotations

import sqlite3
from datetime import tzinfo
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bequest import Definition, InvalidJobError, MetadataError, ScheduleNotFoundError
from bequest.engine import fire_times
from bequest.engine.crawl_jobs import run_job
from bequest.engine.fire_times import Cron, Interval
from bequest.engine.records import Job, NewJob, State
from bequest.engine.schedules import CatchUp, NewSchedule, Overlap, Schedule, job_at
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


def end_in_vain(store: Store, job_id: int) -> None:
    """End a job, and do what follows from it, in a group that fails in the end."""
    with store.group():
        store.jobs.update_status(job_id, State.CANCELLED)
        store.follow_up()
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


# Firing.


def test_fire_makes_the_job_of_a_fire_time(store: Store, clock: ManualClock) -> None:
    """The job has what the schedule says, its key and its metadata name the time, and the row notes it."""
    put(store, job=NewJob(kind="report", queue="slow", config={"a": 1}, metadata={"team": "docs"}))
    at = clock.now() + HOUR_S

    (job,) = fire(store, clock, after_s=HOUR_S + 0.5)

    kept = get(store)
    assert (job.kind, job.queue, job.config, job.state) == ("report", "slow", {"a": 1}, State.PENDING)
    assert job.metadata == {"team": "docs", "schedule": "hourly", "fire_at": at}
    assert job.key == "schedule hourly at 2001-09-09T02:46:40+00:00"
    assert (kept.last_at, kept.last_job_id, kept.next_at) == (at, job.id, at + HOUR_S)


def test_fire_counts_as_due_work_and_wakes_at_the_next_time(store: Store, clock: ManualClock) -> None:
    """Who waits for work is served in the same group, and the alarm is asked to ring at the next fire time."""
    put(store)
    clock.advance(HOUR_S)

    with store.group():
        store.schedules.fire_due()
        changes = store.changes
        assert changes.has_due_work
        assert changes.wake_at == store.schedules.next_wake() == clock.now() + HOUR_S


def test_two_ticks_at_once_make_one_job(store: Store, clock: ManualClock) -> None:
    """In one group or in two, the second finds nothing due."""
    put(store)
    clock.advance(HOUR_S)

    with store.group():
        store.schedules.fire_due()
        store.schedules.fire_due()

    assert len(fire(store, clock)) == 1


def test_group_that_is_undone_leaves_neither_job_nor_note(store: Store, clock: ManualClock) -> None:
    """Job and note are of one transaction, so what is undone is done again, once."""
    put(store)
    clock.advance(HOUR_S)

    with pytest.raises(ZeroDivisionError):
        fire_in_vain(store)

    assert jobs(store) == []
    assert get(store).last_at is None
    assert len(fire(store, clock)) == 1


def test_job_that_is_there_is_not_made_again(store: Store, clock: ManualClock) -> None:
    """Where the note is gone, because the schedule was removed and put again, the job's key still holds (I11)."""
    put(store, rule=Cron(expression="0 * * * *"))
    made = fire(store, clock, after_s=HOUR_S)
    with store.group():
        store.schedules.remove("hourly")
    clock.jump(made[0].metadata["fire_at"] - 10)
    put(store, rule=Cron(expression="0 * * * *"))

    assert fire(store, clock, after_s=20) == made


def test_key_that_a_job_of_another_kind_has_is_left_out(store: Store, clock: ManualClock) -> None:
    """Such as one of the schedule's former kind, before the clock was set back; nothing else is held up by it."""
    begin = clock.now()
    taken = job_at(put(store, catch_up=CatchUp.ALL), begin + 2 * HOUR_S)
    put(store, "other")
    with store.group():
        store.jobs.create([msgspec.structs.replace(taken, kind="former")])

    made = fire(store, clock, after_s=3 * HOUR_S)[1:]

    assert [(job.metadata["schedule"], job.metadata["fire_at"] - begin) for job in made] == [
        ("hourly", HOUR_S),
        ("hourly", 3 * HOUR_S),
        ("other", 3 * HOUR_S),
    ]
    assert get(store).last_job_id == made[1].id
    assert fire(store, clock)[4:] == []


def test_last_job_stays_where_no_job_could_be_made(store: Store, clock: ManualClock) -> None:
    """And the next fire time makes one."""
    schedule = put(store)
    with store.group():
        store.jobs.create([msgspec.structs.replace(job_at(schedule, clock.now() + HOUR_S), kind="former")])

    fire(store, clock, after_s=HOUR_S)

    assert get(store).last_job_id is None
    assert len(fire(store, clock, after_s=HOUR_S)) == 2


def test_job_that_was_deleted_is_not_made_again(store: Store, clock: ManualClock) -> None:
    """Where the job is gone and the clock comes to its time again, the note still holds."""
    put(store)
    (job,) = fire(store, clock, after_s=HOUR_S)
    with store.group():
        store.control.delete(job.id)
    clock.jump(clock.now() - 10)
    fire(store, clock)

    assert fire(store, clock, after_s=20) == []
    assert fired_at(fire(store, clock, after_s=HOUR_S)) == [job.metadata["fire_at"] + HOUR_S]


def test_fire_after_an_absence_follows_the_catch_up_policy(tmp_path: Path, clock: ManualClock) -> None:
    """What passed while no engine ran is caught up as each schedule says, once, also when the file is opened again."""
    begin = clock.now()
    for times in range(3):
        store = Store.open(tmp_path / "jobs.db", clock=clock)
        if times == 0:
            for policy in CatchUp:
                put(store, policy, catch_up=policy, catch_up_limit=2)
            clock.advance(5.5 * HOUR_S)
        found = {(job.metadata["schedule"], job.metadata["fire_at"]) for job in fire(store, clock)}
        count = len(jobs(store))
        store.close()

    assert found == {("once", begin + 5 * HOUR_S), ("all", begin + 4 * HOUR_S), ("all", begin + 5 * HOUR_S)}
    assert count == 3


def test_opening_changes_no_schedule(tmp_path: Path, clock: ManualClock) -> None:
    """Closing and opening, and a look at which nothing is due, change no row (I19)."""
    store = Store.open(tmp_path / "jobs.db", clock=clock)
    put(store)
    fire(store, clock, after_s=HOUR_S)
    kept = get(store)
    store.close()

    store = Store.open(tmp_path / "jobs.db", clock=clock)
    fire(store, clock, after_s=60)

    assert get(store) == kept
    assert store.total_changes == 0
    store.close()


@pytest.mark.parametrize("stale_s", [-2 * HOUR_S, 2 * HOUR_S])
def test_first_look_after_opening_finds_the_next_time_anew(tmp_path: Path, clock: ManualClock, stale_s: float) -> None:
    """A next time that was reckoned with older time zones is put right before it makes a job, or misses one."""
    store = Store.open(tmp_path / "jobs.db", clock=clock)
    right = put(store, rule=Cron(expression="0 12 * * *", timezone="Europe/Berlin")).next_at
    store.close()
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        connection.execute("UPDATE schedule SET next_at = next_at + ?", (stale_s,))
    connection.close()
    store = Store.open(tmp_path / "jobs.db", clock=clock)

    assert fire(store, clock, after_s=60) == []
    assert get(store).next_at == right
    store.close()


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


# Overlap.


def test_overlap_skip_waits_for_a_fire_time_at_which_nothing_runs(store: Store, clock: ManualClock) -> None:
    """While the last job has not ended no other is made; after that the next fire time makes one."""
    put(store, overlap=Overlap.SKIP)
    (first,) = fire(store, clock, after_s=HOUR_S)
    assert len(fire(store, clock, after_s=HOUR_S)) == 1

    end(store, first.id)

    assert len(fire(store, clock)) == 1
    assert fired_at(fire(store, clock, after_s=HOUR_S)) == [first.run_at, first.run_at + 2 * HOUR_S]


def test_overlap_counts_a_job_that_was_run_now(store: Store, clock: ManualClock) -> None:
    """A job that a person asked for is the schedule's last, and a fire time does not run beside it."""
    put(store, overlap=Overlap.SKIP)
    with store.group():
        store.schedules.run_now("hourly")

    assert len(fire(store, clock, after_s=HOUR_S)) == 1


@pytest.mark.parametrize("how", ["end", "delete"])
def test_overlap_queue_runs_once_more_in_the_group_that_ends_the_last(
    store: Store, clock: ManualClock, how: str
) -> None:
    """Of the fire times that came meanwhile the newest runs as soon as the last job has ended or is deleted, once."""
    put(store, overlap=Overlap.QUEUE)
    (first,) = fire(store, clock, after_s=HOUR_S)
    fire(store, clock, after_s=2 * HOUR_S)

    with store.group():
        if how == "end":
            store.jobs.update_status(first.id, State.CANCELLED)
        else:
            store.control.delete(first.id)

    left = [job for job in jobs(store) if job.id != first.id]
    assert fired_at(left) == [first.run_at + 2 * HOUR_S]
    assert get(store).queued_at is None
    assert fire(store, clock)[-1:] == left


def test_overlap_queue_survives_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    """What waits is in the row, and is found behind the job that ends after the file was opened again."""
    store = Store.open(tmp_path / "jobs.db", clock=clock)
    put(store, overlap=Overlap.QUEUE)
    (first,) = fire(store, clock, after_s=HOUR_S)
    fire(store, clock, after_s=HOUR_S)
    store.close()
    store = Store.open(tmp_path / "jobs.db", clock=clock)

    end(store, first.id)

    assert len(jobs(store)) == 2
    store.close()


def test_overlap_queue_knows_what_was_undone(store: Store, clock: ManualClock) -> None:
    """A queueing that was undone queues nothing, and one that comes after it does."""
    put(store, overlap=Overlap.QUEUE)
    (first,) = fire(store, clock, after_s=HOUR_S)
    clock.advance(HOUR_S)
    with pytest.raises(ZeroDivisionError):
        fire_in_vain(store)
    fire(store, clock)

    end(store, first.id)

    assert len(jobs(store)) == 2


def test_overlap_queue_is_still_there_when_its_run_was_undone(store: Store, clock: ManualClock) -> None:
    """Where the group fails that has run what was queued, the next one runs it."""
    put(store, overlap=Overlap.QUEUE)
    (first,) = fire(store, clock, after_s=HOUR_S)
    fire(store, clock, after_s=HOUR_S)
    with pytest.raises(ZeroDivisionError):
        end_in_vain(store, first.id)

    end(store, first.id)

    assert len(jobs(store)) == 2


def test_overlap_queue_rests_while_paused(store: Store, clock: ManualClock) -> None:
    """What was queued before a pause runs after it, once it is looked at."""
    put(store, overlap=Overlap.QUEUE)
    (first,) = fire(store, clock, after_s=HOUR_S)
    fire(store, clock, after_s=HOUR_S)
    with store.group():
        store.schedules.pause("hourly")
    end(store, first.id)
    assert len(fire(store, clock)) == 1

    with store.group():
        store.schedules.resume("hourly")
        wake_at = store.changes.wake_at

    assert wake_at == clock.now()
    assert len(fire(store, clock)) == 2


def test_catch_up_and_overlap_go_together(store: Store, clock: ManualClock) -> None:
    """Of five missed fire times the first runs, the newest waits behind it, and the others are left out."""
    begin = clock.now()
    put(store, catch_up=CatchUp.ALL, overlap=Overlap.QUEUE)

    (first,) = fire(store, clock, after_s=5 * HOUR_S)
    end(store, first.id)

    assert fired_at(jobs(store)) == [begin + HOUR_S, begin + 5 * HOUR_S]


# Runs, faults and rest.


def test_run_of_a_definition_is_given_to_who_goes_on_with_it(store: Store, clock: ManualClock) -> None:
    """The parent is made as ``run`` makes it, and counts as one whose first step is due."""
    definition = Definition.crawl("wiki", start_urls=["https://wiki.example/"], error_tolerance=0, timeout_s=60)
    with store.group():
        stored = store.definitions.save(definition)
    put(store, job=msgspec.structs.replace(run_job(definition, key=None), definition_id=stored.id))
    clock.advance(HOUR_S)

    with store.group():
        store.schedules.fire_due()
        (view,) = store.queries.jobs()
        ripe = store.parents.ripe(store.changes.parents)

    assert ripe.to_go_on == (view.job.id,)
    assert (view.job.kind, view.job.state, view.job.definition_id) == ("crawl", State.WAITING, stored.id)
    assert type(view.job.max_child_failures) is float
    assert view.job.deadline_at == clock.now() + 60
    assert view.job.metadata["schedule"] == "hourly"


def test_schedule_that_cannot_be_reckoned_harms_no_other(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a time zone is gone, that schedule says so and makes nothing; the others fire, and a new put heals it."""
    rule = Cron(expression="0 * * * *", timezone="Europe/Berlin")
    put(store, "broken", rule=rule)
    put(store)
    zone_of = fire_times._zone

    def gone(name: str) -> tzinfo:
        raise InvalidJobError(f"asked for time zone {name!r}, found none of that name")

    monkeypatch.setattr(fire_times, "_zone", gone)
    made = fire(store, clock, after_s=HOUR_S)
    monkeypatch.setattr(fire_times, "_zone", zone_of)

    broken = get(store, "broken")
    healed = put(store, "broken", rule=rule)
    assert [job.metadata["schedule"] for job in made] == ["hourly"]
    assert broken.fault == "InvalidJobError: asked for time zone 'Europe/Berlin', found none of that name"
    assert broken.next_at is None
    assert healed.fault is None
    assert healed.next_at is not None


def test_schedules_rest_where_other_work_does(store: Store, clock: ManualClock) -> None:
    """A program that goes on with its own run alone fires nothing, queues nothing more, and is not woken for it."""
    put(store, overlap=Overlap.QUEUE)
    (first,) = fire(store, clock, after_s=HOUR_S)
    fire(store, clock, after_s=HOUR_S)
    with store.group():
        store.claims.offer_only([])

    end(store, first.id)

    assert len(fire(store, clock, after_s=HOUR_S)) == 1
    with store.group():
        assert store.schedules.next_wake() is None
