"""Owns ``FaultyDisk``: a disk whose operations fail as a plan says, or which is full for as long as a test wants.

with FaultyDisk(FaultPlan(at=12, operations=("sync",))) as disk, Engine("jobs.db", vfs=disk.vfs) as engine:
    ...
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..engine.records import Record
from .disk_vfs import Disk, ErrorName, Operation, OperationName, failure

T = TypeVar("T")


class FaultPlan(Record, frozen=True, kw_only=True):
    """Which operation of a disk fails, and how; its repr makes it again."""

    at: int | None = None  # the n-th of *operations*, from 1; None: none fails, all are counted
    operations: tuple[OperationName, ...] = ("write", "sync", "truncate", "open", "delete")
    error: ErrorName = "io"
    is_sticky: bool = False  # from then on all of them fail, until the disk is healed
    is_short: bool = False  # a write that fails has written half of what it was given

    def hits(self, number: int) -> bool:
        """Return whether the operation of that *number*, from 1, fails."""
        return self.at is not None and (number == self.at or (self.is_sticky and number > self.at))


class FaultyDisk(Disk):
    """A disk that fails by *plan*; ``met`` operations of the plan's kinds were asked for, ``failed`` of all failed."""

    def __init__(self, plan: FaultPlan | None = None) -> None:
        super().__init__()
        self.met = 0
        self.failed = 0
        self._plan = plan or FaultPlan()
        self._is_full = False

    def fill(self) -> None:
        """Have every write fail that would make its file larger, until ``heal``."""
        with self._lock:
            self._is_full = True

    def heal(self) -> None:
        """Have nothing fail any more."""
        self.fail(FaultPlan())

    def fail(self, plan: FaultPlan) -> None:
        """Go by *plan* from now on, counting anew, and be full no longer."""
        with self._lock:
            self._plan, self.met, self._is_full = plan, 0, False

    def meet(self, operation: Operation, act: Callable[[Operation], T]) -> T:
        """Do it, or fail as the plan says."""
        with self._lock:
            error, is_short = self._fault(operation), self._plan.is_short
            self.failed += error is not None
        if error is None:
            return act(operation)
        if is_short and operation.name == "write":
            act(operation._replace(data=operation.data[: len(operation.data) // 2]))
        raise failure(operation, error)

    def _fault(self, operation: Operation) -> ErrorName | None:
        """Return what is wrong with it, or None."""
        if operation.name in self._plan.operations:
            self.met += 1
            if self._plan.hits(self.met):
                return self._plan.error
        return "full" if self._is_full and operation.name == "write" and _grows(operation) else None


def _grows(operation: Operation) -> bool:
    return operation.offset + len(operation.data) > Path(operation.path).stat().st_size
