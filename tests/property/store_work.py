"""What workers do to a store and to the model beside it: claim, and all that may become of a lease."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from store_invariants import StoreInvariants
from store_model import TERMS, Model

from bequest.engine.archive import Archived
from bequest.engine.lease_store import ENDS_FORGIVEN
from bequest.engine.records import Completion, Document, Lease, LeaseRef, NewJob, OwnStep, State
from bequest.engine.retention import Retention
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

KEYS = st.none() | st.sampled_from(["a", "b", "c", "d"])
LEASE_S = 60.0


class StoreWork(StoreInvariants):
    """The steps of workers, and of the time that passes."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(store)
        self.clock = clock
        self.leases: list[Lease] = []  # all that were ever given, most of them stale
        self.versions: dict[str, int] = {}  # of credentials
        self.pauses: set[tuple[str, str]] = set()

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        """Claim what may start, within every limit and until nothing more may; each with a new token (I3, I5)."""
        with self.store.group():
            leases = self.store.claims.claim("default", TERMS, limit, LEASE_S)

        now = self.clock.now()
        assert len(leases) <= limit
        for lease in leases:
            job = self.jobs[lease.job_id]
            assert self.jobs.may_start(lease.job_id, now, self.pauses)
            job.state = State.RUNNING
            job.attempts += 1
            job.token += 1
            job.lease_until = now + LEASE_S
            assert (lease.token, lease.attempts, lease.own_step) == (job.token, job.attempts, job.own_step)
        if len(leases) < limit:
            assert not [job_id for job_id in self.jobs if self.jobs.may_start(job_id, now, self.pauses)]
        self.leases += leases

    @precondition(lambda self: self.leases)
    @rule(
        data=st.data(),
        state=st.sampled_from([State.COMPLETED, State.COMPLETED, State.FAILED, State.PENDING, State.WAITING]),
        name=st.sampled_from(["wiki", "shop"]),
        counts=st.booleans(),
        links=st.lists(KEYS, max_size=3),
        own=st.lists(KEYS, max_size=2),
        then=st.booleans(),
    )
    def complete(
        self,
        data: st.DataObject,
        state: State,
        name: str,
        counts: bool,
        links: list[str | None],
        own: list[str | None],
        then: bool,
    ) -> None:
        """End an attempt, perhaps with a stale token, which then changes nothing (I4, I9, I12, I15)."""
        lease = data.draw(st.sampled_from(self.leases))
        held, parent_id, now = self.held(lease), lease.parent_id, self.clock.now()
        is_done = state is State.COMPLETED
        links = links if parent_id is not None else []
        own = own if is_done else []
        completion = Completion(
            job_id=lease.job_id,
            token=lease.token,
            state=state,
            run_at=now + 5,
            waits_for=name if state is State.WAITING else None,
            credential_version=self.versions.get(name, 0),
            counts=counts,
            document=document(lease.job_id) if parent_id is not None and is_done else None,
            links=tuple(NewJob(kind="page", key=key) for key in links),
            children=tuple(NewJob(kind="page", key=key) for key in own),
            own_step=OwnStep.AFTER_CHILDREN if is_done and then else OwnStep.NONE,
        )
        expected = [] if held is None else self.expected(lease.job_id, parent_id, own, links)

        with self.store.group():
            refused = self.store.completions.complete([completion])

        assert refused == ([lease.job_id] if held is None else [])
        if held is not None:
            self.jobs.end_attempt(lease.job_id, completion, now)
            self.find_new_children(lease.job_id, completion.children, expected[: len(own)])
            if parent_id is not None:
                self.find_new_children(parent_id, completion.links, expected[len(own) :])
                if completion.document is not None:
                    self.documents = {url: one for url, one in self.documents.items() if one != lease.job_id}
                    self.documents.setdefault((parent_id, completion.document.url_key), lease.job_id)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Make a lease last longer, if it is still held."""
        lease = data.draw(st.sampled_from(self.leases))

        with self.store.group():
            refused = self.store.leases.renew([ref(lease)], LEASE_S)

        job = self.held(lease)
        assert (refused == []) is (job is not None)
        if job is not None:
            job.lease_until = self.clock.now() + LEASE_S

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Give a lease back, if it is still held; the attempt does not count."""
        lease = data.draw(st.sampled_from(self.leases))

        with self.store.group():
            refused = self.store.leases.release([ref(lease)])

        job = self.held(lease)
        assert (refused == []) is (job is not None)
        if job is not None:
            self.put_back(job)

    @rule()
    def take_over(self) -> None:
        """Put back what ran when its program ended; the attempt counts from the fourth time on, but of a page (I5)."""
        running = self.jobs.of_state(State.RUNNING)

        with self.store.group():
            count = self.store.leases.take_over()

        assert count == len(running)
        for job_id in running:
            job = self.jobs[job_id]
            is_forgiven = job.kind == "page" or job.ends < ENDS_FORGIVEN
            job.ends += 1
            if is_forgiven:
                self.put_back(job)
            elif job.attempts < job.max_attempts:
                job.be_due(self.clock.now())
            else:
                self.jobs.fail(job_id)

    @rule()
    def reclaim(self) -> None:
        """Put back what runs; no attempt counts (I5)."""
        running = [self.jobs[job_id] for job_id in self.jobs.of_state(State.RUNNING)]

        with self.store.group():
            count = self.store.leases.reclaim()

        assert count == len(running)
        for job in running:
            self.put_back(job)

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def let_time_pass(self, seconds: float) -> None:
        """Let time pass, end the leases whose deadline has passed, and the jobs whose time is over."""
        self.clock.advance(seconds)
        now = self.clock.now()

        with self.store.group():
            self.store.leases.expire()
            overdue = self.store.parents.end_overdue()

        late = [one for one, job in self.jobs.items() if job.state is State.RUNNING and job.lease_until <= now]
        for job_id in late:
            job = self.jobs[job_id]
            if job.attempts < job.max_attempts:
                job.be_due(now)
            else:
                self.jobs.fail(job_id)
        assert sorted(overdue) == self.jobs.end_overdue(now)

    # The model

    def held(self, lease: Lease) -> Model | None:
        """Return the job of a lease that is still held."""
        job = self.jobs.get(lease.job_id)
        return job if job is not None and job.state is State.RUNNING and job.token == lease.token else None

    def put_back(self, job: Model) -> None:
        """Do to the model what giving a lease back does."""
        job.be_due(self.clock.now())
        job.attempts -= 1

    def expected(
        self, job_id: int, parent_id: int | None, own: list[str | None], links: list[str | None]
    ) -> list[bool]:
        """Return which of a job's own children and of the links that it found are kept."""
        self.jobs.let_lapse(job_id, own, self.clock.now())
        kept = self.jobs.expected_children(job_id, own)
        if parent_id is not None:
            self.jobs.let_lapse(parent_id, links, self.clock.now())
            kept += self.jobs.expected_children(parent_id, links)
        return kept

    def find_new_children(self, parent_id: int, children: tuple[NewJob, ...], expected: list[bool]) -> None:
        """Add to the model the children that the store has kept."""
        with self.store.group():
            views = self.store.queries.jobs(parent_id=parent_id, after_id=self.jobs.highest, limit=100)
        kept = [child for child, is_new in zip(children, expected, strict=True) if is_new]
        assert [view.job.key for view in views] == [child.key for child in kept]
        for view in views:
            self.jobs.add(view.job.id, NewJob(kind="page", key=view.job.key), parent_id, self.clock.now())


def ref(lease: Lease) -> LeaseRef:
    """Return the name of a lease."""
    return LeaseRef(job_id=lease.job_id, token=lease.token)


def document(job_id: int) -> Document:
    """Return what a page of that job might leave; some leave the same URL."""
    return Document(
        url="http://h/",
        url_key=str(job_id % 3),
        status=200,
        title="",
        markdown="",
        depth=0,
        auth_id=None,
        fetched_at=1.0,
    )


def prune_all(store: Store, retention: Retention, at_once: int) -> list[int]:
    """Prune to the end and return the jobs whose records were there to be archived."""
    archived: list[int] = []
    while True:
        with store.group():
            parts = store.queries.prunes.parts()
        with store.loose_group():
            if parts:
                store.prunes.delete(
                    [
                        Archived(job_id=part.job_id, last_error_id=part.last_error_id, last_log_id=part.last_log_id)
                        for part in parts
                    ]
                )
            elif not (store.prunes.take_below(at_once) or store.prunes.take_over(retention, store.now, at_once)):
                return archived
        archived += [part.job_id for part in parts if part.job is not None]
