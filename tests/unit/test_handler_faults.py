"""A handler may do what it wants: only its own job is harmed, its slot comes back, and nothing is left after a stop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from handler_rig import (
    ONCE,
    PATIENCE_S,
    Hold,
    Signals,
    ended,
    engine_with_slots,
    failed_with,
    is_unharmed,
    leaving_no_thread,
)

from bequest import Discard, JobContext, Kind, LeaseLostError, Retry, Snooze, State
from bequest.actors.control_messages import RetryJob
from bequest.actors.messages import CancelRun

Act = Callable[[JobContext], Any]


class Measured(msgspec.Struct):
    """What a handler promises to return."""

    width: int


class MuteError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Opaque:
    """Something that is no JSON."""


def throw(error: BaseException) -> Act:
    """Return a handler's body that raises *error*."""

    def act(job: JobContext) -> None:
        raise error

    return act


def holds_itself(_: JobContext) -> list[Any]:
    """Return a list that has no end."""
    endless: list[Any] = []
    endless.append(endless)
    return endless


RAISED: dict[str, tuple[Act, str]] = {
    "an error": (throw(ValueError("no")), "ValueError"),
    "sys.exit": (throw(SystemExit(3)), "SystemExit"),
    "Ctrl-C": (throw(KeyboardInterrupt()), "KeyboardInterrupt"),
    "an end of a generator": (throw(GeneratorExit()), "GeneratorExit"),
    "an error without words": (throw(MuteError()), "MuteError"),
    "half of a surrogate pair": (throw(ValueError("\ud800")), "ValueError"),
    "a NUL": (throw(ValueError("a\0b")), "ValueError"),
    "a snooze without end": (throw(Snooze(float("inf"))), "InvalidJobError"),
    "a discard": (throw(Discard("of no use")), "Discard"),
}
RETURNED: dict[str, tuple[Act, str]] = {
    "another type": (lambda _: "wide", "InvalidJobError"),
    "nothing": (lambda _: None, "InvalidJobError"),
    "a field of another type": (lambda _: {"width": "wide"}, "InvalidJobError"),
}
NO_JSON: dict[str, tuple[Act, str]] = {
    "an object": (lambda _: Opaque(), "InvalidJobError"),
    "no number": (lambda _: float("nan"), "MetadataError"),
    "half of a surrogate pair": (lambda _: "\ud800", "MetadataError"),
    "a wide integer": (lambda _: 2**70, "MetadataError"),
    "a list that holds itself": (holds_itself, "InvalidJobError"),
}


@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "async"])
@pytest.mark.parametrize(("act", "error"), RAISED.values(), ids=RAISED)
def test_handler_that_raises_harms_its_own_job_alone(act: Act, error: str, is_async: bool) -> None:
    """Whatever it raises, its job fails with the name of that, and the only slot takes the next job."""
    engine = engine_with_slots()

    if is_async:

        @engine.kind("bad", retry=ONCE)
        async def bad(job: JobContext) -> None:
            await asyncio.sleep(0)
            act(job)
    else:

        @engine.kind("bad", retry=ONCE)
        def bad(job: JobContext) -> None:
            act(job)

    with leaving_no_thread(), engine:
        job = ended(engine, bad)

        assert failed_with(job) == error
        assert is_unharmed(engine)


@pytest.mark.parametrize(("act", "error"), RETURNED.values(), ids=RETURNED)
def test_result_of_another_type_fails_its_job(act: Act, error: str) -> None:
    """A result that is not of the type that the handler promises is an error, and trying again would not help."""
    engine = engine_with_slots()

    @engine.kind("bad")
    def bad(job: JobContext) -> Measured:
        return act(job)  # type: ignore[no-any-return]

    with leaving_no_thread(), engine:
        job = ended(engine, bad)

        assert failed_with(job) == error
        assert job.attempts == 1
        assert is_unharmed(engine)


@pytest.mark.parametrize(("act", "error"), NO_JSON.values(), ids=NO_JSON)
def test_result_that_is_no_json_fails_its_job(act: Act, error: str) -> None:
    """A result that JSON cannot hold is an error of its own job."""
    engine = engine_with_slots()

    @engine.kind("bad", retry=ONCE)
    def bad(job: JobContext) -> Any:
        return act(job)

    with leaving_no_thread(), engine:
        assert failed_with(ended(engine, bad)) == error
        assert is_unharmed(engine)


def test_error_keeps_its_words_where_it_can() -> None:
    """What a file cannot hold of a message is written out, and the rest stays as it is."""
    engine = engine_with_slots()

    @engine.kind("bad", retry=ONCE)
    def bad(job: JobContext) -> None:
        raise ValueError("half \ud800 and \0 nothing")

    with engine:
        error = ended(engine, bad).error

    assert error is not None
    assert error.message == "half \\ud800 and \\x00 nothing"
    assert "test_handler_faults.py" in (error.traceback or "")
    assert "attempt.py" not in (error.traceback or "")


def test_retry_policy_that_raises_fails_the_job() -> None:
    """A program's own function of a retry policy may be wrong too; its error is the job's."""
    engine = engine_with_slots()

    def backoff(attempt: int) -> float:
        raise ZeroDivisionError

    @engine.kind("bad", retry=Retry(max_attempts=3, backoff=backoff))
    def bad(job: JobContext) -> None:
        raise ValueError("no")

    with leaving_no_thread(), engine:
        assert failed_with(ended(engine, bad)) == "ZeroDivisionError"
        assert is_unharmed(engine)


def test_snooze_runs_again_and_costs_no_attempt() -> None:
    """A job that asks to be run again later is, and its attempt does not count."""
    engine = engine_with_slots()
    runs: list[int] = []

    @engine.kind("later", retry=ONCE)
    def later(job: JobContext) -> int:
        runs.append(job.attempt)
        if len(runs) < 3:
            raise Snooze(0.0)
        return job.attempt

    with engine:
        job = ended(engine, later)

    assert job.result == 1
    assert runs == [1, 1, 1]


BAD_WORDS: dict[str, Callable[[JobContext, Kind[Any, Any]], Any]] = {
    "progress that is no number": lambda job, _: job.progress("half"),  # type: ignore[arg-type]
    "progress without end": lambda job, _: job.progress(2**70),
    "a level that is none": lambda job, _: job.log("hello", level="LOUD"),
    "a message that is no text": lambda job, _: job.log(b"hello"),  # type: ignore[arg-type]
    "a field that is no JSON": lambda job, _: job.log("hello", what=Opaque()),
    "metadata that is no JSON": lambda job, _: job.update_metadata(a=Opaque()),
    "a child of a wide priority": lambda job, good: job.spawn(good, priority=2**70),
    "a child of a priority that is none": lambda job, good: job.spawn(good, priority="high"),  # type: ignore[arg-type]
    "a child with a key that is none": lambda job, good: job.spawn(good, key="\0"),
    "a child that clashes": lambda job, good: job.spawn(good, key="a", on_clash="replace"),
    "a child with metadata that is no JSON": lambda job, good: job.spawn(good, metadata={"a": Opaque()}),
    "a child whose failure does what": lambda job, good: job.spawn(good, on_failure="explode"),
    "an option that is none": lambda job, good: job.spawn(good, colour="red"),  # type: ignore[call-arg]
}


@pytest.mark.parametrize("say", BAD_WORDS.values(), ids=BAD_WORDS)
def test_what_a_handler_says_is_checked_where_it_stands(say: Callable[[JobContext, Kind[Any, Any]], Any]) -> None:
    """What no file can hold is refused in the handler's face, and never comes to lie beside the reports of others."""
    engine = engine_with_slots()
    good = engine._kinds.get("good")

    @engine.kind("bad")
    def bad(job: JobContext) -> None:
        say(job, good)

    with leaving_no_thread(), engine:
        assert failed_with(ended(engine, bad)) in ("InvalidJobError", "LogLevelError", "MetadataError")
        assert is_unharmed(engine)


def test_handler_says_what_it_does() -> None:
    """Progress, log lines in order and of a level in small letters, metadata and counters are kept."""
    engine = engine_with_slots()

    @engine.kind("talks")
    def talks(job: JobContext) -> int:
        job.progress(1, 2, "half")
        job.log("begun", level="debug", size=3)
        job.log("done")
        job.update_metadata(team="harbour")
        return job.increment("seen", 2)

    with engine:
        job = engine.enqueue(talks)
        assert job.result(PATIENCE_S) == 2
        row, logs = job.job(), job.logs()

    assert row.progress is not None
    assert (row.progress.done, row.progress.total, row.progress.message) == (1, 2, "half")
    assert [(line.level, line.message, line.fields) for line in logs] == [
        ("DEBUG", "begun", {"size": 3}),
        ("INFO", "done", {}),
    ]
    assert row.metadata == {"team": "harbour", "seen": 2}


def test_children_come_with_the_end_of_the_attempt_that_succeeds() -> None:
    """An attempt that fails leaves no child, and a child takes the options of an enqueue."""
    engine = engine_with_slots()
    good = engine._kinds.get("good")

    @engine.kind("parent", retry=Retry(max_attempts=2, backoff="fixed", base_s=0.0))
    def parent(job: JobContext) -> None:
        job.spawn(good, key="a", tags=["x"], delay_s=0.0)
        job.spawn(good, key="a")
        if job.attempt == 1:
            raise ValueError("no")

    with engine:
        job = engine.enqueue(parent)
        assert job.wait(PATIENCE_S) is State.COMPLETED
        children = [view.job for view in engine.jobs(parent_id=job.id)]

    assert [(child.key, child.tags, child.state) for child in children] == [("a", ("x",), State.COMPLETED)]


def test_thread_that_is_over_time_gives_its_slot_back() -> None:
    """A handler over its time fails its job; its thread is left alone and counted, its result counts for nothing."""
    engine = engine_with_slots()
    signals = Signals()

    @engine.kind("stuck", timeout_s=0.05, retry=ONCE)
    def stuck(job: JobContext) -> str:
        signals.wait("go")
        job.progress(1)
        return "too late"

    with engine:
        job = ended(engine, stuck)
        assert is_unharmed(engine)
        assert engine.health().abandoned == 1
        signals.say("go")
        assert failed_with(job) == "TimedOutError"
        assert is_unharmed(engine)
        assert engine.find_job(job.id).job() == job


def test_async_handler_that_is_over_time_is_cancelled_and_cleans_up() -> None:
    """It is cancelled at its timeout, may await while it cleans up, and holds its slot until then."""
    engine = engine_with_slots()
    seen: list[str] = []

    @engine.kind("slow", timeout_s=0.05, retry=ONCE)
    async def slow(job: JobContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned")

    with leaving_no_thread(), engine:
        job = ended(engine, slow)
        assert failed_with(job) == "TimedOutError"
        assert seen == ["cleaned"]
        assert engine.health().abandoned == 0
        assert is_unharmed(engine)


def test_timeout_error_of_a_handler_is_its_own() -> None:
    """A TimeoutError that an async handler raises itself is not taken for the end of its time."""
    engine = engine_with_slots()

    @engine.kind("bad", retry=ONCE, timeout_s=60.0)
    async def bad(job: JobContext) -> None:
        raise TimeoutError("the other side did not answer")

    with engine:
        assert failed_with(ended(engine, bad)) == "TimeoutError"


def test_async_handler_that_blocks_the_loop_is_left_behind_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others go on with a new loop once one that is over time did not even let itself be cancelled."""
    monkeypatch.setattr("bequest.actors.attempt.LEAVE_S", 0.05)
    monkeypatch.setattr("bequest.actors.async_runner.LEAVE_S", 0.05)
    engine = engine_with_slots()
    signals = Signals()

    @engine.kind("blocks", timeout_s=0.05, retry=ONCE)
    async def blocks(job: JobContext) -> None:
        signals.wait("go")  # as no async handler should

    @engine.kind("polite")
    async def polite(job: JobContext) -> str:
        await asyncio.sleep(0)
        return "done"

    with engine:
        assert failed_with(ended(engine, blocks)) == "TimedOutError"
        assert ended(engine, polite).result == "done"
        signals.say("go")
        assert is_unharmed(engine)


def test_stray_task_that_exits_does_not_end_the_loop() -> None:
    """A task that a handler left behind may call sys.exit: the loop goes on for the others."""
    engine = engine_with_slots()

    async def leave() -> None:
        raise SystemExit

    tasks: list[asyncio.Task[None]] = []

    @engine.kind("careless")
    async def careless(job: JobContext) -> None:
        tasks.append(asyncio.get_running_loop().create_task(leave()))

    @engine.kind("polite")
    async def polite(job: JobContext) -> str:
        await asyncio.sleep(0)
        return "done"

    with leaving_no_thread(), engine:
        assert ended(engine, careless).state is State.COMPLETED
        assert ended(engine, polite).result == "done"
    assert isinstance(tasks[0].exception(), SystemExit)


def test_handler_that_is_cancelled_is_told() -> None:
    """A thread's handler sees it at its next look, its slot comes back, and its late result is refused."""
    engine = engine_with_slots()
    signals = Signals()

    @engine.kind("long")
    def long(job: JobContext) -> str:
        signals.say("begun")
        job.wait(PATIENCE_S)
        return "not cancelled"

    with leaving_no_thread(), engine:
        job = engine.enqueue(long)
        signals.wait("begun")
        assert job.cancel() == 1
        assert is_unharmed(engine)
        assert job.job().state is State.CANCELLED
        assert job.job().result is None


def test_late_result_of_a_cancelled_job_is_refused() -> None:
    """What a handler returns that did not look whether it was cancelled, changes nothing."""
    engine = engine_with_slots()
    signals = Signals()

    @engine.kind("long")
    def long(job: JobContext) -> str:
        signals.say("begun")
        signals.wait("go")
        return "too late"

    with leaving_no_thread(), engine:
        job = engine.enqueue(long)
        signals.wait("begun")
        job.cancel()
        signals.say("go")
        assert is_unharmed(engine)
        assert (job.job().state, job.job().result) == (State.CANCELLED, None)


def test_async_handler_is_cancelled_with_its_job() -> None:
    """It gets a CancelledError where it waits, can clean up, and its slot comes back."""
    engine = engine_with_slots()
    signals = Signals()

    @engine.kind("long")
    async def long(job: JobContext) -> None:
        signals.say("begun")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            signals.say("cancelled")
            raise

    with leaving_no_thread(), engine:
        job = engine.enqueue(long)
        signals.wait("begun")
        job.cancel()
        signals.wait("cancelled")
        assert is_unharmed(engine)
        assert job.job().state is State.CANCELLED


def test_cancelled_handler_that_does_not_look_loses_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that was told and goes on keeps its slot only so long."""
    monkeypatch.setattr("bequest.actors.handler_pool.LOST_S", 0.05)
    engine = engine_with_slots()
    signals = Signals()

    @engine.kind("deaf")
    def deaf(job: JobContext) -> None:
        signals.say("begun")
        signals.wait("go")

    with engine:
        job = engine.enqueue(deaf)
        signals.wait("begun")
        job.cancel()
        assert is_unharmed(engine)
        assert engine.health().abandoned == 1
        signals.say("go")


def test_job_that_is_cancelled_and_retried_is_run_again() -> None:
    """The new attempt of a job is not told what was meant for the one before, not even out of one group."""
    engine = engine_with_slots(2)
    signals = Signals()
    held = Signals()
    contexts: list[JobContext] = []

    @engine.kind("twice")
    def twice(job: JobContext) -> str:
        contexts.append(job)
        if len(contexts) > 1:
            job.wait(0.2)  # raises if it is told
            return "done"
        signals.say("begun")
        signals.wait("go")
        return "too late"

    with leaving_no_thread(), engine:
        job = engine.enqueue(twice)
        signals.wait("begun")
        engine.manager.tell(Hold(signals=held))
        held.wait("held")
        engine.manager.ask_later(CancelRun(job_id=job.id))
        engine.manager.ask_later(RetryJob(job_id=job.id))
        held.say("may go")
        assert job.result(PATIENCE_S) == "done"
        signals.say("go")
        assert is_unharmed(engine, 2)
        assert job.job().result == "done"
        assert contexts[0].cancelled


def test_handler_that_was_given_up_changes_no_metadata() -> None:
    """Metadata is written with the lease's token, so a stale handler cannot (I4)."""
    engine = engine_with_slots()
    signals = Signals()
    errors: list[str] = []

    @engine.kind("stale")
    def stale(job: JobContext) -> None:
        signals.say("begun")
        signals.wait("go")
        for act in (lambda: job.update_metadata(a=1), lambda: job.increment("n")):
            try:
                act()
            except LeaseLostError as error:
                errors.append(type(error).__name__)

    with leaving_no_thread(), engine:
        job = engine.enqueue(stale)
        signals.wait("begun")
        job.cancel()
        signals.say("go")
        assert is_unharmed(engine)
        assert job.job().metadata == {}
    assert errors == ["LeaseLostError", "LeaseLostError"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork_of_a_handler_that_returns_ends_there() -> None:
    """A child that a handler forks and lets return is ended with its code, and the engine goes on in the parent."""
    engine = engine_with_slots()

    @engine.kind("forks")
    def forks(job: JobContext) -> int:
        child = os.fork()
        if child == 0:
            raise SystemExit(7)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    with leaving_no_thread(), engine:
        assert ended(engine, forks).result == 7
        assert is_unharmed(engine)


def test_many_faults_at_once_leave_all_slots() -> None:
    """A queue of two slots with forty jobs, of which every other raises, comes to its end and has both slots."""
    engine = engine_with_slots(2)
    barrier = threading.Barrier(2)

    @engine.kind("mixed", retry=ONCE)
    def mixed(job: JobContext, number: int) -> int:
        if number % 2:
            raise SystemExit
        return number

    @engine.kind("meet")
    def meet(job: JobContext) -> None:
        barrier.wait(PATIENCE_S)  # needs both slots at once

    with leaving_no_thread(), engine:
        jobs = engine.enqueue_many(mixed, range(40))
        states = [job.wait(PATIENCE_S) for job in jobs]
        for one in [engine.enqueue(meet) for _ in range(2)]:
            one.result(PATIENCE_S)

    assert states == [State.COMPLETED, State.FAILED] * 20
