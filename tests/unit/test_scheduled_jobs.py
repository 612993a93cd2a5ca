"""Scheduled jobs run in time and once, past busy handlers and restarts, with a clock that is moved by hand (I20)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from actor_rig import PATIENCE_S
from schedule_engine_rig import HOUR_S, SHORT_S, Report, ReportEngine

from bequest import Engine, JobContext, Schedule
from bequest.actors.messages import FallDue
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[ReportEngine]:
    """Give an engine that runs."""
    with ReportEngine(tmp_path / "jobs.db", clock) as made:
        yield made


def moment(text: str) -> float:
    """Return the seconds since the epoch of an ISO time with its offset."""
    return datetime.fromisoformat(text).timestamp()


# Firing.


def test_schedule_runs_when_its_time_has_come(engine: ReportEngine, clock: ManualClock) -> None:
    """A handler runs at each fire time, not before, and finds the schedule and the time in its metadata."""
    begin = clock.now()
    engine.schedules.put("hourly", "report", Report(team="docs"), every_s=HOUR_S, metadata={"a": 1}, priority=3)

    engine.move(clock, by_s=HOUR_S - 1)
    before = list(engine.ran)
    engine.move(clock, by_s=1)
    engine.move(clock, by_s=HOUR_S)

    assert before == []
    assert [job.metadata for job in engine.ran] == [
        {"a": 1, "schedule": "hourly", "fire_at": begin + HOUR_S},
        {"a": 1, "schedule": "hourly", "fire_at": begin + 2 * HOUR_S},
    ]
    assert engine.find_job(engine.ran[0].id).job().priority == 3


@pytest.mark.parametrize(
    ("noon", "expected"),
    [
        ("2026-03-28T12:00+01:00", "2026-03-29T03:00+02:00"),
        ("2026-10-24T12:00+02:00", "2026-10-25T02:30+02:00"),
    ],
)
def test_night_in_which_the_clocks_change_has_one_run(tmp_path: Path, noon: str, expected: str) -> None:
    """Minute by minute through a night in Berlin, in spring and in autumn, the run of 02:30 comes once."""
    clock = ManualClock(moment(noon))
    with ReportEngine(tmp_path / "jobs.db", clock) as engine:
        engine.schedules.put("nightly", "report", Report(team="docs"), cron="30 2 * * *", timezone="Europe/Berlin")

        for _ in range(24 * 4):
            engine.move(clock, by_s=900)

        assert engine.fired_at == [moment(expected)]


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S, 10 * 365.25 * 86_400, -10 * 365.25 * 86_400])
def test_clock_that_jumps_and_is_put_right_doubles_and_stops_nothing(
    engine: ReportEngine, clock: ManualClock, jump_s: float
) -> None:
    """After an hour or ten years to either side and back each fire time has one run, and the next comes in time."""
    begin = clock.now()
    engine.schedules.put("quarterly", "report", Report(team="docs"), every_s=900)
    engine.move(clock, by_s=900)
    engine.move(clock, by_s=900)

    engine.move(clock, to=begin + 1900 + jump_s)
    engine.move(clock, to=begin + 2000)
    engine.move(clock, by_s=700)
    engine.move(clock, by_s=900)

    assert len(set(engine.fired_at)) == len(engine.fired_at)
    assert [at for at in engine.fired_at if begin < at < begin + 3700] == [begin + 900 * n for n in (1, 2, 3, 4)]


def test_many_ticks_at_one_time_make_one_job(engine: ReportEngine, clock: ManualClock) -> None:
    """However often the engine is told to look, a fire time has one job."""
    engine.schedules.put("hourly", "report", Report(team="docs"), every_s=HOUR_S)
    clock.advance(HOUR_S)

    for _ in range(20):
        clock.advance(0)
    engine.wait_idle(PATIENCE_S)

    assert len(engine.ran) == 1


def test_schedule_runs_in_time_that_nobody_moves(tmp_path: Path) -> None:
    """On the machine's own clock the alarm rings for each fire time."""
    ran = threading.Semaphore(0)
    with Engine(tmp_path / "jobs.db") as engine:

        @engine.kind("tick")
        def tick(job: JobContext) -> None:
            ran.release()

        engine.schedules.put("often", tick, every_s=0.02)

        assert [ran.acquire(timeout=PATIENCE_S) for _ in range(3)] == [True] * 3


# Overlap.


def test_overlap_queue_runs_once_more_afterwards(engine: ReportEngine, clock: ManualClock) -> None:
    """While a handler is busy for three fire times, one run waits, and it is the newest of them."""
    begin = clock.now()
    engine.schedules.put("often", "report", Report(team="docs"), every_s=SHORT_S, overlap="queue")
    engine.may_end.clear()
    clock.advance(SHORT_S)
    assert engine.is_running.wait(PATIENCE_S)
    for _ in range(3):
        clock.advance(SHORT_S)

    engine.may_end.set()
    engine.wait_idle(PATIENCE_S)

    assert engine.fired_at == [begin + SHORT_S, begin + 4 * SHORT_S]


def test_overlap_skip_leaves_out_what_comes_meanwhile(engine: ReportEngine, clock: ManualClock) -> None:
    """While a handler is busy, fire times pass; the next after its end runs."""
    begin = clock.now()
    engine.schedules.put("often", "report", Report(team="docs"), every_s=SHORT_S, overlap="skip")
    engine.may_end.clear()
    clock.advance(SHORT_S)
    assert engine.is_running.wait(PATIENCE_S)
    clock.advance(SHORT_S)

    engine.may_end.set()
    engine.wait_idle(PATIENCE_S)
    engine.move(clock, by_s=SHORT_S)

    assert engine.fired_at == [begin + SHORT_S, begin + 3 * SHORT_S]


# Restarts.


def test_start_catches_up_what_was_missed(tmp_path: Path, clock: ManualClock) -> None:
    """What passed while no engine ran is run at the start, as the policy says, and not again at the next."""
    begin = clock.now()
    with ReportEngine(tmp_path / "jobs.db", clock) as engine:
        engine.schedules.put("hourly", "report", Report(team="docs"), every_s=HOUR_S, catch_up="all", catch_up_limit=3)
    clock.advance(10.5 * HOUR_S)
    fired: list[float] = []

    for _ in range(3):
        with ReportEngine(tmp_path / "jobs.db", clock) as engine:
            engine.wait_idle(PATIENCE_S)
            fired += engine.fired_at

    assert fired == [begin + 8 * HOUR_S, begin + 9 * HOUR_S, begin + 10 * HOUR_S]


def test_put_at_each_start_changes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """A daemon that puts its schedules whenever it starts neither moves their times nor undoes a pause."""
    kept: list[tuple[Schedule, Schedule]] = []
    for _ in range(3):
        with ReportEngine(tmp_path / "jobs.db", clock) as engine:
            put = engine.schedules.put("a", "report", Report(team="docs"), every_s=HOUR_S)
            other = engine.schedules.put("b", "report", Report(team="docs"), cron="@daily", overlap="skip")
            if not kept:
                engine.schedules.pause("b")
            kept.append((put, engine.schedules.get("b")))
        clock.advance(60)

    assert kept[0] == kept[1] == kept[2]
    assert kept[2][1] == msgspec.structs.replace(other, is_paused=True)


def test_tick_at_which_nothing_is_due_asks_for_the_next(tmp_path: Path, clock: ManualClock) -> None:
    """After a restart the alarm is set to the next fire time, though nothing was written."""
    with ReportEngine(tmp_path / "jobs.db", clock) as engine:
        put = engine.schedules.put("hourly", "report", Report(team="docs"), every_s=HOUR_S)
    store = Store.open(tmp_path / "jobs.db", clock=clock)

    with store.group():
        FallDue().apply(store)
        wake_at = store.changes.wake_at

    assert wake_at == put.next_at
    assert store.total_changes == 0
    store.close()


def test_engine_that_rests_fires_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """With ``resume=False`` the file's schedules wait, as its runs do, for an engine that is there for all of them."""
    with ReportEngine(tmp_path / "jobs.db", clock) as engine:
        engine.schedules.put("hourly", "report", Report(team="docs"), every_s=HOUR_S)

    with ReportEngine(tmp_path / "jobs.db", clock, resume=False) as engine:
        clock.advance(HOUR_S)
        assert engine.jobs() == []

    with ReportEngine(tmp_path / "jobs.db", clock) as engine:
        engine.wait_idle(PATIENCE_S)
        assert len(engine.ran) == 1
