"""A stop loses nothing that a handler reached within the grace, and leaves what it did not reach as if never begun."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest
from handler_rig import ONCE, PATIENCE_S, Signals, is_unharmed, leaving_no_thread
from stop_rig import join, rows, stop_later

from bequest import Definition, Engine, EngineState, EngineStoppedError, JobContext, JobHandle, Snooze, State
from bequest.actors.asking import Ask
from bequest.actors.browser_messages import FetchPage
from bequest.actors.supervised import SupervisedActor, refuse
from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.pages import PageSnapshot
from bequest.engine.queries import Queries


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give where a database is to be."""
    return tmp_path / "jobs.db"


@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "async"])
def test_handlers_end_within_the_grace(path: Path, is_async: bool) -> None:
    """What runs in several queues goes on together, reports, and is stored; nothing else is begun."""
    engine = Engine(path, queues={"first": 1, "second": 1})
    signals = Signals()
    runs: list[int] = []

    async def waits(job: JobContext) -> str:
        await asyncio.to_thread(blocks, job)
        return "done"

    def blocks(job: JobContext) -> str:
        runs.append(job.id)
        signals.say(f"begun {len(runs)}")
        signals.wait("go")
        return "done"

    kinds = [engine.kind(queue, queue=queue)(waits if is_async else blocks) for queue in ("first", "second")]

    with leaving_no_thread():
        engine.start()
        jobs = [engine.enqueue(kind) for kind in kinds]
        signals.wait("begun 2")
        later = [engine.enqueue(kind) for kind in kinds]
        thread = stop_later(engine, PATIENCE_S)
        signals.say("go")
        join(thread)

    found = {row.id: (row.state, row.result, row.attempts) for row in rows(path)}
    assert [found[job.id] for job in jobs] == [(State.COMPLETED, "done", 1)] * 2
    assert [found[job.id] for job in later] == [(State.PENDING, None, 0)] * 2
    assert engine.health().abandoned == 0


def test_no_quick_job_is_lost_or_left_half(path: Path) -> None:
    """Of many quick jobs that are leased and reported in batches, exactly those are stored that ran."""
    engine = Engine(path, queues={"default": 4})
    ran: list[int] = []
    is_under_way = threading.Event()

    @engine.kind("quick")
    def quick(job: JobContext) -> None:
        ran.append(job.id)
        if len(ran) == 700:
            is_under_way.set()

    with leaving_no_thread():
        engine.start()
        engine.enqueue_many(quick, [None] * 5000)
        assert is_under_way.wait(PATIENCE_S)
        engine.stop(PATIENCE_S)

    found = rows(path)
    assert sorted(ran) == [row.id for row in found if row.state is State.COMPLETED]
    assert {(row.state, row.attempts) for row in found} == {(State.COMPLETED, 1), (State.PENDING, 0)}


def test_handler_that_goes_on_is_given_up_after_the_grace(path: Path) -> None:
    """Its job is due again as if it had not been begun, its thread is counted, and its result counts for nothing."""
    engine = Engine(path)
    signals = Signals()
    errors: list[type[BaseException]] = []

    @engine.kind("deaf", retry=ONCE)
    def deaf(job: JobContext) -> str:
        signals.say("begun")
        signals.wait("go")
        try:
            job.progress(1)
        except EngineStoppedError as error:
            errors.append(type(error))
        signals.say("ended")
        return "too late"

    engine.start()
    engine.enqueue(deaf)
    signals.wait("begun")
    engine.stop(0.01)

    assert [(row.state, row.attempts, row.result) for row in rows(path)] == [(State.PENDING, 0, None)]
    assert (engine.health().state, engine.health().abandoned) == (EngineState.STOPPED, 1)
    signals.say("go")
    signals.wait("ended")
    assert errors == [EngineStoppedError]
    assert [row.state for row in rows(path)] == [State.PENDING]


def test_handler_that_looks_ends_with_the_stop(path: Path) -> None:
    """A handler that waits with its job is told, and leaves no thread."""
    engine = Engine(path)
    signals = Signals()

    @engine.kind("polite")
    def polite(job: JobContext) -> None:
        signals.say("begun")
        job.wait(PATIENCE_S)

    with leaving_no_thread():
        engine.start()
        engine.enqueue(polite)
        signals.wait("begun")
        engine.stop()

    assert [(row.state, row.attempts) for row in rows(path)] == [(State.PENDING, 0)]
    assert engine.health().abandoned == 0


def test_async_handler_cleans_up_at_the_stop(path: Path) -> None:
    """It is cancelled, and while it cleans up the manager is still there for what it has to say."""
    engine = Engine(path)
    signals = Signals()
    said: list[str] = []

    @engine.kind("long")
    async def long(job: JobContext) -> None:
        signals.say("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            job.log("cleaned up")
            said.append("cleaned up")

    with leaving_no_thread():
        engine.start()
        job = engine.enqueue(long)
        signals.wait("begun")
        engine.stop()

    assert said == ["cleaned up"]
    assert [(row.state, row.attempts) for row in rows(path)] == [(State.PENDING, 0)]
    with Engine(path) as again:
        assert [line.message for line in again.find_job(job.id).logs()] == ["cleaned up"]


def test_engine_serves_while_it_comes_to_rest(path: Path) -> None:
    """Within the grace a handler may enqueue, read, and make children; what it makes waits for the next start."""
    engine = Engine(path)
    signals = Signals()
    made: list[JobHandle[str]] = []

    @engine.kind("good")
    def good(job: JobContext) -> str:
        return "done"

    @engine.kind("parent")
    def parent(job: JobContext) -> None:
        signals.say("begun")
        signals.wait("go")
        made.append(engine.enqueue(good))
        job.increment("seen")
        job.spawn(good)

    with leaving_no_thread():
        engine.start()
        job = engine.enqueue(parent)
        signals.wait("begun")
        thread = stop_later(engine, PATIENCE_S)
        signals.say("go")
        join(thread)
        assert {row.id: row.state for row in rows(path)} == {job.id: State.WAITING, made[0].id: State.PENDING}
        with engine:
            assert engine.find_job(job.id).wait(PATIENCE_S) is State.COMPLETED
            assert made[0].result(PATIENCE_S) == "done"


def test_future_outlives_its_engine_without_a_thread(path: Path) -> None:
    """What is to be called after the stop is called at once, and after the next start on a thread again."""
    engine = Engine(path)
    called: list[str] = []
    signals = Signals()

    @engine.kind("good")
    def good(job: JobContext) -> None:
        pass

    def note(_: object) -> None:
        called.append(threading.current_thread().name)
        signals.say(str(len(called)))

    with leaving_no_thread():
        with engine:
            future = engine.enqueue_later(good)
            future.result(PATIENCE_S)
        future.add_done_callback(note)
        with engine:
            future.add_done_callback(note)
            signals.wait("2")

    assert called == [threading.current_thread().name, "bequest-callbacks"]


def test_callback_of_a_stopped_engine_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    """What is called at once is logged when it fails, as on the thread, and does not come back to who added it."""
    engine = Engine(":memory:")

    @engine.kind("good")
    def good(job: JobContext) -> None:
        pass

    with engine:
        future = engine.enqueue_later(good)
        future.result(PATIENCE_S)

    future.add_done_callback(lambda _: sys.exit("not mine to end"))

    assert "a future's callback failed" in caplog.text


def test_engine_starts_again_after_a_stop(path: Path) -> None:
    """A stopped engine can be started, and works as before."""
    engine = Engine(path, queues={"default": 1})

    @engine.kind("good")
    def good(job: JobContext) -> str:
        return "done"

    for _ in range(3):
        with leaving_no_thread(), engine:
            assert is_unharmed(engine)


def test_jobs_that_snooze_at_the_stop_are_kept(path: Path) -> None:
    """What a handler decides within the grace counts, a snooze too."""
    engine = Engine(path)
    signals = Signals()

    @engine.kind("later")
    def later(job: JobContext) -> None:
        signals.say("begun")
        signals.wait("go")
        raise Snooze(3600.0)

    with leaving_no_thread():
        engine.start()
        engine.enqueue(later)
        signals.wait("begun")
        thread = stop_later(engine, PATIENCE_S)
        signals.say("go")
        join(thread)

    (row,) = rows(path)
    assert (row.state, row.attempts, row.error.type if row.error else None) == (State.PENDING, 0, "Snooze")
    assert row.run_at > row.created_at + 3000


class SlowSite(SupervisedActor):
    """Is asked to ``FetchPage`` as the browser is, and answers from elsewhere, or as it does when it is stopped."""

    asked: ClassVar[list[Ask]] = []
    has_been_asked = threading.Event()

    def receive(self, message: Ask) -> None:
        """Note what is asked."""
        self.asked.append(message)
        self.has_been_asked.set()

    def on_stop(self) -> None:
        """Refuse what was not answered."""
        for message in self.asked:
            refuse(message, EngineStoppedError())

    @classmethod
    def answer(cls) -> None:
        """Answer what is asked."""
        message = cls.asked.pop()
        asked: FetchPage = message.message
        message.reply.set(
            PageSnapshot(
                url=asked.request.url,
                status=200,
                content_type="text/html",
                html="<title>Page</title><p>A page of words.</p><a href='/2'>2</a>",
                was_redirected=False,
                login_form=None,
                cookies=None,
            )
        )


class SiteEngine(Engine):
    """An engine whose browser is the site."""

    def _start_browser(self) -> None:
        supervisor = self._running_supervisor()
        if not supervisor.has(self._browser):
            supervisor.add(self._browser, lambda: SlowSite.start(supervisor))


def test_page_in_the_browser_ends_within_the_grace(path: Path) -> None:
    """A page that is being fetched is stored, and the pages that it found wait for the next start."""
    engine = SiteEngine(path)

    with leaving_no_thread():
        engine.start()
        run = engine.run(Definition.crawl("site", start_urls=["http://site.example/1"]))
        assert SlowSite.has_been_asked.wait(PATIENCE_S)
        thread = stop_later(engine, PATIENCE_S)
        thread.join(0.1)  # it would stop the browser in that time, if it did not wait
        SlowSite.answer()
        join(thread)

    reader = open_reader(str(path), clock=SystemClock())
    pages = [view.job for view in Queries(reader).jobs(parent_id=run.id)]
    reader.close()
    assert [(page.state, page.attempts) for page in pages] == [(State.COMPLETED, 1), (State.PENDING, 0)]
