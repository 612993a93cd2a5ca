"""Owns the delivery of events: from the manager, after its commit, to whoever subscribed, without waiting for anybody.

Each subscription has a bounded buffer of its own: who reads too slowly loses only its own events, the oldest first, and
is told how many. Callbacks run on one thread of the hub's, never on the manager's.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from ..engine.changes import Move, Notice
from ..engine.errors import EngineError, ForkError
from ..engine.events import Event, EventsMissed, events_of
from ..engine.number_rules import is_whole
from .threads import OS_THREADS, Thread, Threads

logger = logging.getLogger(__name__)

BUFFER = 10_000  # events of one subscription
JOIN_TIMEOUT_S = 10.0

Callback = Callable[[Event], None]


class Subscription:
    """The events from now on; iterate over it, or ``get`` one at a time. Used by one thread."""

    def __init__(self, hub: EventHub, buffer: int) -> None:
        self._hub = hub
        self._events: deque[Event] = deque()
        self._buffer = buffer
        self._lost: list[Event] = []  # at most the newest that was lost
        self._lost_count = 0
        self._is_closed = False
        self._changed = hub.threads.condition()
        self._pid = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        while (event := self.get()) is not None:
            yield event

    def get(self, timeout_s: float | None = None) -> Event | None:
        """Return the next event; None after *timeout_s* seconds without one, and once all is read and it is closed.

        Raises ``ForkError`` in a forked child, where no event can come.
        """
        check_process(self._pid)
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._is_closed, timeout_s)
            if self._lost_count:
                return self._missed()
            return self._events.popleft() if self._events else None

    def close(self) -> None:
        """Take no more events; what was taken can still be read."""
        self._hub.drop(self)
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def put(self, events: Sequence[Event]) -> None:
        """Add *events*; for the hub."""
        with self._changed:
            if self._is_closed:
                return
            self._events.extend(events)
            while len(self._events) > self._buffer:
                self._lost = [self._events.popleft()]
                self._lost_count += 1
            self._changed.notify()

    def _missed(self) -> EventsMissed:
        (last,) = self._lost
        missed = EventsMissed(number=last.number, at=last.at, count=self._lost_count)
        self._lost_count = 0
        return missed


class EventHub:
    """Takes what the manager has committed and passes it on."""

    def __init__(self, threads: Threads = OS_THREADS) -> None:
        self.threads = threads
        self._subscriptions: tuple[Subscription, ...] = ()
        self._callers: list[Thread] = []
        self._next = 1
        self._lock = threads.lock()
        self._pid = os.getpid()

    def subscribe(self, buffer: int = BUFFER) -> Subscription:
        """Return a subscription to all events from now on.

        Raises ``EngineError`` for a buffer that holds none, and ``ForkError`` in a forked child.
        """
        check_process(self._pid)
        if not is_whole(buffer) or buffer < 1:
            raise EngineError(f"a subscription's buffer holds at least 1 event, found {buffer!r}")
        subscription = Subscription(self, buffer)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def call(self, callback: Callback, buffer: int = BUFFER) -> Callable[[], None]:
        """Have *callback* called with each event from now on, on a thread of its own; return what ends that."""
        if not callable(callback):
            raise EngineError(f"a callback is a function that takes an event, found a {type(callback).__name__}")
        subscription = self.subscribe(buffer)
        thread = self.threads.thread(lambda: self._run(callback, subscription), "bequest-events", is_daemon=True)
        with self._lock:
            thread.start()
            self._callers = [*(one for one in self._callers if one.is_alive()), thread]
        return subscription.close

    def publish(self, facts: Sequence[Move | Notice], at: float) -> None:
        """Pass on what was committed; on the manager's thread."""
        with self._lock:
            first, self._next = self._next, self._next + len(facts)
            subscriptions = self._subscriptions
        if subscriptions:
            events = events_of(facts, first=first, at=at)
            for subscription in subscriptions:
                subscription.put(events)

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        with self._lock:
            self._subscriptions = tuple(one for one in self._subscriptions if one is not subscription)

    def stop(self) -> None:
        """Close all subscriptions and wait for the callbacks' threads."""
        for subscription in self._subscriptions:
            subscription.close()
        for thread in self._callers:
            if thread is not self.threads.current():
                thread.join(JOIN_TIMEOUT_S)

    @staticmethod
    def _run(callback: Callback, subscription: Subscription) -> None:
        for event in subscription:
            try:
                callback(event)
            except BaseException:  # sys.exit in it would end its thread, and nobody would know
                logger.exception("an event's callback failed", extra={"event": event.number})


def check_process(pid: int) -> None:
    """Raise ``ForkError`` unless this process is *pid*."""
    if os.getpid() != pid:
        raise ForkError
