"""What the tests of handlers share: an engine in memory with few slots, and a way to see that it is unharmed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bequest import Engine, EngineState, Job, JobContext, Kind, Retry, State
from bequest.actors.messages import Request
from bequest.engine.store import Store

PATIENCE_S = 20.0  # until a test is given up; what it waits for comes at once
ONCE = Retry(max_attempts=1)


class Signals:
    """Events by name, so that a handler and its test can wait for each other."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> threading.Event:
        with self._lock:
            return self._events.setdefault(name, threading.Event())

    def say(self, name: str) -> None:
        """Let whoever waits for *name* go on."""
        self[name].set()

    def wait(self, name: str) -> None:
        """Wait for *name*."""
        assert self[name].wait(PATIENCE_S), name


class Hold(Request, frozen=True, kw_only=True):
    """Keeps the manager busy, so that what is sent meanwhile comes to lie in one group behind it."""

    signals: Signals

    def apply(self, store: Store) -> None:
        """Wait."""
        self.signals.say("held")
        self.signals.wait("may go")


class Opaque:
    """Something that is no JSON."""


def engine_with_slots(slots: int = 1) -> Engine:
    """Return an engine in memory, whose one queue has so many slots and a kind that does nothing."""
    engine = Engine(":memory:", queues={"default": slots})

    @engine.kind("good")
    def good(job: JobContext) -> str:
        return "done"

    return engine


def is_unharmed(engine: Engine, slots: int = 1) -> bool:
    """Return whether the engine is well, and as many jobs at once as it has slots come to their end."""
    kind: Kind[Any, Any] = engine._kinds.get("good")
    jobs = [engine.enqueue(kind) for _ in range(2 * slots)]
    results = [job.result(PATIENCE_S) for job in jobs]
    health = engine.health()
    return set(results) == {"done"} and health.state is EngineState.RUNNING and health.restarts == 0


def ended(engine: Engine, kind: Kind[Any, Any], config: Any = None) -> Job:
    """Run one job of *kind* to its end and return its row."""
    job = engine.enqueue(kind, config)
    assert job.wait(PATIENCE_S).is_final
    return job.job()


def failed_with(job: Job) -> str:
    """Return the type of the error that *job* failed with."""
    assert job.state is State.FAILED
    assert job.error is not None
    return job.error.type


def when_it_drains(engine: Engine) -> threading.Event:
    """Return an event that is set once a stop of *engine* begins nothing any more and waits for what runs."""
    is_draining = threading.Event()
    wait_for_rest = engine._working.wait_for_rest

    def wait(grace_s: float) -> None:
        is_draining.set()
        wait_for_rest(grace_s)

    engine._working.wait_for_rest = wait  # type: ignore[method-assign]
    return is_draining


@contextmanager
def leaving_no_thread() -> Iterator[None]:
    """Check that no thread is there after the block that was not there before."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) - before == set()
