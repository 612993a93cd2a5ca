"""Owns what a caller holds of one job: where it stands, its end, and what may be done to it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, TypeVar

import msgspec

from ..engine.errors import JobCancelledError, JobFailedError
from ..engine.records import AttemptError, Job, LogEntry, State
from ..engine.run_status import RunStatus
from .address import Address
from .control_messages import DeleteJob, ListAttemptErrors, RetryJob
from .messages import CancelRun, GetJob, GetRunStatus
from .query_messages import all_entries
from .standing_messages import AwaitSettled

R = TypeVar("R")
FOREVER_S = 10 * 365 * 86_400.0


class JobHandle(Generic[R]):
    """One job, by its id; ``await`` it, or ``wait`` for it, to have its result."""

    def __init__(self, job_id: int, manager: Address, reader: Address, *, result_type: Any = Any) -> None:
        self.id = job_id
        self._manager = manager
        self._reader = reader
        self._result_type = result_type

    def __await__(self) -> Generator[Any, None, R]:
        status: RunStatus = yield from self._manager.ask_async(AwaitSettled(job_id=self.id)).__await__()
        job: Job = yield from self._manager.ask_async(GetJob(job_id=self.id)).__await__()
        return self._result_of(job, status.state)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id})"

    def job(self) -> Job:
        """Return its row; raises ``JobNotFoundError``."""
        found: Job = self._manager.ask(GetJob(job_id=self.id))
        return found

    def status(self) -> RunStatus:
        """Return where it stands, with its children by state."""
        found: RunStatus = self._manager.ask(GetRunStatus(job_id=self.id))
        return found

    def wait(self, timeout_s: float = FOREVER_S) -> State:
        """Wait until it has ended and return its state; raises ``DeadlineError`` after *timeout_s* seconds."""
        status: RunStatus = self._manager.ask(AwaitSettled(job_id=self.id), timeout_s=timeout_s)
        return status.state

    def result(self, timeout_s: float = FOREVER_S) -> R:
        """Wait until it has ended and return what its handler returned.

        Raises ``JobFailedError`` with its error, ``JobCancelledError``, and ``DeadlineError`` after *timeout_s*.
        """
        state = self.wait(timeout_s)
        return self._result_of(self.job(), state)

    def errors(self) -> list[AttemptError]:
        """Return why its attempts did not succeed, oldest first."""
        found: list[AttemptError] = self._reader.ask(ListAttemptErrors(job_id=self.id))
        return found

    def logs(self) -> list[LogEntry]:
        """Return its log and that of its descendants, in one order."""
        return all_entries(self._reader, self.id)

    def cancel(self) -> int:
        """Cancel it with all below it; return how many jobs that ended. What runs is told, and its result refused."""
        cancelled: int = self._manager.ask(CancelRun(job_id=self.id))
        return cancelled

    def retry(self) -> int:
        """Make it due again, or what failed below it; return how many jobs. Raises ``TransitionError``."""
        due: int = self._manager.ask(RetryJob(job_id=self.id))
        return due

    def delete(self) -> int:
        """Delete it with all its descendants and what belongs to them; return how many jobs."""
        deleted: int = self._manager.ask(DeleteJob(job_id=self.id))
        return deleted

    def _result_of(self, job: Job, state: State) -> R:
        if state is State.CANCELLED:
            raise JobCancelledError(f"asked for the result of job {self.id}, found it cancelled")
        if state is not State.COMPLETED:
            said = "" if job.error is None else f": {job.error.type}: {job.error.message}"
            raise JobFailedError(f"asked for the result of job {self.id}, found it {state}{said}")
        result: R = msgspec.convert(job.result, self._result_type)
        return result
