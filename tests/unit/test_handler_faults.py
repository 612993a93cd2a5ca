"""A handler may raise and return what it wants: only its own job is harmed, and its slot comes back."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from handler_rig import ONCE, PATIENCE_S, Opaque, ended, engine_with_slots, failed_with, is_unharmed, leaving_no_thread

from bequest import Discard, JobContext, Retry, Snooze, State

Act = Callable[[JobContext], Any]


class Measured(msgspec.Struct):
    """What a handler promises to return."""

    width: int


class MuteError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


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
