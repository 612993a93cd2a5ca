"""An engine's schedules as a caller holds them: shown, paused, removed, run at once, and refused when put wrongly."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from actor_rig import PATIENCE_S
from schedule_engine_rig import HOUR_S, WIKI, Report, ReportEngine, crawl, flow

from bequest import (
    BequestError,
    Cron,
    Definition,
    DefinitionError,
    Engine,
    EngineStoppedError,
    Interval,
    InvalidJobError,
    MetadataError,
    ScheduleNotFoundError,
    State,
)
from bequest.testing.manual_clock import ManualClock


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[ReportEngine]:
    """Give an engine that runs."""
    with ReportEngine(tmp_path / "jobs.db", clock) as made:
        yield made


def test_schedule_tells_where_it_stands(engine: ReportEngine, clock: ManualClock) -> None:
    """``get`` and ``list`` show what is made, when next, and when last."""
    begin = clock.now()
    engine.schedules.put("b", "report", Report(team="docs"), every_s=HOUR_S)
    engine.schedules.put("a", "report", Report(team="docs"), cron="0 3 * * *", timezone="Europe/Berlin")

    engine.move(clock, by_s=HOUR_S)

    first, second = engine.schedules.list()
    assert engine.schedules.get("b") == second
    assert (first.name, first.rule) == ("a", Cron(expression="0 3 * * *", timezone="Europe/Berlin"))
    assert (second.name, second.rule) == ("b", Interval(every_s=HOUR_S, from_at=begin))
    assert (second.job.kind, second.job.config) == ("report", {"team": "docs", "pages": 1})
    assert (second.last_at, second.next_at) == (begin + HOUR_S, begin + 2 * HOUR_S)
    assert second.last_job_id == engine.ran[0].id


def test_pause_resume_and_remove_take_effect(engine: ReportEngine, clock: ManualClock) -> None:
    """A paused schedule runs nothing, a resumed one goes on from then, a removed one is gone."""
    begin = clock.now()
    engine.schedules.put("hourly", "report", Report(team="docs"), every_s=HOUR_S)

    engine.schedules.pause("hourly")
    engine.move(clock, by_s=2.5 * HOUR_S)
    engine.schedules.resume("hourly")
    engine.move(clock, by_s=0.5 * HOUR_S)
    engine.schedules.remove("hourly")
    engine.move(clock, by_s=HOUR_S)

    assert engine.fired_at == [begin + 3 * HOUR_S]
    assert engine.schedules.list() == []


@pytest.mark.parametrize("what", ["report", "definition"])
def test_run_now_gives_a_handle(engine: ReportEngine, what: str) -> None:
    """A person may have a schedule run at once, a job or a run, and wait for its end."""
    if what == "report":
        engine.schedules.put("one", "report", Report(team="docs"), cron="@yearly")
    else:
        engine.schedules.put("one", crawl(), cron="@yearly")

    handle = engine.schedules.run_now("one")

    assert handle.wait(PATIENCE_S) is State.COMPLETED
    assert handle.job().metadata["schedule"] == "one"


@pytest.mark.parametrize("verb", ["get", "pause", "resume", "remove", "run_now"])
def test_schedule_that_is_none_is_an_error(engine: ReportEngine, verb: str) -> None:
    """The error says which name was asked for."""
    with pytest.raises(ScheduleNotFoundError, match="asked for schedule 'nightly', found none of that name"):
        getattr(engine.schedules, verb)("nightly")


def test_schedules_are_of_an_engine_that_runs(tmp_path: Path) -> None:
    """A stopped engine has none to give."""
    with pytest.raises(EngineStoppedError):
        _ = Engine(tmp_path / "jobs.db").schedules


@pytest.mark.parametrize(
    ("kind", "options", "error", "said"),
    [
        ("report", {}, InvalidJobError, "found neither cron nor every_s"),
        ("report", {"cron": "@daily", "every_s": 1}, InvalidJobError, "with both cron and every_s"),
        ("report", {"cron": "tomorrow"}, InvalidJobError, "asked for cron 'tomorrow', found: wrong number of fields"),
        ("report", {"cron": 3}, InvalidJobError, "Expected `str`, got `int` - at `$.rule.expression`"),
        ("report", {"cron": "0 0 30 2 *"}, InvalidJobError, "bad day-of-month"),
        ("report", {"cron": "@daily", "timezone": "Berlin"}, InvalidJobError, "asked for time zone 'Berlin'"),
        ("report", {"every_s": 1, "timezone": "Europe/Berlin"}, InvalidJobError, "an interval is as long everywhere"),
        ("report", {"every_s": 0}, InvalidJobError, "asked for an interval of 0 s"),
        ("report", {"every_s": "1"}, InvalidJobError, "Expected `float`, got `str` - at `$.rule.every_s`"),
        ("report", {"every_s": 1, "catch_up": "maybe"}, InvalidJobError, "'maybe', found no policy of that name"),
        ("report", {"every_s": 1, "overlap": "maybe"}, InvalidJobError, "among allow, skip, queue"),
        ("report", {"every_s": 1, "key": "x"}, InvalidJobError, "with key, but it gives its jobs their time and key"),
        ("report", {"every_s": 1, "delay_s": 1}, InvalidJobError, "with delay_s, but it gives its jobs their time"),
        ("report", {"every_s": 1, "parent_id": 1}, InvalidJobError, "with parent_id, found no option of that name"),
        ("report", {"every_s": 1, "priority": "x"}, InvalidJobError, "at `$.priority`"),
        ("report", {"every_s": 1, "config": None}, InvalidJobError, "config of a 'report' job"),
        ("report", {"every_s": 1, "config": Report(team=3)}, InvalidJobError, "at `$.team`"),  # type: ignore[arg-type]
        ("report", {"every_s": 1, "metadata": {"a": float("nan")}}, MetadataError, "metadata of schedule 'one'"),
        ("nothing", {"every_s": 1}, InvalidJobError, "asked for kind 'nothing', found none"),
        (print, {"every_s": 1}, InvalidJobError, "of a builtin_function_or_method; give a kind, its name or a"),
        (crawl(), {"every_s": 1}, InvalidJobError, "with a config; a run has what its definition says"),
        (crawl(), {"every_s": 1, "config": None, "priority": 1}, InvalidJobError, "with priority; a run has what its"),
        (crawl(), {"config": None, "cron": "x"}, InvalidJobError, "asked for cron 'x'"),
        (Definition(name="x", steps=("crawl",)), {"every_s": 1, "config": None}, DefinitionError, "steps[0]"),  # type: ignore[arg-type]
        (Definition(name="none"), {"every_s": 1, "config": None}, DefinitionError, "start_urls"),
        (flow(kind="nothing"), {"every_s": 1, "config": None}, InvalidJobError, "asked for kind 'nothing'"),
        (flow(kind="report", config={"team": 3}), {"every_s": 1, "config": None}, InvalidJobError, "at `$.team`"),
        (
            Definition.crawl("x", start_urls=[WIKI], labels={"fire_at": "noon"}),
            {"every_s": 1, "config": None},
            InvalidJobError,
            "gives its runs 'fire_at' itself",
        ),
    ],
)
def test_put_refuses_bad_input_and_writes_nothing(
    tmp_path: Path, clock: ManualClock, kind: Any, options: dict[str, Any], error: type[BequestError], said: str
) -> None:
    """Whatever is wrong, the error says what was asked and found, and neither schedule nor definition is kept."""
    with ReportEngine(tmp_path / "jobs.db", clock) as engine:
        with pytest.raises(error) as raised:
            engine.schedules.put("one", kind, **{"config": Report(team="docs"), **options})

    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        kept = connection.execute("SELECT (SELECT count(*) FROM schedule) + (SELECT count(*) FROM definition)")
        assert kept.fetchone() == (0,)
    connection.close()
    assert said in str(raised.value)
