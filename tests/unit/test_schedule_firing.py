"""Firing: one fire time makes one job or run of a schedule, whatever happens in between (I20)."""

from __future__ import annotations

import sqlite3
from datetime import tzinfo
from pathlib import Path

import msgspec
import pytest
from schedule_rig import HOUR_S, end, fire, fire_in_vain, fired_at, get, jobs, put

from bequest import Definition, InvalidJobError
from bequest.engine import fire_times
from bequest.engine.crawl_jobs import run_job
from bequest.engine.fire_times import Cron
from bequest.engine.records import NewJob, State
from bequest.engine.schedules import CatchUp, Overlap, job_at
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

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
