"""Tests of callers on asyncio loops, and of futures: none holds up a loop or the manager, or is left to wait."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from handler_rig import ONCE, PATIENCE_S, Hold, Signals, engine_with_slots, is_unharmed, leaving_no_thread

from bequest import (
    DeadlineError,
    Engine,
    EngineState,
    EngineStoppedError,
    InvalidJobError,
    JobCancelledError,
    JobContext,
    JobFailedError,
    JobHandle,
    JobNotFoundError,
    State,
    child,
)
from bequest.actors.manager import ManagerActor


class Rig:
    """A running engine with kinds that echo, fail, and wait until they may go."""

    def __init__(self) -> None:
        self.signals = Signals()
        self.engine = engine_with_slots(4)

        @self.engine.kind("echo")
        def echo(job: JobContext, text: str) -> str:
            return text

        @self.engine.kind("fails", retry=ONCE)
        def fails(job: JobContext) -> None:
            raise ValueError("no")

        @self.engine.kind("waits")
        def waits(job: JobContext) -> str:
            self.signals.say("begun")
            while not self.signals["go"].is_set():
                job.wait(0.01)
            return "done"

    def parked(self) -> int:
        """Return how many waits of callers the manager holds."""
        self.engine.stats()  # the next group, in which it looks
        managers = [one for one in gc.get_objects() if isinstance(one, ManagerActor)]
        (manager,) = (one for one in managers if not one.actor_stopped.is_set())
        entries: list[Any] = manager._parked
        return len([entry for entry in entries if entry.reply is not None])


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Give a running engine, and check that no thread is left of it and of the test's loops."""
    with leaving_no_thread():
        rig = Rig()
        with rig.engine:
            yield rig
            rig.signals.say("go")
            if rig.engine.health().state is EngineState.RUNNING:
                assert is_unharmed(rig.engine, 4)


def test_asyncio_enqueues_and_awaits(rig: Rig) -> None:
    """A job is made and its result had without blocking the loop, as often as is asked."""

    async def main() -> list[str]:
        job: JobHandle[str] = await rig.engine.aenqueue("echo", "hello")
        return [await job, await job]

    assert asyncio.run(main()) == ["hello", "hello"]


def test_flow_is_made_without_blocking_too(rig: Rig) -> None:
    """From asyncio and by a future a job has children as from ``enqueue``, and what is no child is refused at once."""
    echo = rig.engine._kinds.get("echo")
    children = [child(echo, "a"), child(echo, "b")]

    async def main() -> str:
        job: JobHandle[str] = await rig.engine.aenqueue("echo", "parent", children=children)
        assert job.status().pages.total == 2
        return await job

    later: JobHandle[str] = rig.engine.enqueue_later("echo", "later", children=children).result(PATIENCE_S)

    assert (asyncio.run(main()), later.result(PATIENCE_S)) == ("parent", "later")
    assert later.status().pages.completed == 2
    with pytest.raises(InvalidJobError, match="made by child"):
        rig.engine.enqueue_later("echo", "x", children=["x"])  # type: ignore[list-item]


def test_asyncio_awaits_many_at_once(rig: Rig) -> None:
    """Two hundred jobs are made and awaited together on one loop."""

    async def one(number: int) -> str:
        return str(await (await rig.engine.aenqueue("echo", str(number))))

    async def main() -> list[str]:
        return await asyncio.gather(*map(one, range(200)))

    assert asyncio.run(main()) == [str(number) for number in range(200)]


def test_loops_of_several_threads_await_one_engine(rig: Rig) -> None:
    """Each loop hears of its own jobs."""
    found: dict[int, list[str]] = {}

    async def main(number: int) -> None:
        texts = [f"{number}.{index}" for index in range(20)]
        jobs: list[JobHandle[str]] = [await rig.engine.aenqueue("echo", text) for text in texts]
        found[number] = [await job for job in jobs]

    threads = [threading.Thread(target=lambda number=number: asyncio.run(main(number))) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert found == {number: [f"{number}.{index}" for index in range(20)] for number in range(4)}


def test_await_raises_what_became_of_the_job(rig: Rig) -> None:
    """A job that failed, was cancelled or is not there raises as ``result`` does, and a wrong config at once."""

    async def main() -> None:
        with pytest.raises(JobFailedError, match="ValueError: no"):
            await (await rig.engine.aenqueue("fails"))
        waiting: JobHandle[str] = await rig.engine.aenqueue("waits")
        waiting.cancel()
        with pytest.raises(JobCancelledError):
            await waiting
        with pytest.raises(JobNotFoundError):
            await rig.engine.find_job(9999)
        with pytest.raises(InvalidJobError, match="Expected `str`"):
            await rig.engine.aenqueue("echo", 3)

    asyncio.run(main())


def test_cancelled_await_leaves_nothing_behind(rig: Rig) -> None:
    """Who gives up waiting harms neither the job nor the manager, which keeps nothing for it."""

    async def main() -> JobHandle[str]:
        job: JobHandle[str] = await rig.engine.aenqueue("waits")
        waiting = [asyncio.ensure_future(job_result(job)) for _ in range(50)]
        await asyncio.to_thread(rig.signals.wait, "begun")
        assert await asyncio.to_thread(rig.parked) == 50
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job_result(job), 0.01)
        assert await asyncio.to_thread(rig.parked) == 0
        return job

    job = asyncio.run(main())

    rig.signals.say("go")
    assert job.result(PATIENCE_S) == "done"


async def job_result(job: JobHandle[str]) -> str:
    """Await *job*."""
    return await job


def test_wait_that_is_over_leaves_nothing_behind(rig: Rig) -> None:
    """A deadline that has passed is forgotten by the manager, too."""
    job: JobHandle[str] = rig.engine.enqueue("waits")
    for _ in range(3):
        with pytest.raises(DeadlineError):
            job.wait(0.01)

    assert rig.parked() == 0


def test_await_that_is_cancelled_as_the_answer_comes(rig: Rig) -> None:
    """A wait that is cancelled before the manager answers is answered to nobody, and the manager lives."""
    held = Signals()

    async def main() -> None:
        rig.engine.manager.tell(Hold(signals=held))
        await asyncio.to_thread(held.wait, "held")
        task: asyncio.Task[JobHandle[str]] = asyncio.ensure_future(rig.engine.aenqueue("echo", "x"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        held.say("may go")

    asyncio.run(main())

    rig.engine.wait_idle(PATIENCE_S)
    assert [view.job.state for view in rig.engine.jobs()] == [State.COMPLETED]


def test_loop_that_ends_while_it_waits_harms_nothing(rig: Rig) -> None:
    """A loop that is closed with waits outstanding is answered no more."""
    jobs: list[JobHandle[str]] = []

    async def main() -> None:
        jobs.append(await rig.engine.aenqueue("waits"))
        asyncio.ensure_future(job_result(jobs[0]))  # noqa: RUF006 - it is left on purpose
        await asyncio.sleep(0)

    asyncio.run(main())
    rig.signals.say("go")

    assert jobs[0].result(PATIENCE_S) == "done"


def test_stop_ends_what_is_awaited(rig: Rig) -> None:
    """Who awaits a job while the engine stops is told so."""

    async def main() -> None:
        job: JobHandle[str] = await rig.engine.aenqueue("waits")
        task = asyncio.ensure_future(job_result(job))
        await asyncio.to_thread(rig.signals.wait, "begun")
        await asyncio.to_thread(rig.engine.stop)
        with pytest.raises(EngineStoppedError):
            await task
        with pytest.raises(EngineStoppedError):
            await rig.engine.aenqueue("echo", "x")

    asyncio.run(main())


def test_engine_lives_within_an_asyncio_program() -> None:
    """It is started and stopped in a thread while the loop goes on."""
    engine = engine_with_slots()
    turns: list[int] = []

    async def tick() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async def main() -> str:
        ticking = asyncio.ensure_future(tick())
        await asyncio.to_thread(engine.start)
        result: str = await (await engine.aenqueue("good"))
        await asyncio.to_thread(engine.stop, 5.0)
        ticking.cancel()
        return result

    with leaving_no_thread():
        assert asyncio.run(main()) == "done"
    assert len(turns) > 10


def test_async_handler_may_use_its_engine(rig: Rig) -> None:
    """A handler on the engine's own loop enqueues and awaits other jobs."""

    @rig.engine.kind("outer")
    async def outer(job: JobContext) -> str:
        inner: JobHandle[str] = await rig.engine.aenqueue("echo", "inner")
        return await inner

    assert rig.engine.enqueue(outer).result(PATIENCE_S) == "inner"


def test_future_has_the_handle_once_it_is_durable(rig: Rig) -> None:
    """A caller that does not wait gets a future, which can be waited for in both ways."""
    texts = [str(number) for number in range(100)]
    futures: list[Future[JobHandle[str]]] = [rig.engine.enqueue_later("echo", text) for text in texts]

    async def main() -> list[str]:
        handles = await asyncio.gather(*map(asyncio.wrap_future, futures))
        return [await handle for handle in handles]

    assert asyncio.run(main()) == [str(number) for number in range(100)]
    assert futures[0].result(PATIENCE_S).id == 1


@pytest.mark.parametrize("error", [ValueError("a callback's own"), SystemExit(3), KeyboardInterrupt()])
def test_callback_of_a_future_may_ask_the_engine(rig: Rig, error: BaseException) -> None:
    """It runs on a thread of its own, and so may wait for the manager; one that raises harms none after it."""
    found: list[str] = []
    done = threading.Event()

    def ask(future: Any) -> None:
        found.append(threading.current_thread().name)
        found.append(future.result().result(PATIENCE_S))
        found.append(rig.engine.enqueue("echo", "from a callback").result(PATIENCE_S))
        done.set()

    def fail(_: Any) -> None:
        raise error

    future: Future[JobHandle[str]] = rig.engine.enqueue_later("echo", "x")
    future.add_done_callback(fail)
    future.add_done_callback(ask)

    assert done.wait(PATIENCE_S)
    assert found == ["bequest-callbacks", "x", "from a callback"]


def test_future_that_is_cancelled_harms_nothing(rig: Rig) -> None:
    """To cancel it is to wait no longer: the job is made, and the manager goes on."""
    held = Signals()
    rig.engine.manager.tell(Hold(signals=held))
    held.wait("held")
    future: Future[JobHandle[str]] = rig.engine.enqueue_later("echo", "x")

    assert future.cancel()

    held.say("may go")
    rig.engine.wait_idle(PATIENCE_S)
    assert [view.job.state for view in rig.engine.jobs()] == [State.COMPLETED]


def test_future_of_an_engine_that_stops_is_answered() -> None:
    """What was asked before the stop is done, and what cannot be done says so: no future is left open."""
    engine: Engine = engine_with_slots()
    engine.start()
    futures: list[Future[JobHandle[str]]] = [engine.enqueue_later("good") for _ in range(300)]
    engine.stop()

    assert {future.result(PATIENCE_S).id for future in futures} == set(range(1, 301))
    with pytest.raises(EngineStoppedError):
        engine.enqueue_later("good")
