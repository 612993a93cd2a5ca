"""The handlers that the engine's machine registers: each waits until it is let go, and does as its config says.

So nothing happens but what the machine has asked for, and what follows from that.
"""

from __future__ import annotations

import asyncio
import enum
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from bequest import Discard, Engine, JobCancelledError, JobContext, Kind, Retry, Snooze

PATIENCE_S = 20.0  # until the machine is given up; what it waits for comes at once
SNOOZE_S = 15.0
BACKOFF_S = 30.0
MAX_ATTEMPTS = 2
SLOTS = {"default": 2, "side": 2, "apart": 1}
CONCURRENCY = {"narrow": 1, "apart": 1}
QUEUES = {"work": "default", "tree": "default", "swift": "side", "narrow": "side", "apart": "apart"}
RETRY = Retry(max_attempts=MAX_ATTEMPTS, backoff="fixed", base_s=BACKOFF_S)


class Act(enum.StrEnum):
    """What a handler does in the end."""

    RETURN = "return"
    FAIL = "fail"
    FLAKY = "flaky"  # fails at its first attempt
    DISCARD = "discard"
    SNOOZE = "snooze"  # until it was called twice
    QUIT = "quit"


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """The config of every kind."""

    act: Act = Act.RETURN
    value: int = 0
    says: tuple[str, ...] = ()
    spawns: tuple[Spawn, ...] = ()  # when it returns


class Spawn(msgspec.Struct, frozen=True, kw_only=True):
    """A child that a handler is to spawn."""

    kind: str
    script: Script
    on_failure: str = "count"
    key: str | None = None
    priority: int = 0


class Visit:
    """One call of a handler, by the lease that it is for."""

    def __init__(self, job: JobContext) -> None:
        self.ref = job.ref.job_id, job.ref.token
        self.thread = threading.current_thread()
        self.is_to_leave = False
        self.was_told = False  # that its lease was lost
        self.may_go = threading.Event()
        self.has_left = threading.Event()
        self.let_go: Callable[[], object] = self.may_go.set


class Desk:
    """Where handlers report and wait."""

    def __init__(self) -> None:
        self._live: dict[tuple[int, int], Visit] = {}
        self._dismissed: set[tuple[int, int]] = set()
        self._changed = threading.Condition()

    def arrive(self, visit: Visit) -> None:
        """Note that a handler is there; one whose lease has ended by now leaves."""
        with self._changed:
            self._live[visit.ref] = visit
            if visit.ref in self._dismissed:
                visit.is_to_leave = True
                visit.let_go()
            self._changed.notify_all()

    def leave(self, visit: Visit) -> None:
        """Note that it has returned."""
        with self._changed:
            del self._live[visit.ref]
            visit.has_left.set()

    def visit(self, ref: tuple[int, int]) -> Visit:
        """Wait for the call of the handler for a lease."""
        with self._changed:
            assert self._changed.wait_for(lambda: ref in self._live, PATIENCE_S), f"no handler was called for {ref}"
            return self._live[ref]

    def dismiss(self, ref: tuple[int, int]) -> Visit | None:
        """Have the handler of a lease wait until it is told that this is lost, when it comes if it has not."""
        with self._changed:
            self._dismissed.add(ref)
            visit = self._live.get(ref)
            if visit is not None:
                visit.is_to_leave = True
                visit.let_go()
            return visit


class Handled(NamedTuple):
    """The kinds of one engine."""

    desk: Desk
    kinds: dict[str, Kind[Any, Any]]


def perform(job: JobContext, script: Script, kinds: dict[str, Kind[Any, Any]]) -> int:
    """Do as the script says."""
    for number, line in enumerate(script.says, 1):
        job.log(line, attempt=job.attempt)
        job.progress(number, len(script.says), line)
    visits = job.increment("visits")
    match script.act:
        case Act.FAIL:
            raise ValueError(script.value)
        case Act.FLAKY if job.attempt == 1:
            raise KeyError(script.value)
        case Act.DISCARD:
            raise Discard("gone")
        case Act.SNOOZE if visits < 2:
            raise Snooze(SNOOZE_S)
        case Act.QUIT:
            sys.exit()
    for one in script.spawns:
        options: dict[str, Any] = {} if one.key is None else {"key": one.key}
        job.spawn(kinds[one.kind], one.script, on_failure=one.on_failure, priority=one.priority, **options)
    return script.value


def apart(job: JobContext, script: Script) -> int:
    """Run in a process, at once."""
    return perform(job, script, {})


def register(engine: Engine, *, has_process: bool) -> Handled:
    """Register the kinds; that of a process costs half a second with its first job."""
    desk, kinds = Desk(), dict[str, Kind[Any, Any]]()

    def wait(job: JobContext) -> None:
        visit = Visit(job)
        desk.arrive(visit)
        try:
            assert visit.may_go.wait(PATIENCE_S)
            if visit.is_to_leave:
                job.wait(PATIENCE_S)
        except JobCancelledError:
            visit.was_told = True
            raise
        finally:
            desk.leave(visit)

    async def wait_on_loop(job: JobContext) -> None:
        visit, may_go, loop = Visit(job), asyncio.Event(), asyncio.get_running_loop()
        visit.let_go = lambda: None if visit.is_to_leave else loop.call_soon_threadsafe(may_go.set)
        desk.arrive(visit)
        try:
            await asyncio.wait_for(may_go.wait(), PATIENCE_S)
        except asyncio.CancelledError:
            visit.was_told = True
            raise
        finally:
            desk.leave(visit)

    def work(job: JobContext, script: Script) -> int:
        wait(job)
        return perform(job, script, kinds)

    def add_up(job: JobContext, script: Script) -> int:
        wait(job)
        total: int = sum(job.results(kinds["work"])) + 100 * len(job.failures())
        return perform(job, msgspec.structs.replace(script, spawns=()), kinds) + total

    async def swift(job: JobContext, script: Script) -> int:
        await wait_on_loop(job)
        return perform(job, script, kinds)

    kinds["work"] = engine.kind("work", retry=RETRY)(work)
    kinds["tree"] = engine.kind("tree", retry=RETRY)(work)
    kinds["tree"].after_children(add_up)
    kinds["swift"] = engine.kind("swift", queue="side", retry=RETRY)(swift)
    kinds["narrow"] = engine.kind("narrow", queue="side", retry=RETRY, concurrency=CONCURRENCY["narrow"])(work)
    if has_process:
        terms: dict[str, Any] = {"queue": "apart", "retry": RETRY, "concurrency": CONCURRENCY["apart"]}
        kinds["apart"] = engine.kind("apart", run_in="process", **terms)(apart)
    return Handled(desk, kinds)
