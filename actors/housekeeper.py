"""Owns pruning by itself: from the start on and every few minutes it prunes what the engine's retention is over for.

One step is one message to itself, so a stop is never kept waiting. What fails is logged and tried again the next time.
"""

from __future__ import annotations

import logging

from ..engine.clock import Clock
from ..engine.errors import BequestError, EngineStoppedError
from ..engine.records import Record
from ..engine.retention import Retention
from .pruner import Pruner
from .supervised import Overseer, SupervisedActor

logger = logging.getLogger(__name__)

EVERY_S = 300.0  # from the end of one round to the next


class LookAround:
    """Told now and then; a round begins when it is time for one."""


class NextStep(Record, frozen=True, kw_only=True):
    """Told by itself: go on with the round that began at *now*."""

    now: float
    pruned: int


class HousekeeperActor(SupervisedActor):
    """Prunes by *retention*."""

    def __init__(self, overseer: Overseer, pruner: Pruner, retention: Retention, clock: Clock) -> None:
        super().__init__(overseer)
        self._pruner = pruner
        self._retention = retention
        self._clock = clock
        self._next_at: float | None = clock.monotonic()  # of the next round; None while one goes on

    def on_start(self) -> None:
        """Begin at once."""
        super().on_start()
        self.actor_ref.tell(LookAround())

    def receive(self, message: object) -> None:
        """Begin a round when it is time, or go on with it."""
        match message:
            case LookAround():
                if self._next_at is not None and self._clock.monotonic() >= self._next_at:
                    self._next_at = None
                    self._step(NextStep(now=self._clock.now(), pruned=0))
            case NextStep() as step:
                self._step(step)
            case _:
                logger.warning("the housekeeper was sent what it does not know", extra={"type": type(message).__name__})

    def _step(self, step: NextStep) -> None:
        try:
            left = self._pruner.step(self._retention, step.now)
        except EngineStoppedError:
            raise
        except BequestError as error:
            logger.exception("pruning stopped; it is tried again later", extra={"cause": str(error)})
            self._end_round(step.pruned)
            return
        if left is None:
            self._end_round(step.pruned)
        else:
            self.actor_ref.tell(NextStep(now=step.now, pruned=step.pruned + left))

    def _end_round(self, pruned: int) -> None:
        self._next_at = self._clock.monotonic() + EVERY_S
        if pruned:
            logger.info("jobs pruned", extra={"jobs": pruned})
