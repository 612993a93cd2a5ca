"""An engine on the test's own thread: what is due runs in ``drain``, time passes by itself, and a kill is a kill."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest import Definition, EngineError, EngineState, JobContext, JobHandle, Retry
from bequest.engine.records import State
from bequest.testing.inline_engine import Drained, InlineEngine, drain
from bequest.testing.manual_clock import ManualClock
from bequest.testing.schedule import Schedule
from bequest.testing.site_graph import SiteGraph, SitePage
from bequest.testing.strand_threads import Crash


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[InlineEngine]:
    """Give one on a file."""
    with InlineEngine(tmp_path / "jobs.db") as started:
        yield started


def test_drain_runs_handlers_on_the_thread_of_the_test(engine: InlineEngine) -> None:
    """Nothing runs on another thread, and what came of it is counted."""
    ran_on: list[threading.Thread] = []

    @engine.kind("good")
    def good(job: JobContext, number: int) -> int:
        ran_on.append(threading.current_thread())
        return number

    @engine.kind("bad", retry=Retry(max_attempts=1))
    def bad(job: JobContext) -> None:
        raise ValueError

    threads = threading.active_count()
    engine.enqueue_many(good, [1, 2])
    engine.enqueue(bad)
    engine.enqueue(good, 3, delay_s=60.0)

    drained = drain(engine)

    assert set(ran_on) == {threading.current_thread()}
    assert threading.active_count() == threads
    assert drained.left == 1
    assert engine.clock.monotonic() == 0.0


def test_result_is_waited_for_without_waiting(engine: InlineEngine) -> None:
    """Retries and times pass on the clock, not in the room; coroutines sleep on it too."""
    tries: list[float] = []

    @engine.kind("flaky", retry=Retry(max_attempts=3, backoff="fixed", base_s=3600.0))
    def flaky(job: JobContext) -> int:
        tries.append(engine.clock.monotonic())
        if len(tries) < 3:
            raise ValueError
        return job.attempt

    @engine.kind("sleepy")
    async def sleepy(job: JobContext) -> str:
        await asyncio.sleep(7200.0)
        return "slept"

    assert engine.enqueue(flaky).result() == 3
    assert tries == [0.0, 3600.0, 7200.0]
    assert engine.enqueue(sleepy).result() == "slept"
    assert engine.clock.monotonic() >= 14_400.0


def test_handler_that_waits_lets_others_run(engine: InlineEngine) -> None:
    """A handler may wait for a job that another slot runs."""

    @engine.kind("inner")
    def inner(job: JobContext, number: int) -> int:
        return number * 2

    @engine.kind("outer", queue="outer")
    def outer(job: JobContext, number: int) -> int:
        found: int = engine.enqueue(inner, number).result()
        return found + 1

    assert engine.enqueue(outer, 4).result() == 9
    assert engine.enqueue_later(inner, 5).result().result() == 10


def test_crash_is_where_it_was_planted(tmp_path: Path) -> None:
    """The actor dies at just that message, and is started again."""
    crash = Crash(actor="ManagerActor", at=6)
    with InlineEngine(tmp_path / "jobs.db", crashes=[crash]) as engine:
        with pytest.raises(EngineError, match="crashed"):
            ask_often(engine)
        drain_after_restart(engine)

        assert engine.in_line.crashed == [crash]
        assert engine.health().restarts >= 1
        assert engine.health().state is EngineState.RUNNING


def ask_often(engine: InlineEngine) -> None:
    """Send the manager so many messages."""
    for _ in range(10):
        engine.stats()


def drain_after_restart(engine: InlineEngine) -> None:
    """Let the supervisor's pause pass, and what it starts begin."""
    engine.in_line.strands.wait_until(lambda: False, 5.0, what="the pause")
    drain(engine)


def test_killed_engine_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    """A kill in the middle of a handler loses its work and nothing else, and another engine takes the file at once."""
    path, clock = tmp_path / "jobs.db", ManualClock()
    ran: list[str] = []

    def register(engine: InlineEngine) -> None:
        @engine.kind("slow")
        def slow(job: JobContext) -> None:
            ran.append("begun")
            job.wait(10.0)
            ran.append("ended")

    first = InlineEngine(path, clock=clock)
    register(first)
    first.start()
    job: JobHandle[None] = first.enqueue("slow")
    drain(first)
    first.kill()

    with InlineEngine(path, clock=clock) as second:
        register(second)

        assert second.find_job(job.id).wait() is State.COMPLETED
        assert ran == ["begun", "begun", "ended"]


def test_same_schedule_makes_the_same_things_happen() -> None:
    """Two engines with one schedule go the same way, step by step."""

    def told(schedule: Schedule) -> list[str]:
        with InlineEngine(schedule=schedule) as engine:

            @engine.kind("work", concurrency=3)
            def work(job: JobContext, number: int) -> int:
                return job.increment("visits")

            engine.enqueue_many(work, list(range(5)))
            drain(engine)
            return list(engine.in_line.strands.trace)

    assert told(Schedule(seed=3)) == told(Schedule(seed=3))
    assert told(Schedule(seed=3)) != told(Schedule(seed=4))


def test_crawl_reads_the_site_that_it_is_given() -> None:
    """A graph of pages is crawled without a browser; an engine without one says what is missing."""
    definition = Definition.crawl("site", start_urls=["https://wiki.example/"])
    pages = (
        SitePage(url="https://wiki.example/", title="Home", links=("/next",)),
        SitePage(url="https://wiki.example/next", title="Next"),
    )
    with InlineEngine(site=SiteGraph(seeds=("https://wiki.example/",), pages=pages)) as engine:
        run = engine.run(definition)

        assert run.wait() is State.COMPLETED
        assert sorted(document.title for document in run.documents()) == ["Home", "Next"]

    with InlineEngine() as engine, pytest.raises(EngineError, match="site="):
        engine.run(definition)


def test_drained_counts_what_ended() -> None:
    """What a drain returns is what has ended in it, by how, and what is left."""
    with InlineEngine() as engine:

        @engine.kind("work", retry=Retry(max_attempts=1))
        def work(job: JobContext, is_good: bool) -> None:
            assert is_good

        engine.enqueue_many(work, [True, False, True], delay_s=10.0)
        engine.enqueue(work, True, delay_s=99.0)
        assert drain(engine) == Drained(completed=0, failed=0, cancelled=0, left=4)

        engine.clock.advance(10.0)

        assert drain(engine) == Drained(completed=2, failed=1, cancelled=0, left=1)
