"""Owns the ``Threads`` of an in-line engine: strands instead of threads, and actors that crash where a test wants it.

The actors are the real ones. pykka asks who makes another kind of actor for three methods; two of them are here.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import msgspec
import pykka

from ..actors.asking import ALIVE_CHECK_S, Ask, Reply, died_unanswered, given_up
from ..actors.supervised import is_answered
from ..actors.threads import Calls, Condition, Event, Thread
from .manual_clock import ManualClock
from .schedule import Schedule
from .strand_locks import StrandCondition, StrandEvent, StrandQueue
from .strands import GreenletExit, Strand, Strands

A = TypeVar("A", bound=pykka.Actor)

_starting: ContextVar[StrandThreads] = ContextVar("the threads that an actor is being started on")


class Crash(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An actor that dies at a message: the *at*-th that actors of its class get, from 1 on, before or *after* it."""

    actor: str  # the name of its class, such as "ManagerActor"
    at: int
    after: bool = False


class PlantedCrashError(Exception):
    """An actor was to crash here."""


class StrandThreads:
    """How an in-line engine's threads begin and wait."""

    def __init__(self, clock: ManualClock, schedule: Schedule, crashes: Sequence[Crash] = ()) -> None:
        self.strands = Strands(clock, schedule)
        self.crashed: list[Crash] = []
        self._crashes = {(crash.actor, crash.at): crash for crash in crashes}
        self._received: Counter[str] = Counter()
        self._refs: list[pykka.ActorRef[Any]] = []

    def start_actor(self, actor_class: type[A], *arguments: Any, **named: Any) -> pykka.ActorRef[A]:
        """Start an actor on a strand of its own."""
        token = _starting.set(self)
        try:
            ref = cast("type[A]", in_line(actor_class)).start(*arguments, **named)
        finally:
            _starting.reset(token)
        self._refs.append(ref)
        return ref

    def stop_actor(self, ref: pykka.ActorRef[Any], timeout_s: float) -> None:
        """Stop an actor and wait until it has done what it does then; raises ``pykka.Timeout``."""
        stopped = ref.stop(block=False)
        if not self.strands.wait_until(lambda: is_answered(stopped), timeout_s, what="an actor's stop"):
            raise pykka.Timeout

    def thread(self, target: Callable[[], object], name: str, *, is_daemon: bool = False) -> Thread:
        """Return a strand that runs *target* once it is started."""
        return Strand(self.strands, name, target)

    def current(self) -> Thread:
        """Return the strand that calls."""
        return self.strands.current()

    def lock(self) -> AbstractContextManager[Any]:
        """Return a lock that its holder may take again."""
        return StrandCondition(self.strands)

    def condition(self) -> Condition:
        """Return a condition."""
        return StrandCondition(self.strands)

    def event(self) -> Event:
        """Return an event."""
        return StrandEvent(self.strands)

    def calls(self) -> Calls:
        """Return an empty queue."""
        return StrandQueue(self.strands)

    def wait_for_reply(self, reply: Reply, ref: pykka.ActorRef[Any], *, asked: str, timeout_s: float) -> Any:
        """Let the others run until it is answered, and return the answer."""
        what = f"the answer to {asked}"
        self.strands.wait_until(lambda: reply.is_set or not ref.is_alive(), timeout_s, what=what)
        if not reply.is_set and not ref.is_alive():
            self.strands.wait_until(lambda: reply.is_set, ALIVE_CHECK_S, what=what)
            if not reply.is_set:
                raise died_unanswered(ref, asked)
        if not reply.is_set:
            raise given_up(reply, asked, timeout_s)
        self.strands.preempt()
        return reply.get(timeout=0)

    def wait_for_future(self, future: Future[Any], timeout_s: float | None) -> None:
        """Let the others run until *future* is done, or *timeout_s* seconds are over."""
        self.strands.wait_until(future.done, timeout_s, what="a future")

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return a new asyncio loop whose time is the clock's."""
        return StrandLoop(self.strands)

    def block_interrupts(self) -> None:
        """Do nothing: the thread is the caller's."""

    def receive(self, actor: pykka.Actor, message: Any, receive: Callable[[Any], None]) -> None:
        """Have *actor* receive *message*, and crash where that was planted."""
        name = type(actor).__name__
        self._received[name] += 1
        known_as = type(message.message if isinstance(message, Ask) else message).__name__
        self.strands.trace.append(f"{name} received {known_as} ({self._received[name]})")
        crash = self._crashes.get((name, self._received[name]))
        if crash is None or crash.after:
            receive(message)
        if crash is not None:
            self.crashed.append(crash)
            raise PlantedCrashError(f"{crash}, at {known_as}")

    def plant(self, crash: Crash) -> None:
        """Have an actor crash, its messages counted from now on."""
        at = self._received[crash.actor] + crash.at
        self._crashes[crash.actor, at] = msgspec.structs.replace(crash, at=at)

    def disarm(self) -> None:
        """Let no actor crash any more."""
        self._crashes.clear()

    def end(self) -> None:
        """End all that runs, wherever it is."""
        self.strands.end()
        for ref in self._refs:
            pykka.ActorRegistry.unregister(ref)
        self._refs.clear()


_classes: dict[type[pykka.Actor], type[pykka.Actor]] = {}  # made once, for classes are costly


def in_line(actor_class: type[pykka.Actor]) -> type[pykka.Actor]:
    """Return the class whose actors live on the strands that they are started on."""
    if actor_class not in _classes:

        def start_loop(actor: Any) -> None:
            actor._in_line = _starting.get()
            actor._in_line.thread(actor._actor_loop, actor_class.__name__).start()

        def receive(actor: Any, message: Any) -> None:
            actor._in_line.receive(actor, message, lambda one: actor_class.receive(actor, one))  # type: ignore[attr-defined]

        def crash(actor: Any, message: Any, error: BaseException) -> None:
            if isinstance(error, GreenletExit):
                actor.actor_stopped.set()  # it is ended, and says nothing
            else:
                actor_class._crash(actor, message, error)  # type: ignore[attr-defined]

        def on_stop(actor: Any) -> None:
            with suppress(GreenletExit):  # pykka would stop every actor of the process
                actor_class.on_stop(actor)

        overrides: Mapping[str, Any] = {
            "_create_actor_inbox": staticmethod(lambda: StrandQueue(_starting.get().strands)),
            "_start_actor_loop": start_loop,
            "receive": receive,
            "on_stop": on_stop,
            "_crash": crash,
            "__doc__": actor_class.__doc__,
        }
        _classes[actor_class] = type(actor_class.__name__, (actor_class,), dict(overrides))
    return _classes[actor_class]


class StrandSelector(selectors.DefaultSelector):
    """Waits for what is ready by letting other strands run."""

    def __init__(self, strands: Strands) -> None:
        super().__init__()
        self._strands = strands

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready within *timeout* seconds of the clock."""
        found = super().select(0)
        if not found and (timeout is None or timeout > 0):
            look = super().select

            def is_ready() -> bool:
                found.extend(look(0))
                return bool(found)

            self._strands.wait_until(is_ready, timeout, what="coroutines")
        return found


class StrandLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a strand."""

    def __init__(self, strands: Strands) -> None:
        super().__init__(StrandSelector(strands))
        self._strands = strands

    def time(self) -> float:
        """Return the seconds of the clock."""
        return self._strands.clock.monotonic()
