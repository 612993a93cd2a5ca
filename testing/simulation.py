"""Owns the deterministic run of actors: one thread, and a choice given from outside of who goes next.

Every send and every answer is a scheduling point: others may run before the sender goes on, as a preempted thread lets
them. The manager alone finishes each message first, for others ask it and what it sends comes after its commit. With
the same choices the same thing happens again. The actors are the real ones; only their threads, inboxes and futures
are ours. pykka has no public way in here, so this overrides two of its private methods.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import Any, TypeVar, cast

import pykka

from ..actors.address import ASK_TIMEOUT_S, Address
from ..actors.asking import Ask
from ..actors.manager import ManagerActor

A = TypeVar("A", bound=pykka.Actor)

Choose = Callable[[int], int]  # of n: a number from 0 to n - 1
YIELD_ONE_IN = 3  # sends after which somebody else runs first
MAX_DEPTH = 8  # actors that are in the middle of a message at once
MAX_STEPS = 100_000

_starting: ContextVar[Simulation] = ContextVar("the simulation in which an actor is being started")


class Inbox:
    """An actor's queue; putting into it is a scheduling point."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._waiting: deque[Any] = deque()

    def put(self, envelope: Any) -> None:
        """Add a message, and perhaps let others run first."""
        self._waiting.append(envelope)
        self._simulation.preempt()

    def get(self) -> Any:
        """Take the oldest message."""
        return self._waiting.popleft()

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting


class Simulation:
    """Runs actors one message at a time; *choose* decides who is next.

    An ask that can never be answered is an ``AssertionError``, and so is a run that does not come to rest.
    """

    def __init__(self, choose: Choose) -> None:
        self.steps = 0
        self._choose = choose
        self._actors: list[pykka.Actor] = []
        self._busy: list[pykka.Actor] = []

    def start(self, actor_class: type[A], *arguments: Any, **named: Any) -> pykka.ActorRef[A]:
        """Start an actor inside the simulation."""
        token = _starting.set(self)
        try:
            return cast("type[A]", _simulated(actor_class)).start(*arguments, **named)
        finally:
            _starting.reset(token)

    def address(self, name: str) -> Address:
        """Return an address whose asks let the simulation run until they are answered."""
        return SimulatedAddress(name, self)

    def run(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Run until *until* holds, or nobody has anything to do; return whether it holds."""
        while not until():
            if not self.step():
                return until()
        return True

    def step(self) -> bool:
        """Let one actor handle one message; return whether there was one."""
        ready = [actor for actor in self._actors if actor not in self._busy and not actor.actor_inbox.empty()]
        if not ready:
            return False
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise AssertionError(f"the actors do not come to rest within {MAX_STEPS} messages")
        actor = ready[self._choose(len(ready))] if len(ready) > 1 else ready[0]
        self._busy.append(actor)
        try:
            self._handle(actor, actor.actor_inbox.get().message)
        finally:
            self._busy.remove(actor)
        return True

    def preempt(self) -> None:
        """Perhaps let others run before whoever sends, or was answered, goes on."""
        if self._busy and isinstance(self._busy[-1], ManagerActor):
            return
        while self._busy and len(self._busy) < MAX_DEPTH and self._choose(YIELD_ONE_IN) == 0 and self.step():
            pass

    def stop(self) -> None:
        """Stop all actors, the last started first."""
        for actor in reversed(self._actors):
            if not actor.actor_stopped.is_set():
                self._stop(actor)

    def _handle(self, actor: pykka.Actor, message: Any) -> None:
        if type(message).__module__.startswith("pykka"):  # the only one that pykka itself sends is to stop
            self._stop(actor)
        else:
            actor.on_receive(message)

    def _stop(self, actor: pykka.Actor) -> None:
        pykka.ActorRegistry.unregister(actor.actor_ref)
        actor.actor_stopped.set()
        actor.on_stop()


@cache
def _simulated(actor_class: type[pykka.Actor]) -> type[pykka.Actor]:
    """Return the class whose actors live in the simulation that starts them; made once, for classes are costly."""

    def start_loop(actor: pykka.Actor) -> None:
        _starting.get()._actors.append(actor)
        actor.on_start()

    overrides = {
        "_create_actor_inbox": staticmethod(lambda: Inbox(_starting.get())),
        "_start_actor_loop": start_loop,
        "__doc__": actor_class.__doc__,
    }
    return type(actor_class.__name__, (actor_class,), overrides)


class SimulatedAddress(Address):
    """An address whose waits are steps of the simulation."""

    def __init__(self, name: str, simulation: Simulation) -> None:
        super().__init__(name)
        self._simulation = simulation

    def ask(self, message: Any, *, timeout_s: float = ASK_TIMEOUT_S) -> Any:
        """Send *message*, let the others run until it is answered, and return the answer."""
        answered = threading.Event()
        reply = Reply(answered)
        self._send(Ask(message, reply))
        if not self._simulation.run(answered.is_set):
            raise AssertionError(f"{type(message).__name__} can never be answered: every other actor is at rest")
        self._simulation.preempt()
        return reply.get(timeout=timeout_s)


class Reply(pykka.ThreadingFuture[Any]):
    """A future that says when it is set."""

    def __init__(self, answered: threading.Event) -> None:
        super().__init__()
        self._answered = answered

    def set(self, value: Any = None) -> None:
        """Set the answer."""
        super().set(value)
        self._answered.set()

    def set_exception(self, exc_info: Any = None) -> None:
        """Set the error that the answer is."""
        super().set_exception(exc_info)
        self._answered.set()
