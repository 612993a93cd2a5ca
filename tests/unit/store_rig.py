"""What the tests of the stores share: jobs made, taken and ended in one line each."""

from __future__ import annotations

from typing import Any

from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Counts, Job, JobError, Lease, NewJob, State
from bequest.engine.store import Store

LEASE_S = 60.0
BROKEN = JobError(type="ValueError", message="broken")


def make(store: Store, kind: str = "work", **fields: Any) -> int:
    """Make a job without a parent and return its id."""
    with store.group():
        (created,) = store.jobs.create([NewJob(kind=kind, **fields)])
    return created.job_id


def parent(store: Store, *children: NewJob, seal: bool = True, **fields: Any) -> tuple[int, ...]:
    """Make a parent that waits for *children*; return its id and theirs."""
    parent_id = make(store, **{"kind": "flow", "state": State.WAITING, **fields})
    return parent_id, *spawn(store, parent_id, *children, seal=seal)


def spawn(store: Store, parent_id: int, *children: NewJob, seal: bool = True) -> tuple[int, ...]:
    """Make children of a job and return their ids."""
    with store.group():
        ids = store.parents.spawn(parent_id, children, seal=seal)
    return tuple(job_id for job_id in ids if job_id is not None)


def work(**fields: Any) -> NewJob:
    """Return a job of the usual kind."""
    return NewJob(**{"kind": "work", **fields})


def get(store: Store, job_id: int) -> Job:
    """Return the row of a job."""
    with store.group():
        return store.jobs.get(job_id)


def states(store: Store, *job_ids: int) -> list[State]:
    """Return where jobs stand."""
    return [get(store, job_id).state for job_id in job_ids]


def partitions(store: Store, job_ids: list[int]) -> str:
    """Return the partitions of jobs, in the order of their names."""
    return "".join(sorted(get(store, job_id).partition for job_id in job_ids))


def counts(store: Store, parent_id: int) -> Counts:
    """Return how many children a job has in each state."""
    with store.group():
        return store.parents.counts(parent_id)


def judge(store: Store) -> dict[int, State]:
    """Judge all parents until nothing more moves; return what each came to."""
    moved: dict[int, State] = {}
    while True:
        with store.group():
            more = store.parents.judge(store.parents.waiting())
        if not more:
            return moved
        moved |= more


def retry(store: Store, job_id: int) -> int:
    """Retry a job by hand and return how many have something to be done again."""
    with store.group():
        return store.control.retry(job_id)


def cancel(store: Store, job_id: int) -> int:
    """Cancel a job with all below it and return how many that ended."""
    with store.group():
        return store.parents.cancel(job_id)


class Worker:
    """Takes jobs of some kinds of one queue, and ends them."""

    def __init__(self, store: Store, *terms: KindTerms | str, queue: str = "default") -> None:
        self.leases: dict[int, Lease] = {}  # the newest of each job
        self._store = store
        self._terms = [KindTerms(kind=one) if isinstance(one, str) else one for one in terms or ("work", "flow")]
        self._queue = queue

    def take(self, limit: int = 99) -> list[int]:
        """Claim what may start and return which jobs."""
        with self._store.group():
            leases = self._store.claims.claim(self._queue, self._terms, limit, LEASE_S)
        self.leases |= {lease.job_id: lease for lease in leases}
        return [lease.job_id for lease in leases]

    def end(self, *job_ids: int, state: State = State.COMPLETED, **fields: Any) -> list[int]:
        """End jobs, taking what is due if need be; return those whose lease was lost."""
        if not self.leases.keys() >= set(job_ids):
            self.take()
        if state is State.FAILED:
            fields = {"error": BROKEN, **fields}
        completions = [
            Completion(job_id=one, token=self.leases.pop(one).token, state=state, **fields) for one in job_ids
        ]
        with self._store.group():
            return self._store.completions.complete(completions)

    def fail(self, *job_ids: int) -> None:
        """Have jobs fail for good."""
        self.end(*job_ids, state=State.FAILED)
