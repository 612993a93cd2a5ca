"""Overlap: what a fire time does while the schedule's last job has not ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from schedule_rig import HOUR_S, end, fire, fire_in_vain, fired_at, get, jobs, put

from bequest.engine.records import State
from bequest.engine.schedules import CatchUp, Overlap
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


def end_in_vain(store: Store, job_id: int) -> None:
    """End a job, and do what follows from it, in a group that fails in the end."""
    with store.group():
        store.jobs.update_status(job_id, State.CANCELLED)
        store.follow_up()
        store.follow_up()
        raise ZeroDivisionError


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
