"""Scheduled runs of a definition are runs like others, with the real actors and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from actor_rig import PATIENCE_S
from schedule_engine_rig import HOUR_S, SHORT_S, WIKI, ReportEngine, crawl, flow

from bequest import Definition, Engine, State
from bequest.engine.records import Job
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[ReportEngine]:
    """Give an engine that runs."""
    with ReportEngine(tmp_path / "jobs.db", clock) as made:
        yield made


def runs_of(engine: Engine) -> list[Job]:
    """Return the parents of all runs."""
    return [view.job for view in engine.jobs() if view.job.kind in ("crawl", "run")]


def test_scheduled_crawl_is_a_run(engine: ReportEngine, clock: ManualClock) -> None:
    """It stores what ``run`` stores; parent and pages know the definition, its labels, the schedule and the time."""
    engine.schedules.put("nightly", crawl(), every_s=HOUR_S)

    engine.move(clock, by_s=HOUR_S)

    (parent,) = runs_of(engine)
    run = engine.find_run(parent.id)
    assert run.wait(PATIENCE_S) is State.COMPLETED
    assert sorted(document.url for document in run.documents()) == [WIKI, f"{WIKI}other"]
    for job in (run.job(), *(view.job for view in engine.jobs(parent_id=parent.id))):
        assert job.metadata["team"] == "docs"
        assert job.metadata["schedule"] == "nightly"
        assert job.metadata["fire_at"] == clock.now()
    assert parent.definition_id is not None
    assert run.job().metadata["job_definition_id"] == parent.definition_id


def test_scheduled_crawl_is_done_after_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    """An engine that finds such a schedule has crawlers for it, without anybody calling ``run``."""
    with ReportEngine(tmp_path / "jobs.db", clock) as engine:
        engine.schedules.put("nightly", crawl(), every_s=HOUR_S)
    clock.advance(HOUR_S)

    with ReportEngine(tmp_path / "jobs.db", clock) as engine:
        engine.wait_idle(PATIENCE_S)
        engine.move(clock, by_s=HOUR_S)
        states = [job.state for job in runs_of(engine)]

    assert states == [State.COMPLETED, State.COMPLETED]


def test_scheduled_run_with_steps_takes_them(engine: ReportEngine, clock: ManualClock) -> None:
    """Each step of the definition is done, a crawl among them, and each job of it knows the schedule."""
    steps = [
        {"kind": "report", "config": {"team": "first"}},
        {"kind": "crawl", "config": {"start_urls": [WIKI]}},
        {"kind": "report", "config": {"team": "last"}},
    ]
    engine.schedules.put("weekly", Definition.crawl("flow", steps=steps), cron="@hourly")

    engine.move(clock, by_s=HOUR_S)

    (parent,) = runs_of(engine)
    assert engine.find_run(parent.id).wait(PATIENCE_S) is State.COMPLETED
    assert [job.metadata["schedule"] for job in engine.ran] == ["weekly", "weekly"]
    assert [view.job.kind for view in engine.jobs(parent_id=parent.id)] == ["report", "crawl", "report"]


def test_overlap_of_runs_waits_for_the_whole_run(engine: ReportEngine, clock: ManualClock) -> None:
    """A run has ended when all that it spawned has; until then the next one is left out."""
    definition = flow(kind="report", config={"team": "docs"})
    engine.schedules.put("often", definition, every_s=SHORT_S, overlap="skip")
    engine.may_end.clear()
    clock.advance(SHORT_S)
    assert engine.is_running.wait(PATIENCE_S)
    clock.advance(SHORT_S)

    engine.may_end.set()
    engine.wait_idle(PATIENCE_S)

    assert len(runs_of(engine)) == 1
