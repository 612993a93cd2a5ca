"""Owns the messages that the manager may park: they wait for work, or for a change, without polling.

``apply`` returns ``PARKED`` while there is nothing to answer; the manager does it again, in the same transaction, when
a group made a change that concerns it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import msgspec
import pykka

from ..engine.changes import Changes
from ..engine.errors import BequestError
from ..engine.limits import KindTerms
from ..engine.records import Completion, JobError, Lease, Record, State
from ..engine.run_status import RunStatus, status_of
from ..engine.store import Store
from .dispatch import Dispatch, Want
from .messages import Request


class Parked(enum.Enum):
    """The result of a message that goes on waiting."""

    PARKED = enum.auto()


PARKED = Parked.PARKED


class Standing(Request, frozen=True, kw_only=True):
    """A message that may be parked."""

    def parked(self) -> Standing:
        """Return what is left to do when it has been done once in vain."""
        return self

    def concerns(self, changes: Changes) -> bool:
        """Whether it is worth doing again after *changes*."""
        raise NotImplementedError

    @property
    def is_given_up(self) -> bool:
        """Whether nobody is there any more who waits for it, where nobody waits for a reply."""
        return False

    def instead(self, error: BequestError) -> Standing:
        """Return what to do later instead of this, which failed by its own fault, where nobody waits for a reply."""
        raise NotImplementedError

    def supersedes(self, parked: Standing) -> bool:
        """Whether *parked*, an older message, need not be answered any more."""
        return False

    def deliver(self, result: Any) -> None:  # Any: each message has its own result
        """Pass on the result where nobody waits for a reply."""

    def abandon(self) -> None:
        """Say that it waits no longer, where nobody waits for a reply."""


class Assigned(Record, frozen=True, kw_only=True):
    """What the manager tells a worker that wants jobs."""

    leases: tuple[Lease, ...]


class WantJobs(Standing, frozen=True, kw_only=True):
    """Tell the manager that a worker is free, with what it has just done; it is told ``Assigned`` once there is work.

    The worker holds no future while it is parked. Work that comes in a group is assigned in that same group. Of what
    the threads of one worker want there the most is given, for all count the same free slots.
    """

    is_coalesced: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = True
    worker: pykka.ActorRef[Any]
    queue: str
    terms: tuple[KindTerms, ...]
    limit: int
    lease_s: float
    completions: tuple[Completion, ...] = ()
    taken: int = 0  # jobs that it has had, when it said how many more it wants
    dispatch: Dispatch | None = None  # where it may want more before it has what it was assigned

    def apply(self, store: Store) -> Assigned | Parked:
        """End what was done and claim what is due, less what is on its way to the worker."""
        return self.apply_all(store, [self])[0]

    @classmethod
    def apply_all(cls, store: Store, messages: Sequence[Any]) -> list[Assigned | Parked]:
        """End what was done in one go, and claim for each worker once."""
        own: Sequence[WantJobs] = messages
        done = [completion for message in own for completion in message.completions]
        if done:
            store.completions.complete(done)
        needless = covered_by_others(own) if len(own) > 1 else ()
        return [ANSWERED_ELSEWHERE if place in needless else message._claim(store) for place, message in enumerate(own)]

    def _claim(self, store: Store) -> Assigned | Parked:
        limit, dispatch = self.limit, self.dispatch
        if dispatch is not None:
            limit = dispatch.missing(Want(limit, self.taken), store.rollbacks)
        leases = store.claims.claim(self.queue, self.terms, limit, self.lease_s)
        if leases and dispatch is not None:
            dispatch.give(len(leases), store.rollbacks)
        return Assigned(leases=tuple(leases)) if leases else PARKED

    def parked(self) -> WantJobs:
        """Return what is left to do."""
        return msgspec.structs.replace(self, completions=())

    @property
    def is_given_up(self) -> bool:
        """Whether the worker has ended."""
        return not self.worker.is_alive()

    def instead(self, error: BequestError) -> WantJobs:
        """Return a request that the worker is not lost with: what cannot be stored is first ended as failed, bare."""
        bare = tuple(bare_failure(completion, error) for completion in self.completions)
        return self.parked() if bare == self.completions else msgspec.structs.replace(self, completions=bare)

    def concerns(self, changes: Changes) -> bool:
        """Whether a job became due."""
        return changes.has_due_work

    def supersedes(self, parked: Standing) -> bool:
        """Whether *parked* is what the same worker wanted before; threads report side by side, and one may be late."""
        return isinstance(parked, WantJobs) and parked.worker == self.worker and parked.taken <= self.taken

    def deliver(self, result: Assigned) -> None:
        """Tell the worker, unless another message does; raises pykka's ``ActorDeadError`` when it has ended."""
        if not result.leases:
            return
        self.worker.tell(result)
        if self.dispatch is not None:
            self.dispatch.send(len(result.leases))

    def abandon(self) -> None:
        """Let the worker ask again, of the manager that comes after this one."""
        with suppress(pykka.ActorDeadError):
            self.worker.tell(Assigned(leases=()))


ANSWERED_ELSEWHERE = Assigned(leases=())  # the result of a message in whose place another one is answered


def covered_by_others(wants: Sequence[WantJobs]) -> set[int]:
    """Return the places of those *wants* that are part of another one of the same worker for the same kinds."""
    needless: set[int] = set()
    most: dict[Dispatch, int] = {}  # the place of that which wants the most so far
    for place, want in enumerate(wants):
        if want.dispatch is None:
            continue
        other = most.get(want.dispatch)
        if other is not None and wants[other].terms == want.terms:
            is_less = want.limit + want.taken < wants[other].limit + wants[other].taken
            needless.add(place if is_less else other)
            if is_less:
                continue
        most[want.dispatch] = place
    return needless


def bare_failure(completion: Completion, error: BequestError) -> Completion:
    """Return the end of an attempt whose result was refused with *error*, without anything that came with it."""
    failure = JobError(type="not_storable", message=f"what the attempt left cannot be stored: {type(error).__name__}")
    return Completion(job_id=completion.job_id, token=completion.token, state=State.FAILED, error=failure)


class AwaitSettled(Standing, frozen=True, kw_only=True):
    """Reply the ``RunStatus`` of a job once it is final or stalled."""

    job_id: int

    def apply(self, store: Store) -> RunStatus | Parked:
        """Look."""
        status = status_of(store.queries.job(self.job_id))
        return status if status.is_settled else PARKED

    def concerns(self, changes: Changes) -> bool:
        """Whether the job or a child of it changed."""
        return self.job_id in changes.jobs or self.job_id in changes.parents


class AwaitIdle(Standing, frozen=True, kw_only=True):
    """Reply once no job runs or is due, and no parent is about to end or to take its own step."""

    def apply(self, store: Store) -> Parked | None:
        """Look."""
        return None if store.is_idle() else PARKED

    def concerns(self, changes: Changes) -> bool:
        """Whether a job changed its state."""
        return bool(changes.moves)


class AwaitChange(Standing, frozen=True, kw_only=True):
    """Reply the ``RunStatus`` of a job once it differs from the one that was seen."""

    seen: RunStatus

    def apply(self, store: Store) -> RunStatus | Parked:
        """Look."""
        status = status_of(store.queries.job(self.seen.job_id))
        return PARKED if status == self.seen else status

    def concerns(self, changes: Changes) -> bool:
        """Whether the job or a child of it changed."""
        return self.seen.job_id in changes.jobs or self.seen.job_id in changes.parents
