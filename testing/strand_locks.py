"""Owns what strands wait with: conditions, events and queues with the interface of those of ``threading``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from .strands import Strand, Strands


class Ticket:
    """One strand that waits with a condition."""

    def __init__(self) -> None:
        self.is_told = False


class StrandCondition:
    """A condition, and a lock that its holder may take again."""

    def __init__(self, strands: Strands) -> None:
        self._strands = strands
        self._holder: Strand | None = None
        self._depth = 0
        self._tickets: deque[Ticket] = deque()

    def __enter__(self) -> bool:
        own = self._strands.current()
        if self._holder is not own:
            if self._holder is not None:
                self._strands.wait_until(lambda: self._holder is None, what="a lock")
            self._holder = own
        self._depth += 1
        return True

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._holder = None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until told, or *timeout* seconds are over; return whether it was told."""
        ticket, depth = Ticket(), self._depth
        self._tickets.append(ticket)
        self._holder, self._depth = None, 0
        self._strands.wait_until(lambda: ticket.is_told, timeout, what="a condition")
        if not ticket.is_told:
            self._tickets.remove(ticket)
        self.__enter__()
        self._depth = depth
        return ticket.is_told

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until *predicate* holds, or *timeout* seconds are over; return what it is then."""
        clock = self._strands.clock
        until = None if timeout is None else clock.monotonic() + timeout
        while not (found := predicate()):
            left = None if until is None else until - clock.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return found

    def notify(self, n: int = 1) -> None:
        """Wake *n* of those who wait."""
        for _ in range(min(n, len(self._tickets))):
            self._tickets.popleft().is_told = True

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._tickets))


class StrandEvent:
    """Something that happens once."""

    def __init__(self, strands: Strands) -> None:
        self._strands = strands
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """Let it have happened."""
        self._is_set = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has happened, or *timeout* seconds are over; return whether it has."""
        return self._strands.wait_until(lambda: self._is_set, timeout, what="an event")


class StrandQueue:
    """A queue without a bound; putting into it is where its user may have to give way."""

    def __init__(self, strands: Strands) -> None:
        self._strands = strands
        self._items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        """Add *item*, and perhaps let others run first."""
        self._items.append(item)
        self._strands.preempt()

    def get(self) -> Any:
        """Wait for the oldest item, and take it."""
        self._strands.wait_until(lambda: self._items, what="a message")
        return self._items.popleft()

    def empty(self) -> bool:
        """Whether nothing waits in it."""
        return not self._items
