"""What the store should hold, as plain objects in a dict: no SQL, no indexes, all of it looked for one by one."""

from __future__ import annotations

from bequest.engine.records import Document, KeyScope, Lease, LeaseRef, NewJob, State

MAX_ATTEMPTS = 2


class JobModel:
    """One job as the model has it."""

    def __init__(self, job: NewJob, parent: int | None, now: float) -> None:
        self.parent = parent
        self.key = job.key
        self.scope = job.key_scope
        self.state = job.state
        self.limit = job.child_limit
        self.concurrency = job.child_concurrency
        self.max_attempts = job.max_attempts
        self.metadata = dict(job.metadata)
        self.run_at = now if job.run_at is None else job.run_at
        self.attempts = 0
        self.token = 0
        self.sealed = False
        self.lease_until = 0.0
        self.waits_for: str | None = None

    @property
    def holds_key(self) -> bool:
        """Whether its key keeps others out."""
        return self.key is not None and (self.scope is KeyScope.FOREVER or not self.state.is_final)

    def is_held_by(self, token: int) -> bool:
        """Whether it runs under the lease of that token."""
        return self.state is State.RUNNING and self.token == token

    def end_attempt(self, state: State, waits_for: str | None, *, counts: bool, retry_at: float) -> None:
        """End the attempt that runs; waiting for a credential never counts."""
        if state is State.WAITING:
            self.waits_for = waits_for
        if state is State.PENDING:
            self.run_at = retry_at
            state = State.FAILED if counts and self.attempts >= self.max_attempts else State.PENDING
        if state is State.WAITING or not counts:
            self.attempts -= 1
        self.state = state


class Jobs(dict[int, JobModel]):
    """All jobs by id."""

    def add(self, job_id: int, job: NewJob, parent_id: int | None, *, now: float) -> None:
        """Add a job, with what it inherits; ids only grow."""
        assert job_id > max(self, default=0)
        self[job_id] = JobModel(job, parent_id, now)
        if parent_id is not None:
            self[job_id].metadata = {**self[parent_id].metadata, **job.metadata}

    def end(self, job_id: int, state: State) -> None:
        """Make a job final."""
        self[job_id].state = state
        self[job_id].waits_for = None

    def end_all(self, job_ids: list[int]) -> None:
        """Cancel jobs."""
        for job_id in job_ids:
            self.end(job_id, State.CANCELLED)
            self[job_id].sealed = True

    def of_state(self, state: State) -> list[int]:
        """Return the ids of the jobs in *state*."""
        return [job_id for job_id, job in self.items() if job.state is state]

    def children(self, parent_id: int) -> list[int]:
        """Return the ids of a job's children."""
        return [job_id for job_id, job in self.items() if job.parent == parent_id]

    def running_children(self, parent_id: int) -> list[int]:
        """Return the ids of a job's children that are leased."""
        return [job_id for job_id in self.children(parent_id) if self[job_id].state is State.RUNNING]

    def unfinished_children(self, parent_id: int) -> list[int]:
        """Return the ids of a job's children that are not final."""
        return [job_id for job_id in self.children(parent_id) if not self[job_id].state.is_final]

    def line_below(self, job_id: int) -> list[int]:
        """Return a job's id and those of all its descendants."""
        return [job_id, *(one for child in self.children(job_id) for one in self.line_below(child))]

    def holder_of(self, parent_id: int | None, key: str | None) -> int | None:
        """Return who holds *key* among a parent's children, or among those that have none."""
        if key is None:
            return None
        return next(
            (one for one, job in self.items() if job.parent == parent_id and job.key == key and job.holds_key), None
        )

    def expected_children(self, parent_id: int, keys: list[str | None]) -> list[bool]:
        """Return which of *keys* become children: free ones, the first of two alike, up to the limit."""
        limit = self[parent_id].limit
        left = 1_000 if limit is None else limit - len(self.children(parent_id))
        fresh = [
            key is None or (self.holder_of(parent_id, key) is None and key not in keys[:index])
            for index, key in enumerate(keys)
        ]
        places = [index for index, is_fresh in enumerate(fresh) if is_fresh][:left]
        return [index in places for index in range(len(keys))]

    def claimable(self, now: float) -> int:
        """Return how many more jobs may run: those without a parent, and each parent's up to its concurrency."""
        due = [job for job in self.values() if job.state is State.PENDING and job.run_at <= now]
        count = sum(job.parent is None for job in due)
        for parent_id, parent in self.items():
            children = sum(job.parent == parent_id for job in due)
            room = (
                children if parent.concurrency is None else parent.concurrency - len(self.running_children(parent_id))
            )
            count += min(children, room)
        return count


def page(key: str | None) -> NewJob:
    """Return what a link leads to."""
    return NewJob(kind="page", key=key, max_attempts=MAX_ATTEMPTS)


def ref(lease: Lease) -> LeaseRef:
    """Return the name of a lease."""
    return LeaseRef(job_id=lease.job_id, token=lease.token)


def document(job_id: int) -> Document:
    """Return what a page of that job might leave."""
    return Document(
        url="http://h/",
        url_key=str(job_id % 2),  # two URLs may lead to one page
        status=200,
        title="",
        markdown="",
        depth=0,
        auth_id=None,
        fetched_at=1.0,
    )
