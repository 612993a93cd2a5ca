"""Owns the seam to the operating system's threads: how an engine's threads begin, and how they wait for each other.

Whatever an engine lets wait, waits by way of its ``Threads``. So a test can run all of it on one thread, in an order of
its choice: ``bequest.testing.strands``. Locks that are never held across a wait need none of this.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pykka

from .asking import Reply, wait_for

if TYPE_CHECKING:
    import asyncio

A = TypeVar("A", bound=pykka.Actor)


class Thread(Protocol):
    """A thread of an engine, or the caller's own."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def start(self) -> None:
        """Let it begin."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or *timeout* seconds are over."""
        ...

    def is_alive(self) -> bool:
        """Whether it has begun and not ended."""
        ...


class Condition(Protocol):
    """A lock, and the way to wait with it until something has changed."""

    def __enter__(self) -> bool: ...

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None, /
    ) -> None: ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until told, or *timeout* seconds are over; return whether it was told."""
        ...

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until *predicate* holds, or *timeout* seconds are over; return what it is then."""
        ...

    def notify(self, n: int = 1) -> None:
        """Wake *n* of those who wait."""
        ...

    def notify_all(self) -> None:
        """Wake all who wait."""
        ...


class Event(Protocol):
    """Something that happens once."""

    def is_set(self) -> bool:
        """Whether it has happened."""
        ...

    def set(self) -> None:
        """Let it have happened."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has happened, or *timeout* seconds are over; return whether it has."""
        ...


class Calls(Protocol):
    """A queue between threads, without a bound."""

    def put(self, item: Any) -> None:
        """Add *item*; never waits."""
        ...

    def get(self) -> Any:
        """Wait for the oldest item, and take it."""
        ...


class Threads(Protocol):
    """How an engine's threads begin and wait."""

    def start_actor(self, actor_class: type[A], *arguments: Any, **named: Any) -> pykka.ActorRef[A]:
        """Start an actor on a thread of its own."""
        ...

    def stop_actor(self, ref: pykka.ActorRef[Any], timeout_s: float) -> None:
        """Stop an actor and wait until it has done what it does then; raises ``pykka.Timeout``."""
        ...

    def thread(self, target: Callable[[], object], name: str, *, is_daemon: bool = False) -> Thread:
        """Return a thread that runs *target* once it is started; a daemon keeps no program from ending."""
        ...

    def current(self) -> Thread:
        """Return the thread that calls."""
        ...

    def lock(self) -> AbstractContextManager[Any]:
        """Return a lock that may be held while its holder waits for others, who may not come back for it."""
        ...

    def condition(self) -> Condition:
        """Return a condition with a lock of its own."""
        ...

    def event(self) -> Event:
        """Return an event that has not happened."""
        ...

    def calls(self) -> Calls:
        """Return an empty queue."""
        ...

    def wait_for_reply(self, reply: Reply, ref: pykka.ActorRef[Any], *, asked: str, timeout_s: float) -> Any:
        """Return the answer; raises what ``asking.wait_for`` does."""
        ...

    def wait_for_future(self, future: Future[Any], timeout_s: float | None) -> None:
        """Let what sets *future* run, where that needs this thread's help, for up to *timeout_s* seconds."""
        ...

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return a new asyncio loop, whose time is that of these threads."""
        ...

    def block_interrupts(self) -> None:
        """Have SIGINT pass the calling thread by, and every process that it starts."""
        ...


class OsThreads:
    """The threads of the operating system."""

    def start_actor(self, actor_class: type[A], *arguments: Any, **named: Any) -> pykka.ActorRef[A]:
        """Start an actor on a thread of its own."""
        return actor_class.start(*arguments, **named)

    def stop_actor(self, ref: pykka.ActorRef[Any], timeout_s: float) -> None:
        """Stop an actor."""
        ref.stop(timeout=timeout_s)

    def thread(self, target: Callable[[], object], name: str, *, is_daemon: bool = False) -> Thread:
        """Return a thread that runs *target* once it is started."""
        return threading.Thread(target=target, name=name, daemon=is_daemon)

    def current(self) -> Thread:
        """Return the thread that calls."""
        return threading.current_thread()

    def lock(self) -> AbstractContextManager[Any]:
        """Return a lock that its holder may take again."""
        return threading.RLock()

    def condition(self) -> Condition:
        """Return a condition."""
        return threading.Condition()

    def event(self) -> Event:
        """Return an event."""
        return threading.Event()

    def calls(self) -> Calls:
        """Return an empty queue."""
        return queue.SimpleQueue[Any]()

    def wait_for_reply(self, reply: Reply, ref: pykka.ActorRef[Any], *, asked: str, timeout_s: float) -> Any:
        """Return the answer."""
        return wait_for(reply, ref, asked=asked, timeout_s=timeout_s)

    def wait_for_future(self, future: Future[Any], timeout_s: float | None) -> None:
        """Do nothing: others set it."""

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return a new asyncio loop."""
        import asyncio  # who has no coroutine is spared it

        return asyncio.new_event_loop()

    def block_interrupts(self) -> None:
        """Have SIGINT pass the calling thread by."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


OS_THREADS = OsThreads()
