"""Owns the asyncio loop of ``async`` handlers: all share one, and each is waited for by a thread of its pool.

A handler whose job is lost or over time is cancelled there and can clean up. A loop with one that was given up, because
it did not end even then, may be blocked by it: others run on a new one from then on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from ..engine.errors import EngineStoppedError, JobCancelledError
from .job_context import JobContext
from .loop_thread import LoopThread
from .threads import OS_THREADS, Thread, Threads
from .timeouts import LEAVE_S, timed_out


class Outcome(NamedTuple):
    """What came of a handler; its error is a value here, for some errors would end the loop."""

    result: Any
    error: BaseException | None = None


class SharedLoop:
    """A loop, and how many handlers run on it."""

    def __init__(self, threads: Threads) -> None:
        self.thread = LoopThread("bequest-handlers", is_daemon=True, threads=threads)
        self.running = 0
        self.is_retired = False


class Awaited:
    """One handler on a loop."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], loop: SharedLoop, retire: Callable[[SharedLoop], None]):
        self._coroutine = coroutine
        self._loop = loop
        self._retire = retire
        self._task: asyncio.Task[Any] | None = None
        self._is_unwanted = False

    async def outcome(self, timeout_s: float | None) -> Outcome:
        """Return what came of it."""
        if self._is_unwanted:
            self._coroutine.close()
            return Outcome(None, JobCancelledError())
        self._task = asyncio.current_task()
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                return Outcome(await self._coroutine)
        except TimeoutError as error:
            return Outcome(None, timed_out(timeout_s) if limit.expired() else error)
        except BaseException as error:  # noqa: BLE001 - a handler may raise anything, and harms only its job
            return Outcome(None, error)

    def end(self, is_given_up: bool) -> None:
        """Cancel it, from any thread; its loop serves no others any more once it *is_given_up*."""
        self._loop.thread.call_soon(self._cancel)
        if is_given_up:
            self._retire(self._loop)

    def _cancel(self) -> None:
        self._is_unwanted = True
        if self._task is not None:
            self._task.cancel()


class AsyncRunner:
    """Runs ``async`` handlers for the threads that call; the loop begins with the first one."""

    def __init__(self, threads: Threads = OS_THREADS) -> None:
        self._threads = threads
        self._loops: list[SharedLoop] = []
        self._lock = threading.Lock()
        self._is_stopped = False

    def run(self, coroutine: Coroutine[Any, Any, Any], context: JobContext, *, timeout_s: float | None) -> Any:
        """Return what *coroutine* returns, or raise what it raises; raises ``TimedOutError`` too."""
        try:
            loop = self._enter()
            try:
                awaited = Awaited(coroutine, loop, self._retire)
                future = loop.thread.submit(awaited.outcome(timeout_s))
                context.on_lost(awaited.end)
                self._threads.wait_for_future(future, None)
                result, error = future.result()
            finally:
                context.on_lost(None)
                self._leave(loop)
        finally:
            coroutine.close()  # where it never began
        if error is not None:
            raise error
        return result

    def stop(self) -> list[Thread]:
        """Cancel what runs, and end the loops; return the threads that did not end."""
        with self._lock:
            self._is_stopped = True
            loops = list(self._loops)
        for loop in loops:
            loop.thread.end_soon()
        return [loop.thread.thread for loop in loops if not loop.thread.stop(LEAVE_S)]

    def _enter(self) -> SharedLoop:
        with self._lock:
            if self._is_stopped:
                raise EngineStoppedError
            self._loops = [loop for loop in self._loops if loop.thread.thread.is_alive()]
            loop = next((loop for loop in self._loops if not loop.is_retired), None)
            if loop is None:
                loop = SharedLoop(self._threads)
                loop.thread.start()
                self._loops.append(loop)
            loop.running += 1
            return loop

    def _leave(self, loop: SharedLoop) -> None:
        with self._lock:
            loop.running -= 1
            self._end_if_idle(loop)

    def _retire(self, loop: SharedLoop) -> None:
        with self._lock:
            loop.is_retired = True
            self._end_if_idle(loop)

    @staticmethod
    def _end_if_idle(loop: SharedLoop) -> None:
        if loop.is_retired and not loop.running:
            loop.thread.end_soon()
