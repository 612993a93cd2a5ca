"""Owns the life of an engine's actors: starts them, starts those again that crash, and stops all in reverse order.

pykka does not supervise. A crash is told on the dying actor's thread and handled on the supervisor's, after a backoff.
With an actor that carries others these are started again too, for what they were in the middle of is lost. One that
keeps crashing is given up: all others are stopped too, so that nobody waits for what will not come, and the engine
says ``failed`` with the cause.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import pykka

from ..engine.clock import Clock
from ..engine.errors import BequestError, EngineStoppedError
from ..engine.policies import restart_delay_s
from .address import Address
from .threads import OS_THREADS, Thread, Threads

logger = logging.getLogger(__name__)

MAX_CRASHES = 5  # within CRASH_WINDOW_S, then an actor is given up
CRASH_WINDOW_S = 60.0
STOP_TIMEOUT_S = 60.0
JOIN_TIMEOUT_S = 10.0

Start = Callable[[], pykka.ActorRef[Any]]


class Crash(NamedTuple):
    """An actor that died, and of what."""

    ref: pykka.ActorRef[Any]
    error: BaseException


class Part:
    """One actor of the engine: its address, how to start it, what it is told then, and its record."""

    def __init__(self, address: Address, start: Start, resume: tuple[Any, ...], *, carries_others: bool) -> None:
        self.address = address
        self.start = start
        self.resume = resume
        self.carries_others = carries_others
        self.crashes: list[float] = []
        self.launch()

    def launch(self) -> None:
        """Start the actor, and let its address lead to it."""
        self.ref = self.start()
        self.address.point_to(self.ref)


class Supervisor:
    """Starts, restarts and stops; *cause* is set once it has given an actor up."""

    def __init__(self, clock: Clock, threads: Threads = OS_THREADS) -> None:
        self.threads = threads
        self.cause: str | None = None
        self.restarts = 0
        self._clock = clock
        self._parts: list[Part] = []
        self._living: dict[str, Thread] = {}  # by the actor's name
        self._lock = threads.lock()
        self._crashes = threads.calls()
        self._stopping = threads.event()
        self._thread = threads.thread(self._watch, "bequest-supervisor")

    def start(self) -> None:
        """Start to watch."""
        self._thread.start()

    def add(
        self, address: Address, start: Start, *, resume: tuple[Any, ...] = (), carries_others: bool = False
    ) -> None:
        """Start an actor and let *address* lead to it, now and after each restart, when it is told *resume*.

        With one that *carries_others* all that were added after it are started again too.
        """
        with self._lock:
            self._parts.append(Part(address, start, resume, carries_others=carries_others))

    def has(self, address: Address) -> bool:
        """Whether the actor at *address* was added."""
        return any(part.address is address for part in self._parts)

    def started(self, ref: pykka.ActorRef[Any], thread: Thread) -> None:
        """Note the thread that an actor runs in."""
        self._living[ref.actor_urn] = thread

    def crashed(self, ref: pykka.ActorRef[Any], error: BaseException) -> None:
        """Note that an actor dies."""
        self._crashes.put(Crash(ref, error))

    def stop(self) -> None:
        """Stop every actor, the last added first, and wait until their threads have ended."""
        self._stopping.set()
        self._crashes.put(None)
        if self._thread.is_alive():
            self._thread.join()
        for part in self._stop_order():
            self._end(part)
        for thread in tuple(self._living.values()):
            thread.join(JOIN_TIMEOUT_S)

    def _stop_order(self) -> list[Part]:
        """Return the parts as they are stopped: the browser before the crawlers, so that they do not wait for it."""
        return sorted(reversed(self._parts), key=lambda part: part.address.name != "browser")

    def _watch(self) -> None:
        while (crash := self._crashes.get()) is not None:
            with self._lock:  # an actor can crash before it is noted as a part
                part = next((part for part in self._parts if part.ref is crash.ref), None)
            if part is not None and self.cause is None:
                self._revive(part, crash.error)

    def _revive(self, part: Part, error: BaseException) -> None:
        carried = self._parts[self._parts.index(part) + 1 :] if part.carries_others else []
        for one in self._stop_order():
            if one in carried:
                self._stop_actor(one)
        if self._start_again(part, error):
            for one in carried:
                self._start_carried(one)

    def _start_again(self, part: Part, error: BaseException) -> bool:
        """Return whether it lives again; else the engine stops or has failed."""
        while not self._is_given_up(part, error):
            if self._stopping.wait(restart_delay_s(max(1, len(part.crashes)))):
                return False
            try:
                self._relaunch(part)
            except Exception as refused:
                logger.exception("actor did not start", extra={"actor": part.address.name})
                error = refused
            else:
                self.restarts += 1
                logger.warning("actor started again", extra={"actor": part.address.name, "restarts": self.restarts})
                return True
        self._fail(f"the {part.address.name} crashed {len(part.crashes)} times ({type(error).__name__})")
        return False

    def _start_carried(self, part: Part) -> None:
        try:
            if not self._stopping.is_set():
                self._relaunch(part)
        except Exception as refused:
            logger.exception("actor did not start", extra={"actor": part.address.name})
            self._crashes.put(Crash(part.ref, refused))  # it is tried again like one that crashed

    def _relaunch(self, part: Part) -> None:
        with self._lock:
            part.launch()
        try:
            for message in part.resume:
                part.address.tell(message)
        except BequestError:
            logger.debug("actor crashed before it went on", extra={"actor": part.address.name})

    def _is_given_up(self, part: Part, error: BaseException) -> bool:
        """Count one more crash, and return whether that was too many; to end because another crashed is none."""
        now = self._clock.monotonic()
        for each in self._parts:
            each.crashes = [at for at in each.crashes if now - at < CRASH_WINDOW_S]
        has_other_crashed = any(each.crashes for each in self._parts if each is not part)
        if not (isinstance(error, EngineStoppedError) and has_other_crashed):
            part.crashes.append(now)
        return len(part.crashes) >= MAX_CRASHES

    def _fail(self, cause: str) -> None:
        self.cause = cause
        logger.error("engine failed", extra={"cause": cause})
        for part in self._stop_order():
            self._end(part, failure=f"the engine has failed: {cause}; stop it and look at its log")

    def _end(self, part: Part, *, failure: str | None = None) -> None:
        part.address.close(failure=failure)
        self._stop_actor(part)

    def _stop_actor(self, part: Part) -> None:
        try:
            self.threads.stop_actor(part.ref, STOP_TIMEOUT_S)
        except pykka.Timeout:
            logger.exception("an actor did not stop in time", extra={"actor": part.address.name})
