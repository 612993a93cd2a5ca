"""Owns the judgement of parents: it is told when the children of one have ended, and decides what the parent came to.

Holds I9. Events drive it, with a slow sweep as a net; what it says is written to the parent's row and read from there.
"""

from __future__ import annotations

import logging

from ..engine.crawl_jobs import CRAWL
from ..engine.errors import JobNotFoundError, StoreError, TransitionError
from ..engine.policies import verdict
from ..engine.records import Counts, Job, JobError, State
from ..engine.run_status import RunStatus
from .address import Address
from .executor_messages import ChildrenEnded, StartMonitoring, Sweep
from .messages import GetJob, GetRunStatus, ListOpenRuns, UpdateJobStatus
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
                self._judge(parent_id)
            case ChildrenEnded(parent_ids=parent_ids):
                for parent_id in parent_ids:
                    self._judge(parent_id)
            case Sweep():
                self._sweep()
            case _:
                self.refuse_unknown(message)

    def _sweep(self) -> None:
        try:
            parents: list[Job] = self._manager.ask(ListOpenRuns(kind=CRAWL))
        except StoreError as error:
            logger.warning("the next sweep judges", extra={"cause": str(error)})
            return
        for parent in parents:
            self._judge(parent.id)

    def _judge(self, parent_id: int) -> None:
        try:
            parent: Job = self._manager.ask(GetJob(job_id=parent_id))
            status: RunStatus = self._manager.ask(GetRunStatus(job_id=parent_id))
            if parent.state is not State.WAITING:
                return
            state = verdict(status.pages, sealed=parent.sealed, error_tolerance=tolerance_of(parent))
            if state is None:
                return
            error = children_failed(status.pages) if state is State.FAILED else None
            self._manager.ask(UpdateJobStatus(job_id=parent_id, state=state, error=error))
        except (JobNotFoundError, TransitionError) as found:  # deleted, or cancelled since it was read
            logger.debug("parent not judged", extra={"job_id": parent_id, "cause": str(found)})
        except StoreError as error:
            logger.warning("the next sweep judges", extra={"job_id": parent_id, "cause": str(error)})
        else:
            logger.info("run ended", extra={"job_id": parent_id, "state": str(state)})


def tolerance_of(parent: Job) -> float:
    """Return the share of children that may fail, which a crawl's config names."""
    config = parent.config
    return float(config.get("error_tolerance", 1.0)) if isinstance(config, dict) else 1.0


def children_failed(counts: Counts) -> JobError:
    """Return what is written beside a parent that failed."""
    return JobError(type="children_failed", message=f"{counts.failed} of {counts.total} pages failed")
