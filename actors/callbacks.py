"""Owns the thread on which callbacks of futures run, so that none holds up the manager, which sets them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ..engine.errors import ForkError
from .threads import OS_THREADS, Thread, Threads

logger = logging.getLogger(__name__)

T = TypeVar("T")
JOIN_TIMEOUT_S = 10.0

Call = Callable[[], object]


class CallbackThread:
    """Calls what it is given, in order; its thread begins with the first call, and there is none before ``start``."""

    def __init__(self, threads: Threads = OS_THREADS) -> None:
        self.threads = threads
        self._calls = threads.calls()
        self._thread: Thread | None = None
        self._lock = threads.lock()
        self._is_started = False

    def start(self) -> None:
        """Call on a thread from now on."""
        self._is_started = True

    def call(self, act: Call) -> None:
        """Have *act* called soon, or at once on this thread when it is stopped; any thread may call."""
        with self._lock:
            is_started = self._is_started
            if is_started and self._thread is None:
                self._thread = self.threads.thread(self._run, "bequest-callbacks", is_daemon=True)
                self._thread.start()
            if is_started:
                self._calls.put(act)
        if not is_started:
            done_with(act)

    def stop(self) -> None:
        """Call what is left, and end the thread."""
        with self._lock:
            self._is_started = False
            thread, self._thread = self._thread, None
            if thread is not None:
                self._calls.put(None)
        if thread is not None and thread is not self.threads.current():
            thread.join(JOIN_TIMEOUT_S)

    def _run(self) -> None:
        while (act := self._calls.get()) is not None:
            done_with(act)


def done_with(act: Call) -> None:
    """Call *act*; what it raises is logged."""
    try:
        act()
    except BaseException:  # sys.exit in it would end the thread, and none after it would be called
        logger.exception("a future's callback failed")


class LaterFuture(Future[T]):
    """A future that is set by an actor; its callbacks run on *callbacks*, never on the actor's thread."""

    def __init__(self, callbacks: CallbackThread) -> None:
        super().__init__()
        self._callbacks = callbacks
        self._pid = os.getpid()

    def result(self, timeout: float | None = None) -> T:
        """Return the result; raises ``ForkError`` in a forked child, where it never comes."""
        self._check_process()
        self._callbacks.threads.wait_for_future(self, timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error, or None; raises ``ForkError`` as ``result`` does."""
        self._check_process()
        self._callbacks.threads.wait_for_future(self, timeout)
        return super().exception(timeout)

    def add_done_callback(self, fn: Callable[[Future[T]], Any]) -> None:
        """Have *fn* called with this future once it is done."""
        super().add_done_callback(lambda _: self._callbacks.call(lambda: fn(self)))

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise ForkError
