"""Owns one thread that runs an asyncio loop, and the way in from other threads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from .threads import OS_THREADS, Threads

logger = logging.getLogger(__name__)

T = TypeVar("T")


class LoopThread:
    """A thread with an asyncio loop of its own; a daemon where what runs on it may never end.

    SIGINT is blocked in it, and so in every process that it starts: a Ctrl-C on the terminal is for the program, which
    then stops its browser in order.
    """

    def __init__(self, name: str, *, is_daemon: bool = False, threads: Threads = OS_THREADS) -> None:
        self.thread = threads.thread(self._run, name, is_daemon=is_daemon)
        self._threads = threads
        self._loop = threads.event_loop()
        self._is_serving = False  # whether a stop of the loop would be heard; read and written on its thread
        self._is_ending = False

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run *coroutine* on the loop; any thread may call."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # it is closed
            coroutine.close()
            raise

    def call_soon(self, act: Callable[[], object]) -> None:
        """Call *act* on the loop, unless that has ended; any thread may call."""
        with suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(act)

    def end_soon(self) -> None:
        """Cancel what still runs, end the thread and close the loop, without waiting for it."""
        self._is_ending = True
        self.call_soon(self._stop_serving)

    def stop(self, timeout_s: float) -> bool:
        """Cancel what still runs, end the thread and close the loop; return whether that took less than *timeout_s*."""
        self.end_soon()
        if self.thread is self._threads.current():
            return False  # it ends once what called this has
        self.thread.join(timeout_s)
        return not self.thread.is_alive()

    def _run(self) -> None:
        self._threads.block_interrupts()
        asyncio.set_event_loop(self._loop)
        try:
            while not self._is_ending:
                self._run_until_stopped()
            with suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_until_complete(cancel_all())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())  # the threads of asyncio.to_thread
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    def _stop_serving(self) -> None:
        if self._is_serving:
            self._loop.stop()

    def _run_until_stopped(self) -> None:
        self._is_serving = True
        try:
            self._loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:  # asyncio lets these two out of a task and of its loop
            logger.error("a task asked the program to end; it is alone in that", exc_info=error)  # noqa: TRY400
        finally:
            self._is_serving = False


async def cancel_all() -> None:
    """Cancel every other task of the running loop and wait until they have ended."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
