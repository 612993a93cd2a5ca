"""Owns the note of which threads are at work on a job: a stop waits for them as long as its grace lasts.

A thread whose handler was given up and does not return cannot be ended; it is noted as abandoned until it returns.
"""

from __future__ import annotations

from collections.abc import Iterable

from .threads import OS_THREADS, Thread, Threads


class Working:
    """The threads that are at work; any thread may use it."""

    def __init__(self, threads: Threads = OS_THREADS) -> None:
        self.threads = threads
        self._working: set[Thread] = set()
        self._abandoned: set[Thread] = set()
        self._changed = threads.condition()

    def begin(self, thread: Thread) -> None:
        """Note that *thread* works on a job."""
        with self._changed:
            self._working.add(thread)

    def end(self, thread: Thread) -> None:
        """Note that it has reported what came of the job, or was given up."""
        with self._changed:
            self._working.discard(thread)
            self._changed.notify_all()

    def abandon(self, threads: Iterable[Thread]) -> None:
        """Note *threads* that were given up and may never end."""
        with self._changed:
            self._abandoned.update(threads)

    def abandoned(self) -> int:
        """Return how many threads were given up and have not ended."""
        with self._changed:
            self._abandoned = {thread for thread in self._abandoned if thread.is_alive()}
            return len(self._abandoned)

    def wait_for_rest(self, grace_s: float) -> None:
        """Wait until nobody but the caller works, or *grace_s* seconds are over."""
        own = self.threads.current()
        with self._changed:
            self._changed.wait_for(lambda: not self._working - {own}, grace_s)
