"""An engine whose parts crash: each comes back and goes on, and one that keeps crashing ends all waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from actor_rig import PATIENCE_S, Answer, SiteActor, SiteEngine, page, read

from bequest import Definition, EngineState, Run
from bequest.actors import asking, supervisor
from bequest.actors.executor import ExecutorActor
from bequest.actors.manager import ManagerActor
from bequest.actors.messages import Request
from bequest.actors.monitor import MonitorActor
from bequest.actors.reader import ReaderActor
from bequest.actors.supervisor import MAX_CRASHES
from bequest.engine.errors import DeadlineError, EngineError, EngineFailedError
from bequest.engine.pages import PageRequest
from bequest.engine.records import State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

URL = "https://wiki.example/"
WIKI = Definition.crawl("wiki", start_urls=[URL], max_depth=1)


class Die(Request, frozen=True, kw_only=True):
    """Ends the manager."""

    def apply(self, store: Store) -> None:
        """Raise what no message should."""
        raise SystemExit


def two_links(request: PageRequest) -> Answer:
    return page(request.url, "/a", "/b")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Hold each test to the engine's promise."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start again at once, and find out soon who has died."""
    monkeypatch.setattr(supervisor, "restart_delay_s", lambda _failures: 0.0)
    monkeypatch.setattr(asking, "ALIVE_CHECK_S", 0.02)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database."""
    return tmp_path / "jobs.db"


def insist(act: Callable[[], Any]) -> Any:
    """Do *act* until the actors that it needs are there, or the engine has failed."""
    while True:
        try:
            return act()
        except (EngineFailedError, DeadlineError):
            raise
        except EngineError:
            continue


def fail(*_arguments: object, **_named: object) -> Any:
    """Raise what ends an actor."""
    raise SystemExit


def failing_once(method: Any) -> Any:
    """Return a method that fails the first time, and then does as *method*."""
    left = [fail]

    def tried(self: Any, *arguments: Any, **named: Any) -> Any:
        return left.pop()() if left else method(self, *arguments, **named)

    return tried


# One crash


def test_engine_outlives_its_manager(path: Path) -> None:
    """When the manager dies another one takes its place over the same file; health says that this happened."""
    with SiteEngine(path, two_links) as engine:
        before = engine.run(WIKI)
        before.wait(PATIENCE_S)

        engine.manager.tell(Die())
        while not engine.health().restarts:
            insist(before.status)

        assert insist(lambda: engine.run(WIKI, key="after")).wait(PATIENCE_S) is State.COMPLETED
        assert engine.health().state is EngineState.RUNNING


def test_run_outlives_the_manager(path: Path) -> None:
    """A run in the middle of which the manager dies comes to its end, and each page of it is stored once."""
    engines: list[SiteEngine] = []

    def deadly(request: PageRequest) -> Answer:
        if request.url.endswith("/7") and engines:
            engines.pop().manager.tell(Die())
        return page(request.url, *[f"/{number}" for number in range(12)])

    with SiteEngine(path, deadly, concurrency=2) as engine:
        engines.append(engine)
        run = engine.run(WIKI)

        assert insist(lambda: run.wait(PATIENCE_S)) is State.COMPLETED
        urls = [document.url for document in run.documents()]
        assert sorted(urls) == sorted([URL, *(f"{URL}{number}" for number in range(12))])


def test_executor_goes_on_with_what_it_was_doing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose executor died between its steps is gone on with by the next one, in the same engine's life."""
    monkeypatch.setattr(ExecutorActor, "make_visible", failing_once(ExecutorActor.make_visible))
    with SiteEngine(path, two_links) as engine:
        with pytest.raises(EngineError, match=r"ExecutorActor crashed on this call \(SystemExit\)"):
            engine.run(WIKI)

        assert engine.find_run(1).wait(PATIENCE_S) is State.COMPLETED


def test_run_between_whose_steps_the_manager_died_is_gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor, which was told that the manager has stopped, begins anew with it and takes the run up."""
    make_visible = ExecutorActor.make_visible
    with SiteEngine(path, two_links) as engine:
        deaths = [Die()]

        def after_a_death(self: ExecutorActor, *arguments: Any) -> None:
            while deaths:
                engine.manager.ask(deaths.pop())
            make_visible(self, *arguments)

        monkeypatch.setattr(ExecutorActor, "make_visible", after_a_death)
        with pytest.raises(EngineError, match=r"ManagerActor crashed on this call \(SystemExit\)"):
            engine.run(WIKI)

        assert insist(lambda: engine.find_run(1).wait(PATIENCE_S)) is State.COMPLETED


def test_monitor_makes_up_for_what_it_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that died with the monitor is made up for by the next one's first sweep (I9)."""
    monkeypatch.setattr(MonitorActor, "receive", failing_once(MonitorActor.receive))
    with SiteEngine(path, lambda request: page(request.url)) as engine:
        assert engine.run(WIKI).wait(PATIENCE_S) is State.COMPLETED


def test_reader_comes_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that died over one listing is there again for the next."""
    with SiteEngine(path, two_links) as engine:
        run = engine.run(WIKI)
        run.wait(PATIENCE_S)
        monkeypatch.setattr(ReaderActor, "receive", failing_once(ReaderActor.receive))

        with pytest.raises(EngineError, match="ReaderActor crashed on this call"):
            run.logs()

        assert len(insist(run.logs)) == 6


def test_page_that_crashes_the_browser_costs_an_attempt(path: Path, clock: ManualClock) -> None:
    """The page that the browser died of is tried again later; those beside it are given back unharmed (I5)."""
    seen: list[str] = []

    def crash_once(request: PageRequest) -> Answer:
        seen.append(request.url)
        if seen.count(f"{URL}bad") == 1 and request.url == f"{URL}bad":
            raise SystemExit
        return page(request.url)

    with SiteEngine(path, crash_once, clock=clock) as engine:
        run = engine.run(Definition.crawl("wiki", start_urls=[f"{URL}bad", f"{URL}good"]))
        status = run.status()
        while not (status.pages.completed and status.pages.pending):
            status = run.changed_since(status, timeout_s=PATIENCE_S)

    views = read(path, clock, lambda queries: queries.jobs(parent_id=run.id))
    bad, good = sorted(views, key=lambda view: view.job.config["url"])
    assert (bad.job.state, bad.job.attempts, good.job.state) == (State.PENDING, 1, State.COMPLETED)
    assert bad.job.error is not None
    assert "crashed on this call (SystemExit)" in bad.job.error.message


# Too many of them


def wait_for_the_end(run: Run, ended: queue.SimpleQueue[str]) -> None:
    """Wait for *run* through all restarts, and note why the engine failed."""
    try:
        insist(run.wait)
    except EngineFailedError as error:
        ended.put(str(error))


PARTS = {"manager": ManagerActor, "monitor": MonitorActor, "browser": SiteActor}


@pytest.mark.parametrize("part", PARTS)
def test_part_that_keeps_crashing_fails_the_engine(path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Health says the cause, each call and each wait ends with it, and the stop leaves nothing (I18)."""
    definition = Definition.crawl("wiki", start_urls=[f"{URL}{number}" for number in range(40)])
    with SiteEngine(path, lambda _request: None) as engine:
        run = engine.run(definition)
        ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        waiter = threading.Thread(target=wait_for_the_end, args=(run, ended))
        waiter.start()

        monkeypatch.setattr(PARTS[part], "receive", fail)
        engine._ring()
        if part == "browser":
            engine._browser.tell("anything")

        cause = f"the {part} crashed {MAX_CRASHES} times (SystemExit)"
        assert cause in ended.get(timeout=PATIENCE_S)
        waiter.join()
        assert (engine.health().state, engine.health().cause) == (EngineState.FAILED, cause)
        for call in (lambda: engine.run(WIKI), lambda: engine.credentials, run.status, run.job, run.cancel, run.logs):
            with pytest.raises(EngineFailedError, match=f"the {part} crashed"):
                call()

    assert engine.health().state is EngineState.STOPPED


def test_failed_engine_can_be_started_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop and a start begin anew, and go on with the run that the failure cut short."""
    engine = SiteEngine(path, two_links)
    engine.start()
    is_begun = threading.Event()  # before, a run that cannot begin would be told so

    def fail_then(self: object, message: object) -> None:
        is_begun.wait(PATIENCE_S)
        fail(self, message)

    with monkeypatch.context() as broken:
        broken.setattr(MonitorActor, "receive", fail_then)
        run = engine.run(WIKI)
        is_begun.set()
        with pytest.raises(EngineFailedError, match="the monitor crashed 5 times"):
            insist(run.wait)
    engine.stop()

    with engine:
        assert engine.health().cause is None
        assert engine.find_run(run.id).wait(PATIENCE_S) is State.COMPLETED
