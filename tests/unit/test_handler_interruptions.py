"""A handler that is over time or whose job is cancelled: it is told, its slot comes back, and its result is refused."""

from __future__ import annotations

import asyncio

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

from bequest import JobContext, LeaseLostError, State
from bequest.actors.control_messages import RetryJob
from bequest.actors.messages import CancelRun

# Over time


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


# Cancelled


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
