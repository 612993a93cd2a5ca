"""An engine may be stopped by its own handlers and callbacks and by many threads at once; each stop comes to an end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from handler_rig import PATIENCE_S, Signals, leaving_no_thread
from stop_rig import join, rows, stop_later

from bequest import Engine, EngineState, JobContext, State


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give where a database is to be."""
    return tmp_path / "jobs.db"


def test_other_stop_cuts_the_grace_short(path: Path) -> None:
    """A second call, with less patience, ends the wait of the first; both return once all is stopped."""
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
        thread = stop_later(engine, 3600.0)
        engine.stop()
        assert engine.health().state is EngineState.STOPPED
        join(thread)

    assert [(row.state, row.attempts) for row in rows(path)] == [(State.PENDING, 0)]


STOPS: dict[str, Callable[[Engine], None]] = {
    "at once": lambda engine: engine.stop(),
    "with a grace": lambda engine: engine.stop(PATIENCE_S),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "async"])
def test_handler_may_stop_its_engine(path: Path, stop: Callable[[Engine], None], is_async: bool) -> None:
    """A stop from within a handler does not wait for that handler, whose job is due again."""
    engine = Engine(path)
    signals = Signals()

    if is_async:

        @engine.kind("last")
        async def last(job: JobContext) -> None:
            engine.stop()
            signals.say("stopped")
    else:

        @engine.kind("last")
        def last(job: JobContext) -> None:
            stop(engine)
            signals.say("stopped")

    engine.start()
    engine.enqueue(last)
    signals.wait("stopped")

    assert engine.health().state is EngineState.STOPPED
    assert [(row.state, row.attempts) for row in rows(path)] == [(State.PENDING, 0)]


def test_callbacks_may_stop_their_engine(path: Path) -> None:
    """A stop from the thread of an event's callback, or of a future's, comes to its end."""
    for way in ("event", "future"):
        engine = Engine(path)
        signals = Signals()

        def stop(_: object, engine: Engine = engine, signals: Signals = signals) -> None:
            engine.stop()
            signals.say("stopped")

        @engine.kind("good")
        def good(job: JobContext) -> None:
            pass

        engine.start()
        if way == "event":
            engine.on_event(stop)
            engine.enqueue(good)
        else:
            engine.enqueue_later(good).add_done_callback(stop)
        signals.wait("stopped")
        assert engine.health().state is EngineState.STOPPED


def test_stops_from_many_threads_all_return(path: Path) -> None:
    """Ten threads that stop one engine at once each return, and it is stopped."""
    engine = Engine(path)
    barrier = threading.Barrier(10)

    def stop() -> None:
        barrier.wait(PATIENCE_S)
        engine.stop(0.1)

    with leaving_no_thread():
        engine.start()
        threads = [threading.Thread(target=stop) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            join(thread)

    assert engine.health().state is EngineState.STOPPED
