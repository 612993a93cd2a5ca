"""Owns one queue's work: leases jobs of registered kinds, has their handlers run, renews the leases, reports the ends.

The handlers run in the pool's threads, never in this actor's. The manager pushes work; each beat asks for it again, a
net under what was told to a manager that died.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from ..engine.clock import Clock
from ..engine.errors import BequestError
from ..engine.records import Completion, Lease, LeaseRef
from .address import Address
from .asking import Ask
from .attempt import Attempts, given_up_after, timeout_of
from .dispatch import Dispatch, Want
from .handler_pool import HandlerPool, Running
from .job_context import JobContext
from .kinds import Kinds
from .messages import CompleteJobs, ReleaseLeases, RenewLeases
from .standing_messages import Assigned, WantJobs
from .supervised import Overseer, SupervisedActor
from .timeouts import timed_out
from .worker_messages import Beat, Drain, KindsChanged, LeasesLost
from .working import Working

logger = logging.getLogger(__name__)

LEASE_S = 60.0
BEAT_S = LEASE_S / 3  # between two renewals of all leases
RETRY_S = 0.5  # until what could not be told to the manager is told again


class WorkerActor(SupervisedActor):
    """Runs the jobs of *queue*, up to *slots* at once; *wake_at* asks for a ``Beat`` at a time in epoch seconds.

    On a stop it gives up what runs, and its lease back. *working* is shared with others.
    """

    def __init__(  # noqa: PLR0913 - four neighbours, and the rest by name
        self,
        overseer: Overseer,
        manager: Address,
        kinds: Kinds,
        attempts: Attempts,
        *,
        queue: str,
        slots: int,
        clock: Clock,
        wake_at: Callable[[float], None],
        working: Working,
    ) -> None:
        super().__init__(overseer)
        self._manager = manager
        self._kinds = kinds
        self._attempts = attempts
        self._queue = queue
        self._clock = clock
        self._wake_at = wake_at
        self._renew_at = clock.monotonic() + BEAT_S
        self._dispatch = Dispatch()
        self._pool = HandlerPool(
            queue,
            slots,
            run=self._run,
            report=self._report,
            context_of=lambda lease: JobContext(lease, manager, clock, lease_s=LEASE_S),
            timeout_of=lambda lease: given_up_after(kinds.get(lease.kind), lease),
            wake_in=self._wake_in,
            clock=clock,
            working=working,
        )

    def begin(self) -> None:
        """Say that all slots are free."""
        self._want()
        self._wake_in(BEAT_S)

    def receive(self, message: object) -> None:
        """Take what was assigned, and look after what runs."""
        match message:
            case Assigned(leases=leases):
                self._take(leases)
            case LeasesLost(job_ids=job_ids):
                self._pool.lose(set(job_ids))
            case Beat():
                self._beat()
            case KindsChanged():
                self._want()
            case Ask(message=Drain(), reply=reply):
                self._give_back(self._pool.drain())
                reply.set(None)
            case _:
                logger.warning("a worker was sent what it does not know", extra={"type": type(message).__name__})

    def on_stop(self) -> None:
        """Report what has ended, and give back what did not; the attempt does not count."""
        super().on_stop()
        left = self._pool.stop()
        self._report(self._pool.take_done(), Want(0, 0))
        self._give_back(left)

    def turn_away(self, message: object, error: BaseException) -> None:
        """Give back what is assigned too late."""
        super().turn_away(message, error)
        if isinstance(message, Assigned):
            self._give_back(message.leases)

    def _take(self, leases: tuple[Lease, ...]) -> None:
        refused = self._pool.add(leases)
        self._give_back(refused)
        if not leases or self._pool.wanted.jobs:  # without leases: the manager was started again
            self._want()

    def _want(self) -> None:
        self._report(self._pool.take_done(), self._pool.wanted)

    def _run(self, lease: Lease, context: JobContext) -> Completion:
        return self._attempts.run(self._kinds.get(lease.kind), lease, context)

    def _report(self, completions: tuple[Completion, ...], wanted: Want) -> None:
        """Tell the manager what has ended, and how many more jobs are wanted; called by the pool's threads too."""
        if not wanted.jobs and not completions:
            return
        message: Any = WantJobs(
            worker=self.actor_ref,
            queue=self._queue,
            terms=self._kinds.of_queue(self._queue),
            limit=wanted.jobs,
            lease_s=LEASE_S,
            completions=completions,
            taken=wanted.taken,
            dispatch=self._dispatch,
        )
        try:
            self._manager.tell(message if wanted.jobs else CompleteJobs(completions=completions))
        except BequestError:
            logger.debug("a report waits for the manager", extra={"jobs": [one.job_id for one in completions]})
            self._pool.keep(completions)
            self._wake_in(RETRY_S)

    def _give_back(self, leases: Iterable[Lease]) -> None:
        refs = tuple(ref_of(lease) for lease in leases)
        if not refs:
            return
        try:
            self._manager.tell(ReleaseLeases(leases=refs))
        except BequestError:
            logger.debug("leases are left to the next start", extra={"jobs": [ref.job_id for ref in refs]})

    def _beat(self) -> None:
        late = self._pool.give_up_late()
        self._pool.keep(tuple(self._failed(one) for one in late if not one.was_lost))
        self._give_back(self._pool.share())
        self._want()
        if self._clock.monotonic() >= self._renew_at:
            self._renew_at = self._clock.monotonic() + BEAT_S
            self._renew()
        late_s = self._pool.next_deadline_in()
        self._wake_in(min(BEAT_S, BEAT_S if late_s is None else late_s))

    def _failed(self, one: Running) -> Completion:
        kind = self._kinds.get(one.lease.kind)
        logger.warning("job timed out", extra={"job_id": one.lease.job_id, "kind": kind.name})
        return self._attempts.failed(kind, one.lease, timed_out(timeout_of(kind, one.lease)))

    def _renew(self) -> None:
        held = tuple(ref_of(lease) for lease in self._pool.held())
        if not held:
            return
        try:
            lost: list[int] = self._manager.ask(RenewLeases(leases=held, lease_s=LEASE_S))
        except BequestError:
            logger.debug("leases were not renewed; the manager or the next beat does", extra={"leases": len(held)})
        else:
            self._pool.lose(set(lost))

    def _wake_in(self, seconds: float) -> None:
        self._wake_at(self._clock.now() + max(0.0, seconds))


def ref_of(lease: Lease) -> LeaseRef:
    """Return the name of *lease*."""
    return LeaseRef(job_id=lease.job_id, token=lease.token)
