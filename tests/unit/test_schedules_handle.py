"""Tests of an engine's schedules, with the real actors and a clock that is moved by hand (I20)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bequest import (
    BequestError,
    Cron,
    Definition,
    DefinitionError,
    Engine,
    EngineStoppedError,
    Interval,
    InvalidJobError,
    JobContext,
    MetadataError,
    Schedule,
    ScheduleNotFoundError,
    State,
)
from bequest.actors.asking import Ask
from bequest.actors.browser_messages import FetchPage
from bequest.actors.messages import FallDue
from bequest.actors.supervised import SupervisedActor
from bequest.engine.pages import PageSnapshot
from bequest.engine.records import Job
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

PATIENCE_S = 20.0  # until a test is given up; what it waits for comes at once
HOUR_S = 3_600.0
SHORT_S = 10.0  # so that a job that runs for several of them keeps its lease
WIKI = "https://wiki.example/"


class Report(msgspec.Struct):
    """The config of the kind that the tests use."""

    team: str
    pages: int = 1


class SiteActor(SupervisedActor):
    """Answers ``FetchPage`` in the browser's place, with a page that links to one other."""

    def receive(self, message: object) -> None:
        """Answer."""
        assert isinstance(message, Ask)
        asked: FetchPage = message.message
        url = asked.request.url
        message.reply.set(
            PageSnapshot(
                url=url,
                status=200,
                content_type="text/html",
                html=f'<title>Page {url}</title><p>This is the page at {url}.</p><a href="/other">Other</a>',
                was_redirected=False,
                login_form=None,
                cookies=None,
            )
        )


class SiteEngine(Engine):
    """An engine whose browser is a function, with a kind whose handler notes what it is given."""

    def __init__(self, path: Path | str, clock: ManualClock, **options: Any) -> None:
        super().__init__(path, clock=clock, **options)
        self.ran: list[JobContext] = []
        self.is_running = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

        @self.kind("report")
        def report(job: JobContext, config: Report) -> None:
            self.ran.append(job)
            self.is_running.set()
            assert self.may_end.wait(PATIENCE_S)

    @property
    def fired_at(self) -> list[float]:
        """The fire times of what has run, in order."""
        return [job.metadata["fire_at"] for job in self.ran]

    def move(self, clock: ManualClock, *, by_s: float = 0.0, to: float | None = None) -> None:
        """Move the clock, and wait until nothing is left to do."""
        if to is not None:
            clock.jump(to)
        else:
            clock.advance(by_s)
        self.wait_idle(PATIENCE_S)

    def _start_browser(self) -> None:
        supervisor = self._running_supervisor()
        if not supervisor.has(self._browser):
            supervisor.add(self._browser, lambda: SiteActor.start(supervisor))


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[SiteEngine]:
    """Give an engine that runs."""
    with SiteEngine(tmp_path / "jobs.db", clock) as made:
        yield made


def moment(text: str) -> float:
    """Return the seconds since the epoch of an ISO time with its offset."""
    return datetime.fromisoformat(text).timestamp()


def runs_of(engine: Engine) -> list[Job]:
    """Return the parents of all runs."""
    return [view.job for view in engine.jobs() if view.job.kind in ("crawl", "run")]


# Firing.


def test_schedule_runs_when_its_time_has_come(engine: SiteEngine, clock: ManualClock) -> None:
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
    with SiteEngine(tmp_path / "jobs.db", clock) as engine:
        engine.schedules.put("nightly", "report", Report(team="docs"), cron="30 2 * * *", timezone="Europe/Berlin")

        for _ in range(24 * 4):
            engine.move(clock, by_s=900)

        assert engine.fired_at == [moment(expected)]


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S, 10 * 365.25 * 86_400, -10 * 365.25 * 86_400])
def test_clock_that_jumps_and_is_put_right_doubles_and_stops_nothing(
    engine: SiteEngine, clock: ManualClock, jump_s: float
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


def test_many_ticks_at_one_time_make_one_job(engine: SiteEngine, clock: ManualClock) -> None:
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


def test_overlap_queue_runs_once_more_afterwards(engine: SiteEngine, clock: ManualClock) -> None:
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


def test_overlap_skip_leaves_out_what_comes_meanwhile(engine: SiteEngine, clock: ManualClock) -> None:
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
    with SiteEngine(tmp_path / "jobs.db", clock) as engine:
        engine.schedules.put("hourly", "report", Report(team="docs"), every_s=HOUR_S, catch_up="all", catch_up_limit=3)
    clock.advance(10.5 * HOUR_S)
    fired: list[float] = []

    for _ in range(3):
        with SiteEngine(tmp_path / "jobs.db", clock) as engine:
            engine.wait_idle(PATIENCE_S)
            fired += engine.fired_at

    assert fired == [begin + 8 * HOUR_S, begin + 9 * HOUR_S, begin + 10 * HOUR_S]


def test_put_at_each_start_changes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """A daemon that puts its schedules whenever it starts neither moves their times nor undoes a pause."""
    kept: list[tuple[Schedule, Schedule]] = []
    for _ in range(3):
        with SiteEngine(tmp_path / "jobs.db", clock) as engine:
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
    with SiteEngine(tmp_path / "jobs.db", clock) as engine:
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
    with SiteEngine(tmp_path / "jobs.db", clock) as engine:
        engine.schedules.put("hourly", "report", Report(team="docs"), every_s=HOUR_S)

    with SiteEngine(tmp_path / "jobs.db", clock, resume=False) as engine:
        clock.advance(HOUR_S)
        assert engine.jobs() == []

    with SiteEngine(tmp_path / "jobs.db", clock) as engine:
        engine.wait_idle(PATIENCE_S)
        assert len(engine.ran) == 1


# Runs of a definition.


def crawl() -> Definition:
    """Return a small crawl."""
    return Definition.crawl("wiki", start_urls=[WIKI], max_pages=5, labels={"team": "docs"})


def test_scheduled_crawl_is_a_run(engine: SiteEngine, clock: ManualClock) -> None:
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
    with SiteEngine(tmp_path / "jobs.db", clock) as engine:
        engine.schedules.put("nightly", crawl(), every_s=HOUR_S)
    clock.advance(HOUR_S)

    with SiteEngine(tmp_path / "jobs.db", clock) as engine:
        engine.wait_idle(PATIENCE_S)
        engine.move(clock, by_s=HOUR_S)
        states = [job.state for job in runs_of(engine)]

    assert states == [State.COMPLETED, State.COMPLETED]


def test_scheduled_run_with_steps_takes_them(engine: SiteEngine, clock: ManualClock) -> None:
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


def test_overlap_of_runs_waits_for_the_whole_run(engine: SiteEngine, clock: ManualClock) -> None:
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


# What a caller holds.


def test_schedule_tells_where_it_stands(engine: SiteEngine, clock: ManualClock) -> None:
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


def test_pause_resume_and_remove_take_effect(engine: SiteEngine, clock: ManualClock) -> None:
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
def test_run_now_gives_a_handle(engine: SiteEngine, what: str) -> None:
    """A person may have a schedule run at once, a job or a run, and wait for its end."""
    if what == "report":
        engine.schedules.put("one", "report", Report(team="docs"), cron="@yearly")
    else:
        engine.schedules.put("one", crawl(), cron="@yearly")

    handle = engine.schedules.run_now("one")

    assert handle.wait(PATIENCE_S) is State.COMPLETED
    assert handle.job().metadata["schedule"] == "one"


@pytest.mark.parametrize("verb", ["get", "pause", "resume", "remove", "run_now"])
def test_schedule_that_is_none_is_an_error(engine: SiteEngine, verb: str) -> None:
    """The error says which name was asked for."""
    with pytest.raises(ScheduleNotFoundError, match="asked for schedule 'nightly', found none of that name"):
        getattr(engine.schedules, verb)("nightly")


def test_schedules_are_of_an_engine_that_runs(tmp_path: Path) -> None:
    """A stopped engine has none to give."""
    with pytest.raises(EngineStoppedError):
        _ = Engine(tmp_path / "jobs.db").schedules


def flow(**step: Any) -> Definition:
    """Return a definition of one step."""
    return Definition.crawl("flow", steps=[step])


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
    with SiteEngine(tmp_path / "jobs.db", clock) as engine:
        with pytest.raises(error) as raised:
            engine.schedules.put("one", kind, **{"config": Report(team="docs"), **options})

    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        kept = connection.execute("SELECT (SELECT count(*) FROM schedule) + (SELECT count(*) FROM definition)")
        assert kept.fetchone() == (0,)
    connection.close()
    assert said in str(raised.value)
