"""Owns the thread that has nothing to do but to keep an engine running: until a signal, a failure, or somebody's stop.

The first signal begins a stop with its grace, and the second cuts that short; both end in order. What is called for a
signal only puts its number into a queue, which is safe wherever it interrupts.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import pykka

from ..engine.clock import Clock
from ..engine.errors import BequestError, EngineFailedError
from .address import Address
from .control_messages import ListPauses
from .health import EngineState, Health
from .supervised import is_answered
from .systemd import ServiceManager

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LOOK_S = 0.5  # between two looks whether the engine runs, and whether a signal came that woke nobody


class Runnable(Protocol):
    """What is needed of an engine."""

    manager: Address

    def start(self) -> None:
        """Start it, unless it runs."""
        ...

    def stop(self, grace_s: float = 0.0) -> None:
        """Stop it; a second call cuts the grace of the first short."""
        ...

    def health(self) -> Health:
        """Return where it stands."""
        ...


class Forever:
    """Runs *engine* until something ends that; the service manager that *environment* names is told."""

    def __init__(self, engine: Runnable, clock: Clock, *, grace_s: float, environment: Mapping[str, str]) -> None:
        self._engine = engine
        self._clock = clock
        self._grace_s = grace_s
        self._service = ServiceManager(environment)
        self._heard: queue.SimpleQueue[int | None] = queue.SimpleQueue()  # signals; None once it has stopped
        self._beat_at = clock.monotonic()
        self._asked: pykka.Future[Any] | None = None  # whether the manager answers

    def run(self) -> Health:
        """Start the engine unless it runs, and return its health once it has stopped; raises ``EngineFailedError``."""
        with signals_to(self._heard.put):
            self._engine.start()
            self._service.ready()
            health = self._run_until_told()
            self._service.stopping()
            self._stop()
        if health.state is EngineState.FAILED:
            raise EngineFailedError(f"the engine has failed: {health.cause}; look at its log, and start it again")
        return self._engine.health()

    def _run_until_told(self) -> Health:
        """Return the engine's health when a signal has come or it does not run any more."""
        while True:
            self._beat()
            try:
                number = self._heard.get(timeout=self._patience_s())
            except queue.Empty:
                health = self._engine.health()
                if health.state is not EngineState.RUNNING:
                    return health
            else:
                logger.info("signal came; the engine stops", extra={"signal": number, "grace_s": self._grace_s})
                return self._engine.health()

    def _stop(self) -> None:
        """Stop the engine on another thread, and listen meanwhile."""
        faults: list[BaseException] = []

        def stop() -> None:
            try:
                self._engine.stop(self._grace_s)
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                faults.append(error)
            self._heard.put(None)

        thread = threading.Thread(target=stop, name="bequest-stop")
        thread.start()
        while (number := self._hear()) is not None:
            logger.warning("signal came again; nothing is waited for any more", extra={"signal": number})
            self._engine.stop()
        thread.join()
        if faults:
            raise faults[0]

    def _hear(self) -> int | None:
        while True:
            try:
                return self._heard.get(timeout=LOOK_S)
            except queue.Empty:
                continue

    def _beat(self) -> None:
        """Tell the watchdog that all is well, if it is time for that and the manager answered what it was asked."""
        beat_s, now = self._service.beat_s, self._clock.monotonic()
        if beat_s is None or now < self._beat_at:
            return
        if self._asked is not None and not is_answered(self._asked):
            self._beat_at = now + beat_s / 4
            return
        if self._asked is not None:
            self._service.alive()
        self._beat_at = now + beat_s
        try:
            self._asked = self._engine.manager.ask_later(ListPauses())
        except BequestError:
            self._asked = None

    def _patience_s(self) -> float:
        if self._service.beat_s is None:
            return LOOK_S
        return min(LOOK_S, max(0.0, self._beat_at - self._clock.monotonic()))


@contextmanager
def signals_to(hear: Callable[[int], object]) -> Generator[None]:
    """Have *hear* called with the number of each signal while the block runs; then who had them has them again.

    One that the process was started to ignore stays ignored. Only the main thread can have them; else that is said.
    """
    if threading.current_thread() is not threading.main_thread():
        logger.warning("signals are for the main thread alone, and this is another; end the engine with stop()")
        yield
        return
    former: dict[signal.Signals, Any] = {}  # Any: a function, SIG_DFL, or None for one that is not Python's
    try:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                former[number] = signal.signal(number, lambda number, _frame: hear(number))
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
