"""The engine's life: it starts whole or not at all, owns its file, leaves nothing behind, and is nobody's global."""

from __future__ import annotations

import logging
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from actor_rig import PATIENCE_S, Answer, SiteEngine, in_child, page, read

from bequest import Credential, Definition, Engine, EngineState, KeyFile
from bequest.actors.browser_messages import Goto, Login
from bequest.actors.manager import Tick
from bequest.actors.supervisor import Supervisor
from bequest.engine.changes import Ripe
from bequest.engine.errors import (
    DatabaseOwnedError,
    DefinitionError,
    EngineError,
    EngineStoppedError,
    ForeignDatabaseError,
    ForkError,
    StoreError,
)
from bequest.engine.pages import PageRequest
from bequest.engine.records import State
from bequest.testing.manual_clock import ManualClock

URL = "https://wiki.example/"
WIKI = Definition.crawl("wiki", start_urls=[URL], max_depth=1)
LOGIN = Login(steps=(Goto(url=URL),), timeout_s=1.0)


def two_links(request: PageRequest) -> Answer:
    return page(request.url, "/a", "/b")


class OpenSite:
    """Answers no page, and says when the first is asked for."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()

    def __call__(self, request: PageRequest) -> Answer:
        """Leave it open."""
        self.is_asked.set()
        return None


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Hold each test to the engine's promise."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database."""
    return tmp_path / "jobs.db"


# Start and stop


@pytest.mark.parametrize("where", ["file", "memory"])
def test_engine_crawls_a_run_to_its_end(path: Path, where: str) -> None:
    """From a definition to documents, over a file and in memory alike; row, handles and log agree."""
    with SiteEngine(path if where == "file" else ":memory:", two_links) as engine:
        run = engine.run(WIKI)

        assert run.wait(PATIENCE_S) is State.COMPLETED
        assert sorted(document.url for document in run.documents()) == [URL, f"{URL}a", f"{URL}b"]
        assert (run.stats().completed, run.job().metadata["phase"]) == (3, "crawling")
        assert len(run.logs()) == 6


def test_stop_leaves_nothing_running(path: Path, clock: ManualClock) -> None:
    """In the middle of pages a stop gives their leases back, with no attempt spent, and lets go of the file."""
    site = OpenSite()
    engine = SiteEngine(path, site)
    engine.start()
    run = engine.run(Definition.crawl("wiki", start_urls=[URL, f"{URL}a"]))
    assert site.is_asked.wait(PATIENCE_S)

    engine.stop()

    pages = read(path, clock, lambda queries: queries.jobs(parent_id=run.id))
    assert [(view.job.state, view.job.attempts) for view in pages] == [(State.PENDING, 0)] * 2
    with Engine(path, resume=False):
        pass


def test_next_start_goes_on(path: Path) -> None:
    """What a stop cut short is gone on with by the next engine, without being asked for."""
    site = OpenSite()
    with SiteEngine(path, site) as engine:
        run_id = engine.run(WIKI).id
        assert site.is_asked.wait(PATIENCE_S)

    with SiteEngine(path, two_links) as engine:
        assert engine.find_run(run_id).wait(PATIENCE_S) is State.COMPLETED
        assert engine.find_run(run_id).stats().completed == 3


def test_unfinished_runs_rest_when_they_are_told_to(path: Path) -> None:
    """Without *resume* only what is run is gone on with; the others keep till another start."""
    site = OpenSite()
    with SiteEngine(path, site) as engine:
        resting = engine.run(WIKI, key="resting").id
        assert site.is_asked.wait(PATIENCE_S)

    with SiteEngine(path, two_links, resume=False) as engine:
        other = engine.run(Definition.crawl("other", start_urls=["https://other.example/"], max_depth=0))
        assert other.wait(PATIENCE_S) is State.COMPLETED
        assert engine.find_run(resting).stats().pending == 1
        assert engine.run(WIKI, key="resting").wait(PATIENCE_S) is State.COMPLETED


def test_engine_starts_and_stops_again(path: Path) -> None:
    """One object can be started after a stop, and a second start or stop in a row does nothing."""
    engine = SiteEngine(path, two_links)
    ids = []

    for _ in range(2):
        engine.start()
        engine.start()
        run = engine.run(WIKI)
        run.wait(PATIENCE_S)
        ids.append(run.id)
        engine.stop()
        engine.stop()

    assert ids == [1, 5]
    assert engine.health().state is EngineState.STOPPED


def test_engine_that_has_nothing_to_crawl_starts_no_browser(path: Path) -> None:
    """Crawlers and browser come with the first run."""
    with SiteEngine(path, two_links) as engine:
        names = {thread.name.partition("-")[0] for thread in threading.enumerate()}

        assert not names & {"ChildCrawlerActor", "SiteActor"}
        assert engine.health().state is EngineState.RUNNING


def test_who_waits_for_a_run_learns_of_the_stop() -> None:
    """A wait without a deadline ends when the engine does (I18)."""
    site = OpenSite()
    engine = SiteEngine(":memory:", site)
    engine.start()
    run = engine.run(WIKI)
    ended: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def wait() -> None:
        try:
            run.wait()
        except EngineStoppedError as error:
            ended.put(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert site.is_asked.wait(PATIENCE_S)

    engine.stop()

    assert isinstance(ended.get(timeout=PATIENCE_S), EngineStoppedError)
    waiter.join()


def test_page_is_tried_again_at_its_time(clock: ManualClock) -> None:
    """A page that failed for now is fetched again when its time has come, and the run ends well."""
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for status in (503, 200):
        answers.put(status)
    with SiteEngine(":memory:", lambda request: page(request.url, status=answers.get()), clock=clock) as engine:
        run = engine.run(WIKI)
        seen = run.status()
        while not (answers.qsize() == 1 and seen.pages.pending == 1):
            seen = run.changed_since(seen, timeout_s=PATIENCE_S)

        clock.advance(60.0)
        engine.manager.tell(Tick())

        assert run.wait(PATIENCE_S) is State.COMPLETED


# Refused starts


class Unreadable(Engine):
    """An engine one part of which cannot be started."""

    def _start_reader(self, supervisor: Supervisor) -> None:
        raise StoreError("too many open files")


def test_start_that_is_refused_in_the_middle_leaves_nothing(path: Path) -> None:
    """When a part cannot be started all others end, the file is let go, and the error is the caller's."""
    engine = Unreadable(path)

    with pytest.raises(StoreError, match="too many open files"):
        engine.start()

    assert engine.health().state is EngineState.STOPPED
    with Engine(path) as other:
        assert other.health().state is EngineState.RUNNING


def test_file_of_another_application_is_refused_unchanged(path: Path) -> None:
    """Nothing is written to it or beside it, and nothing is started."""
    path.write_bytes(b"not a database" * 20)
    engine = Engine(path)

    with pytest.raises(ForeignDatabaseError):
        engine.start()

    assert path.read_bytes() == b"not a database" * 20
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert engine.health().state is EngineState.STOPPED


def test_file_has_one_owner(path: Path) -> None:
    """A second engine over one file is refused and does not disturb the first, and may start after it."""
    second = Engine(path)
    with SiteEngine(path, two_links) as first:
        with pytest.raises(DatabaseOwnedError, match="owned by process"):
            second.start()
        assert first.run(WIKI).wait(PATIENCE_S) is State.COMPLETED

    with second:
        assert second.health().state is EngineState.RUNNING


def test_several_engines_live_in_one_process(tmp_path: Path) -> None:
    """Each has its own file and its own actors; the end of one is nothing to the others."""
    engines = [SiteEngine(tmp_path / f"{number}.db", two_links) for number in range(2)]
    engines += [SiteEngine(":memory:", two_links) for _ in range(2)]
    for engine in engines:
        engine.start()
    runs = [engine.run(WIKI) for engine in engines]
    engines[0].stop()
    engines[2].stop()

    states = [run.wait(PATIENCE_S) for run in (runs[1], runs[3])]

    for engine in engines:
        engine.stop()
    assert states == [State.COMPLETED] * 2


@pytest.mark.parametrize("concurrency", [0, -1])
def test_engine_without_a_crawler_is_refused(concurrency: int) -> None:
    """A run of such an engine would wait for ever."""
    with pytest.raises(EngineError, match=f"concurrency is at least 1, found {concurrency}"):
        Engine(concurrency=concurrency)


# Out of its time


CALLS: dict[str, Callable[[Engine], Any]] = {
    "run": lambda engine: engine.run(WIKI),
    "credentials": lambda engine: engine.credentials.list(),
    "log_in": lambda engine: engine.log_in(LOGIN),
    "status": lambda engine: engine.find_run(1).status(),
    "wait": lambda engine: engine.find_run(1).wait(),
    "documents": lambda engine: list(engine.find_run(1).documents()),
    "logs": lambda engine: engine.find_run(1).logs(),
    "cancel": lambda engine: engine.find_run(1).cancel(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("where", ["file", "memory"])
def test_engine_that_does_not_run_refuses_each_call(path: Path, where: str, call: Callable[[Engine], Any]) -> None:
    """Before the start and after the stop a call is an error of its own, and opens nothing."""
    engine = Engine(path if where == "file" else ":memory:")

    with pytest.raises(EngineStoppedError):
        call(engine)
    was_made = path.exists()
    engine.start()
    engine.stop()
    with pytest.raises(EngineStoppedError):
        call(engine)

    assert not was_made
    assert engine.health().state is EngineState.STOPPED


def test_bad_definition_is_refused_before_anything_is_written(path: Path, clock: ManualClock) -> None:
    """A definition that was built by hand is checked too."""
    with SiteEngine(path, two_links) as engine:
        with pytest.raises(DefinitionError, match="max_depth"):
            engine.run(Definition(name="wiki", start_urls=(URL,), max_depth=-1))

    assert read(path, clock, lambda queries: queries.jobs()) == []


def test_forked_child_is_refused_at_once(path: Path) -> None:
    """In a forked child each call raises, whether the engine runs or not, and the parent's goes on."""
    calls = {
        **CALLS,
        "start": Engine.start,
        "stop": Engine.stop,
        "health": Engine.health,
        "find_run": lambda engine: engine.find_run(1),
    }
    stopped = Engine(":memory:")
    with SiteEngine(path, two_links) as engine:
        run = engine.run(WIKI)
        in_running = {name: in_child(lambda call=call: call(engine)) for name, call in calls.items()}  # type: ignore[misc]
        in_stopped = in_child(stopped.start)

        assert in_running == dict.fromkeys(calls, ForkError.__name__)
        assert in_stopped == ForkError.__name__
        assert run.wait(PATIENCE_S) is State.COMPLETED


@pytest.mark.parametrize("act", [Engine._ring, lambda engine: engine._tell_ripe(Ripe(to_judge=(1,), to_go_on=(2,)))])
def test_bell_that_rings_too_late_harms_nothing(act: Callable[[Engine], None]) -> None:
    """What the alarm and the manager's last commit tell to actors that have ended is let go."""
    engine = Engine(":memory:")
    engine.start()
    engine.stop()

    act(engine)


# What is the host's


def test_engine_touches_nothing_of_its_host(path: Path) -> None:
    """No signal handler is taken, no logger but the library's own is touched, and that only to be quiet."""
    signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
    root = logging.getLogger()
    logs = list(root.handlers), root.level, logging.getLogger("bequest").level

    with SiteEngine(path, two_links) as engine:
        engine.run(WIKI).wait(PATIENCE_S)
        during = {number: signal.getsignal(number) for number in signal.valid_signals()}

    assert during == {number: signal.getsignal(number) for number in signal.valid_signals()} == signals
    assert (list(root.handlers), root.level, logging.getLogger("bequest").level) == logs
    assert {type(handler) for handler in logging.getLogger("bequest").handlers} == {logging.NullHandler}


HEAVY = """asyncio click cryptography html_to_markdown hypothesis keyring playwright publicsuffixlist ray rich
selectolax w3lib"""
LOOK = f"print(*sorted(set({HEAVY!r}.split()) & set(sys.modules)))"
PROGRAM = f"""
import sys
import bequest
{LOOK}
with bequest.Engine(sys.argv[1]) as engine:
    engine.find_run(1)
{LOOK}
print(bequest.__name__ in sys.modules)
"""


def test_import_is_light(path: Path) -> None:
    """Neither the import nor a start without a crawl loads a browser, an extractor, a cipher or an event loop."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["", "", "True"]


# Credentials and logins


def test_login_is_the_browsers(path: Path) -> None:
    """A scripted login is passed to the browser, which is started for it, and its answer is returned."""
    with SiteEngine(path, two_links) as engine:
        assert engine.log_in(LOGIN) == LOGIN
        assert engine.run(WIKI).wait(PATIENCE_S) is State.COMPLETED


def test_engine_seals_with_its_key(path: Path, tmp_path: Path) -> None:
    """What is put through one engine is opened by another one over the same file with the same key."""
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\nwiki.example\tFALSE\t/\tTRUE\t0\tsid\tcanary\n")
    key = KeyFile(tmp_path / "key")
    key.create()
    credential = Credential.from_file(cookies, auth_id="wiki")
    with Engine(path, key=key) as engine:
        engine.credentials.put(credential)

    with Engine(path, key=key) as engine:
        assert engine.credentials.get("wiki") == credential
