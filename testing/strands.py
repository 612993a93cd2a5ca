"""Owns an engine's threads where all of them run on one: each is a strand, one runs at a time, and time is a clock's.

A strand gives way where it waits, and may have to where it sends; who goes on is a ``Schedule``'s choice, so the same
schedule makes the same things happen again. While the caller waits and nobody can go on, time passes by itself, up to
the next moment that anybody waits for. Where there is none, all wait for ever, and the caller is told who for what.
"""

from __future__ import annotations

import contextvars
import math
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit as GreenletExit
from greenlet import getcurrent, greenlet

from ..engine.errors import EngineError
from .manual_clock import ManualClock
from .schedule import Chooser, Schedule

MAX_STEPS = 30_000  # of strands, while the caller waits once
KEPT_STEPS = 30  # in the trace

Holds = Callable[[], Any]


class StrandError(AssertionError):
    """The strands of an in-line engine cannot go on, or do not come to rest."""


class Interrupted(BaseException):
    """The caller was not to wait any longer: ``interrupt_after``."""


class Wait:
    """What a strand waits for."""

    def __init__(self, what: str, holds: Holds, deadline: float) -> None:
        self.what = what
        self.holds = holds
        self.deadline = deadline  # monotonic

    def is_over(self, now: float) -> bool:
        """Whether it can go on."""
        return self.deadline <= now or bool(self.holds())


class Strand:
    """One thread of the engine, or the caller's."""

    def __init__(self, strands: Strands, name: str, target: Callable[[], object] | None) -> None:
        self.name = name
        self.wait: Wait | None = None
        self.greenlet: Any = None  # Any: greenlet has no types
        self._strands = strands
        self._target = target
        self._has_ended = False

    def start(self) -> None:
        """Let it have its turn."""
        self.greenlet = greenlet(self._run, self._strands.hub)
        self.greenlet.gr_context = contextvars.copy_context()
        self._strands.add(self)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or *timeout* seconds are over."""
        self._strands.wait_until(lambda: not self.is_alive(), timeout, what=f"the end of {self.name}")

    def is_alive(self) -> bool:
        """Whether it has begun and not ended."""
        return self.greenlet is not None and not self._has_ended

    def _run(self, *_: object) -> None:
        try:
            if self._target is not None:
                self._target()
        except GreenletExit:
            pass  # it is ended with the others
        except BaseException as error:  # noqa: BLE001 - it is the caller's, who is on the same thread
            self._strands.error = error
        self._has_ended = True
        self._strands.leave(self)


class Strands:
    """Runs strands, one at a time, on the thread that made it."""

    def __init__(self, clock: ManualClock, schedule: Schedule) -> None:
        self.clock = clock
        self.chooser = Chooser(schedule)
        self.trace: deque[str] = deque(maxlen=KEPT_STEPS)
        self._thread = threading.get_ident()
        self._caller = Strand(self, "the caller", None)
        self._others: list[Strand] = []
        self._current = self._caller
        self._is_choosing = False
        self._is_ending = False
        self._steps = 0
        self._steps_left = math.inf
        self.error: BaseException | None = None  # to be raised in the caller
        self.hub: Any = greenlet(self._go_on)  # where a strand that has ended returns to

    def current(self) -> Strand:
        """Return the strand that runs."""
        return self._current

    def add(self, strand: Strand) -> None:
        """Let a new strand have its turn."""
        self._others.append(strand)

    def leave(self, strand: Strand) -> None:
        """Take a strand that has ended out, and choose who goes on."""
        if not self._is_ending:
            self._others.remove(strand)
            self._current = self._choose()

    def wait_until(self, holds: Holds, timeout_s: float | None = None, *, what: str) -> bool:
        """Let others run until *holds* does, or *timeout_s* seconds of the clock are over; return whether it does.

        Raises ``StrandError`` in the caller when nobody can go on, or too many have.
        """
        self._check_thread()
        if self._is_ending:
            raise GreenletExit
        own = self._current
        if own is self._caller:
            self._steps = 0
        deadline = math.inf if timeout_s is None else self.clock.monotonic() + timeout_s
        own.wait = Wait(what, holds, deadline)
        try:
            self._give_way()
        finally:
            own.wait = None
        return bool(holds())

    def settle(self) -> None:
        """Let the others run until none of them can go on at the present time."""
        self.wait_until(lambda: not self._ready(self._others), what="the others to come to rest")

    def interrupt_after(self, steps: float) -> None:
        """Raise ``Interrupted`` in the caller after so many more steps of strands, wherever they are then."""
        self._steps_left = steps

    def preempt(self) -> None:
        """Perhaps let somebody else run before the one who has sent something goes on."""
        if not (self._is_choosing or self._is_ending) and self._others and self.chooser.preempts():
            self._give_way()

    def end(self) -> None:
        """End all strands, wherever they are; they do nothing more."""
        self._is_ending = True
        for strand in self._others:
            if strand.is_alive():
                strand.greenlet.parent = getcurrent()
                strand.greenlet.throw(GreenletExit)
        self._others.clear()
        self._current = self._caller
        self._is_ending = False

    def _go_on(self, *_: object) -> None:
        while True:
            self._current.greenlet.switch()

    def _give_way(self) -> None:
        own = self._current
        going_on = self._choose()
        if going_on is own:
            self._raise_error(own)
            return
        loop = running_loop()
        own.greenlet = getcurrent()
        self._current = going_on
        going_on.greenlet.switch()
        set_running_loop(loop)
        self._raise_error(own)

    def _raise_error(self, own: Strand) -> None:
        if own is self._caller and self.error is not None:
            error, self.error = self.error, None
            raise error

    def _choose(self) -> Strand:
        """Return who goes on; the caller where there is an error, for it is raised there."""
        self._is_choosing, going_on = True, self._caller
        try:
            going_on = self._choice()
        except (StrandError, Interrupted) as error:
            self.error = error
        finally:
            self._is_choosing = False
        if self.error is not None or going_on is self._caller:
            return self._caller
        self._others.remove(going_on)  # who has had a turn comes last
        self._others.append(going_on)
        return going_on

    def _choice(self) -> Strand:
        self._count_step()
        while not (ready := self._ready([self._caller, *self._others])):
            self._let_time_pass()
        return ready[self.chooser.choose(len(ready))] if len(ready) > 1 else ready[0]

    def _count_step(self) -> None:
        self._steps += 1
        self._steps_left -= 1
        if self._steps_left < 0:
            self._steps_left = math.inf
            raise Interrupted
        if self._steps > MAX_STEPS:
            raise StrandError(self._told("do not come to rest"))

    def _ready(self, strands: list[Strand]) -> list[Strand]:
        now = self.clock.monotonic()
        return [strand for strand in strands if strand.wait is None or strand.wait.is_over(now)]

    def _let_time_pass(self) -> None:
        deadlines = [strand.wait.deadline for strand in (self._caller, *self._others) if strand.wait is not None]
        earliest = min(deadlines)
        if earliest == math.inf:
            raise StrandError(self._told("all wait for each other, for ever"))
        self.clock.advance(earliest - self.clock.monotonic())
        while self.clock.monotonic() < earliest:  # what was added was rounded
            self.clock.advance(math.ulp(earliest))

    def _told(self, fault: str) -> str:
        waits = [
            f"  {strand.name} waits for {strand.wait.what}"
            for strand in (self._caller, *self._others)
            if strand.wait is not None
        ]
        return "\n".join(
            [
                f"the strands of the in-line engine {fault} (replay: {self.chooser.schedule!r})",
                *waits,
                "last of what was done:",
                *(f"  {step}" for step in self.trace),
            ]
        )

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise EngineError("an in-line engine was called from another thread; use it on the one that made it")


def running_loop() -> Any:
    """Take the asyncio loop that runs in this strand away from the thread, and return it."""
    events = sys.modules.get("asyncio.events")
    if events is None:
        return None
    loop = events._get_running_loop()
    events._set_running_loop(None)
    return loop


def set_running_loop(loop: Any) -> None:
    """Give the thread back what ``running_loop`` took."""
    events = sys.modules.get("asyncio.events")
    if events is not None:
        events._set_running_loop(loop)
