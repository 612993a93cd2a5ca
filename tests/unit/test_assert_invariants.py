"""What a user's test asserts of an engine: it passes for what an engine may leave, and names what it may not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from housekeeping_rig import Program
from store_rig import Worker, make, parent, work

from bequest import Engine, State
from bequest.actors.housekeeping_messages import ListUndone
from bequest.engine.errors import StoreError
from bequest.engine.fire_times import Interval
from bequest.engine.integrity import Finding
from bequest.engine.records import NewJob
from bequest.engine.schedules import NewSchedule
from bequest.engine.store import Store
from bequest.testing import invariants
from bequest.testing.invariants import assert_invariants
from bequest.testing.manual_clock import ManualClock


@pytest.fixture(params=["jobs.db", ":memory:"])
def program(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Program]:
    """Give a program whose engine runs, on a file and in memory."""
    made = Program(tmp_path / request.param if request.param != ":memory:" else request.param, clock=clock)
    with made.engine:
        yield made


def break_rows(engine: Engine, sql: str) -> None:
    """Change rows behind an engine's back."""
    assert engine._store is not None
    with engine._store.group():
        engine._store._database.run(sql)


def undone(store: Store) -> list[str]:
    """Return what an engine would have to do, by check and in words."""
    with store.group():
        return [f"{one.check}: {one.message}" for one in store.undone()]


def test_engine_that_did_its_work_breaks_nothing(program: Program) -> None:
    """An engine may be looked at while it runs, whatever its database is."""
    program.grow(2, 3)

    assert_invariants(program.engine)


def test_everything_that_is_broken_is_named_by_its_number(program: Program) -> None:
    """One look tells all of it, with the jobs concerned."""
    (tree,) = program.grow(1, 2)
    break_rows(program.engine, f"UPDATE tally SET failed = 9 WHERE parent_id = {tree}")
    break_rows(program.engine, f"UPDATE job SET child_limit = 1 WHERE id = {tree}")

    with pytest.raises(AssertionError) as raised:
        assert_invariants(program.engine)

    assert str(raised.value).splitlines() == [
        "not as it must be (I13, I14), see docs/invariants.md:",
        f"I14: job {tree} has more children than its limit",
        f"I13: job {tree} has other children than its tally counts",
    ]


def test_database_is_looked_at_by_its_path(tmp_path: Path, clock: ManualClock) -> None:
    """It may be that of an engine that runs, or has been stopped."""
    program = Program(tmp_path / "jobs.db", clock=clock)
    with program.engine:
        program.grow(1, 1)
        assert_invariants(tmp_path / "jobs.db")
        break_rows(program.engine, "UPDATE stat SET failed = 1 WHERE kind = 'leaf'")

    for stopped in (tmp_path / "jobs.db", program.engine):
        with pytest.raises(AssertionError, match="I13: queue default has other jobs of kind leaf"):
            assert_invariants(stopped)


def test_path_without_a_database_is_no_success(tmp_path: Path) -> None:
    """What is not there promises nothing."""
    with pytest.raises(StoreError, match="found no database there"):
        assert_invariants(tmp_path / "none.db")


def test_what_stays_undone_is_told(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine is given time for what it is in the middle of, and no more than that."""
    left = Finding(check="I9", message="job 1 waits and all below it has ended")
    passing = Finding(check="I3", message="job 2 has a lease that is over")
    looks = [[left, passing], [left, passing]]
    monkeypatch.setattr(ListUndone, "apply", lambda _self, _store: looks.pop() if looks else [left])
    monkeypatch.setattr(invariants, "PAUSE_S", 0.0)

    with pytest.raises(AssertionError) as raised:
        assert_invariants(program.engine)

    assert str(raised.value).splitlines()[1:] == ["I9: job 1 waits and all below it has ended"]


# What an engine has to do


def test_store_at_rest_has_nothing_to_do(store: Store) -> None:
    """What waits for its time, for a child or for a credential does so rightly."""
    parent(store, work(run_at=store._database._clock.now() + 60.0))
    worker = Worker(store)
    held = make(store)
    worker.take()

    worker.end(held, state=State.WAITING, waits_for="wiki")

    assert undone(store) == []


def test_parent_that_is_not_judged_is_undone(store: Store) -> None:
    """A parent whose children have ended is to end, or to take its own step (I9)."""
    parent_id, child_id = parent(store, work())

    Worker(store).end(child_id)

    assert undone(store) == [f"I9: job {parent_id} waits and all below it has ended"]


def test_lease_and_time_that_are_over_are_undone(store: Store, clock: ManualClock) -> None:
    """A lease ends at its deadline (I3), and a job with all below it at its own (I9)."""
    late, held = make(store, run_timeout_s=60.0, kind="none"), make(store)
    Worker(store).take()

    clock.advance(60.0)

    assert sorted(undone(store)) == [
        f"I3: job {held} has a lease that is over",
        f"I9: job {late} has not ended and its time is over",
    ]


def test_schedule_that_has_not_fired_is_undone(store: Store, clock: ManualClock) -> None:
    """A schedule makes its job at its time (I20), unless it is paused or all but some runs rest."""
    with store.group():
        for name in ("often", "never"):
            store.schedules.put(NewSchedule(name=name, job=NewJob(kind="work"), rule=Interval(every_s=60.0)))
        store.schedules.pause("never")

    clock.advance(60.0)

    assert undone(store) == ["I20: schedule often has not fired"]
    store.claims.offer_only([1])
    assert undone(store) == []
