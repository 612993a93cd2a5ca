"""Owns the judgement of parents: it is told when one can be judged, and has it end or take its own step.

Holds I9. Events drive it, with a slow sweep as a net; what a parent came to is written to its row and read from there.
The decision is ``engine.policies.judge_parent``'s, made in the transaction that writes it.
"""

from __future__ import annotations

import logging

from ..engine.errors import StoreError
from ..engine.records import State
from .address import Address
from .executor_messages import ChildrenEnded, StartMonitoring, Sweep
from .messages import JudgeParents
from .supervised import Overseer, SupervisedActor

logger = logging.getLogger(__name__)


class MonitorActor(SupervisedActor):
    """Is told ``StartMonitoring``, ``ChildrenEnded`` and ``Sweep``."""

    def __init__(self, overseer: Overseer, manager: Address) -> None:
        super().__init__(overseer)
        self._manager = manager

    def receive(self, message: object) -> None:
        """Judge what the message names."""
        match message:
            case StartMonitoring(parent_id=parent_id):
                self._judge((parent_id,))
            case ChildrenEnded(parent_ids=parent_ids):
                self._judge(parent_ids)
            case Sweep():
                self._judge(None)
            case _:
                self.refuse_unknown(message)

    def _judge(self, parent_ids: tuple[int, ...] | None) -> None:
        """Judge these parents, or all that wait."""
        try:
            moved: dict[int, State] = self._manager.ask(JudgeParents(parent_ids=parent_ids))
        except StoreError as error:
            logger.debug("the next sweep judges; the manager says why", extra={"cause": str(error)})
            return
        for job_id, state in moved.items():
            logger.info(
                "run ended" if state.is_final else "own step due", extra={"job_id": job_id, "state": str(state)}
            )
