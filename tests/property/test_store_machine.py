"""The store against a plain model: whatever is done to both, they agree, and the invariants hold."""

from __future__ import annotations

import shutil
import tempfile
from itertools import compress, cycle
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from store_invariants import StoreInvariants
from store_model import MAX_ATTEMPTS, document, page, ref

from bequest import BequestError, CredentialNotFoundError, TransitionError
from bequest.engine.records import (
    TRANSITIONS,
    Completion,
    KeyScope,
    Lease,
    NewJob,
    SealedCredential,
    State,
)
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

KEYS = st.none() | st.sampled_from(["a", "b", "c", "d"])
NAMES = st.sampled_from(["auth_id", "team", "phase"])
LEASE_S = 60.0
RETRY_S = 5.0
ENDS = st.sampled_from([State.COMPLETED, State.COMPLETED, State.FAILED, State.PENDING, State.WAITING])
NAMES_OF_CREDENTIALS = st.sampled_from(["wiki", "shop"])


class StoreMachine(StoreInvariants):
    """Drives a store on a real file and a dict of jobs with the same rules."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bequest-machine-"))
        self.clock = ManualClock()
        super().__init__(Store.open(self.folder / "jobs.db", clock=self.clock))
        self.leases: list[Lease] = []  # all that were ever given, most of them stale
        self.versions: dict[str, int] = {}  # of credentials
        self.stored: set[str] = set()

    def teardown(self) -> None:
        """Remove the file."""
        self.store.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin_with_two_parents(self) -> None:
        """Have something to work on, so that few steps lead far: pages that run, wait their turn, or are not due."""
        for limit, concurrency in ((5, None), (None, 2)):
            self.create(None, KeyScope.FOREVER, State.WAITING, limit, concurrency)
            parent_id = max(self.jobs)
            self.make_children(parent_id, [None, None, "a"], delay=0.0, seal=False)
            self.make_children(parent_id, [None], delay=30.0, seal=False)
        self.claim(3)

    # What callers do

    @rule(
        key=KEYS,
        scope=st.sampled_from(KeyScope),
        state=st.sampled_from([State.PENDING, State.WAITING]),
        limit=st.none() | st.integers(0, 4),
        concurrency=st.none() | st.integers(1, 2),
    )
    def create(
        self, key: str | None, scope: KeyScope, state: State, limit: int | None, concurrency: int | None
    ) -> None:
        """Make a job without a parent; under a taken key the one that is there is the answer (I11)."""
        scope = scope if key is not None else KeyScope.FOREVER
        job = NewJob(
            kind="page",
            key=key,
            key_scope=scope,
            state=state,
            child_limit=limit,
            child_concurrency=concurrency,
            max_attempts=MAX_ATTEMPTS,
        )
        holder = self.jobs.holder_of(None, key)

        with self.store.group():
            (created,) = self.store.jobs.create([job])

        assert created.is_new is (holder is None)
        if holder is None:
            self.add(created.job_id, job)
        else:
            assert created.job_id == holder

    @precondition(lambda self: self.jobs)
    @rule(
        data=st.data(),
        keys=st.lists(KEYS, max_size=4),
        delay=st.sampled_from([0.0, 0.0, 30.0]),
        seal=st.sampled_from([False, False, True]),
    )
    def spawn(self, data: st.DataObject, keys: list[str | None], delay: float, seal: bool) -> None:
        """Make children; what is refused is refused whole, what is taken is left out (I9, I11, I12, I14)."""
        parent_id = data.draw(st.sampled_from(self.jobs.of_state(State.WAITING) or sorted(self.jobs)))
        self.make_children(parent_id, keys, delay=delay, seal=seal)

    def make_children(self, parent_id: int, keys: list[str | None], *, delay: float, seal: bool) -> None:
        """Make them, or see them refused."""
        parent = self.jobs[parent_id]
        run_at = self.clock.now() + delay
        jobs = [NewJob(kind="page", key=key, run_at=run_at, max_attempts=MAX_ATTEMPTS) for key in keys]
        expected = self.jobs.expected_children(parent_id, keys)
        is_closed = parent.sealed or parent.state is not State.WAITING or parent.waits_for is not None
        is_refused = is_closed and any(key is None or self.jobs.holder_of(parent_id, key) is None for key in keys)

        try:
            with self.store.group():
                ids = self.store.jobs.spawn(parent_id, jobs, seal=seal)
        except TransitionError:
            assert is_refused
            return

        assert not is_refused
        assert [job_id is not None for job_id in ids] == expected
        for job_id, job in zip(ids, jobs, strict=True):
            if job_id is not None:
                self.add(job_id, job, parent_id)
        parent.sealed = parent.sealed or seal

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), changes=st.dictionaries(NAMES, st.integers() | st.text(max_size=3)))
    def merge_metadata(self, data: st.DataObject, changes: dict[str, Any]) -> None:
        """Merge keys; none of the others is lost (I8)."""
        changes = {name: value for name, value in changes.items() if not isinstance(value, str) or "\0" not in value}
        changes = {name: value for name, value in changes.items() if not isinstance(value, int) or abs(value) < 2**63}
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))

        with self.store.group():
            self.store.jobs.update_metadata(job_id, changes)

        self.jobs[job_id].metadata |= changes

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel a job with all its descendants that are not final (I10)."""
        children = [job_id for job_id, job in self.jobs.items() if job.parent is not None]
        job_id = data.draw(st.sampled_from(children) | st.sampled_from(sorted(self.jobs)))
        ended = [one for one in self.jobs.line_below(job_id) if not self.jobs[one].state.is_final]

        with self.store.group():
            count = self.store.jobs.cancel(job_id)

        assert count == len(ended)
        self.jobs.end_all(ended)

    @precondition(lambda self: self.jobs.of_state(State.WAITING))
    @rule(data=st.data(), state=st.sampled_from(State))
    def update_status(self, data: st.DataObject, state: State) -> None:
        """Move a waiting job; only as the table allows, and to its end only when all below it is final (I2, I9)."""
        job_id = data.draw(st.sampled_from(self.jobs.of_state(State.WAITING)))
        job = self.jobs[job_id]
        is_allowed = state is job.state or (state in TRANSITIONS[job.state] and state is not State.RUNNING)
        is_allowed = is_allowed and (state is not State.PENDING or job.waits_for is not None)
        if state in (State.COMPLETED, State.FAILED):
            is_allowed = is_allowed and job.sealed and not self.jobs.unfinished_children(job_id)

        try:
            with self.store.group():
                self.store.jobs.update_status(job_id, state)
        except TransitionError:
            assert not is_allowed
            return

        assert is_allowed
        if state is State.PENDING:
            job.state, job.run_at, job.waits_for = state, self.clock.now(), None
        elif state is State.CANCELLED:
            self.jobs.end_all([one for one in self.jobs.line_below(job_id) if not self.jobs[one].state.is_final])
        elif state is not job.state:
            self.jobs.end(job_id, state)

    @rule(name=NAMES_OF_CREDENTIALS, ahead=st.sampled_from([1, 1, 1, 2]))
    def put_credential(self, name: str, ahead: int) -> None:
        """Put a credential: only as the next version, and what waits for it is due again."""
        version = self.versions.get(name, 0) + ahead
        sealed = SealedCredential(
            auth_id=name, version=version, key_id="k", nonce=b"n", ciphertext=b"c", sites=("h",), updated_at=1.0
        )
        try:
            with self.store.group():
                woken = self.store.credentials.put(sealed)
        except BequestError:
            assert ahead != 1
            return

        waiting = [job for job in self.jobs.values() if job.waits_for == name]
        assert ahead == 1
        assert woken == len(waiting)
        self.versions[name] = version
        self.stored.add(name)
        for job in waiting:
            job.state, job.waits_for, job.run_at = State.PENDING, None, self.clock.now()

    @rule(name=NAMES_OF_CREDENTIALS)
    def remove_credential(self, name: str) -> None:
        """Remove a credential; its versions go on."""
        try:
            with self.store.group():
                self.store.credentials.remove(name)
        except CredentialNotFoundError:
            assert name not in self.stored
            return

        assert name in self.stored
        self.stored.discard(name)

    # What workers do

    @rule(limit=st.integers(1, 6))
    def claim(self, limit: int) -> None:
        """Claim what is due, as many as may run up to the limit, each with a new token (I3, I5)."""
        expected = min(limit, self.jobs.claimable(self.clock.now()))
        due = [job_id for job_id in self.jobs.of_state(State.PENDING) if self.jobs[job_id].run_at <= self.clock.now()]

        with self.store.group():
            leases = self.store.leases.claim("page", limit, LEASE_S)

        assert len(leases) == expected
        for lease in leases:
            job = self.jobs[lease.job_id]
            assert lease.job_id in due
            job.state = State.RUNNING
            job.attempts += 1
            job.token += 1
            job.lease_until = self.clock.now() + LEASE_S
            assert (lease.token, lease.attempts) == (job.token, job.attempts)
        self.leases += leases

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), state=ENDS, name=NAMES_OF_CREDENTIALS, counts=st.booleans(), links=st.lists(KEYS, max_size=3))
    def complete(self, data: st.DataObject, state: State, name: str, counts: bool, links: list[str | None]) -> None:
        """End an attempt, perhaps with a stale token, which then changes nothing (I4, I12, I15)."""
        self.report([self.ended(self.draw_lease(data), state, name, counts=counts, links=links)])

    @precondition(lambda self: self.leases)
    @rule(states=st.lists(ENDS, min_size=1, max_size=3), name=NAMES_OF_CREDENTIALS, links=st.lists(KEYS, max_size=2))
    def complete_many(self, states: list[State], name: str, links: list[str | None]) -> None:
        """End what was leased last in one batch, stale leases of the same jobs among it (I4, I12, I14, I15)."""
        leases = self.leases[-8:]
        self.report(
            [self.ended(lease, state, name, counts=True, links=links) for lease, state in zip(leases, cycle(states))]
        )

    def ended(self, lease: Lease, state: State, name: str, *, counts: bool, links: list[str | None]) -> Completion:
        """Return the end of an attempt, with all that a page may leave."""
        has_parent = lease.parent_id is not None
        return Completion(
            job_id=lease.job_id,
            token=lease.token,
            state=state,
            run_at=self.clock.now() + RETRY_S,
            waits_for=name if state is State.WAITING else None,
            credential_version=self.versions.get(name, 0),
            counts=counts,
            document=document(lease.job_id) if has_parent and state is State.COMPLETED else None,
            children=tuple(map(page, links)) if has_parent else (),
        )

    def report(self, completions: list[Completion]) -> None:
        """End attempts; those whose lease is held end in the model too, and the others are refused."""
        kept = [one for one in completions if self.jobs[one.job_id].is_held_by(one.token)]
        links: dict[int, list[str | None]] = {}

        with self.store.group():
            refused = self.store.leases.complete(completions)

        assert refused == [one.job_id for one in completions if one not in kept]
        for one in kept:
            job = self.jobs[one.job_id]
            job.end_attempt(one.state, one.waits_for, counts=one.counts, retry_at=self.clock.now() + RETRY_S)
            if job.parent is not None:
                links.setdefault(job.parent, []).extend(child.key for child in one.children)
            if job.parent is not None and one.document is not None:
                self.documents.setdefault((job.parent, one.document.url_key), one.job_id)
        for parent_id, keys in links.items():
            self.find_new_children(parent_id, keys)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Make a lease last longer, if it is still held."""
        lease = self.draw_lease(data)
        job = self.jobs[lease.job_id]
        is_held = job.is_held_by(lease.token)

        with self.store.group():
            refused = self.store.leases.renew([ref(lease)], LEASE_S)

        assert (refused == []) is is_held
        if is_held:
            job.lease_until = self.clock.now() + LEASE_S

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Give a lease back, if it is still held; the attempt does not count."""
        lease = self.draw_lease(data)
        job = self.jobs[lease.job_id]
        is_held = job.is_held_by(lease.token)

        with self.store.group():
            refused = self.store.leases.release([ref(lease)])

        assert (refused == []) is is_held
        if is_held:
            job.state, job.run_at = State.PENDING, self.clock.now()
            job.attempts -= 1

    @rule()
    def reclaim(self) -> None:
        """Put back what a former owner was running; no attempt counts (I5)."""
        running = [self.jobs[job_id] for job_id in self.jobs.of_state(State.RUNNING)]

        with self.store.group():
            count = self.store.leases.reclaim()

        assert count == len(running)
        for job in running:
            job.state, job.run_at = State.PENDING, self.clock.now()
            job.attempts -= 1

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def expire(self, seconds: float) -> None:
        """Let time pass and end the leases whose deadline has passed."""
        self.clock.advance(seconds)
        now = self.clock.now()

        with self.store.group():
            self.store.leases.expire()

        for job in self.jobs.values():
            if job.state is State.RUNNING and job.lease_until <= now:
                job.state = State.PENDING if job.attempts < job.max_attempts else State.FAILED
                job.run_at = now

    def draw_lease(self, data: st.DataObject) -> Lease:
        """Return a lease, as often one that is held as any that was ever given."""
        held = [lease for lease in self.leases if self.jobs[lease.job_id].is_held_by(lease.token)]
        return data.draw(st.sampled_from(held or self.leases) | st.sampled_from(self.leases))

    # What happens to the process

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3))
    def undo(self, keys: list[str | None]) -> None:
        """A group that raises leaves nothing (I12)."""
        try:
            with self.store.group():
                self.store.jobs.create([NewJob(kind="page", key=key) for key in keys])
                self.store.leases.claim("page", 2, LEASE_S)
                raise KeyError  # noqa: TRY301
        except KeyError:
            pass

    @rule()
    def reopen(self) -> None:
        """Closing and opening changes no row (I1, I19)."""
        self.store.close()
        self.store = Store.open(self.folder / "jobs.db", clock=self.clock)

    # The model

    def add(self, job_id: int, job: NewJob, parent_id: int | None = None) -> None:
        """Add a job to the model."""
        self.jobs.add(job_id, job, parent_id, now=self.clock.now())

    def find_new_children(self, parent_id: int, keys: list[str | None]) -> None:
        """Add to the model the links that the store has kept; they are those that it should."""
        is_new = self.jobs.expected_children(parent_id, keys)
        with self.store.group():
            views = self.store.queries.jobs(parent_id=parent_id, after_id=max(self.jobs), limit=100)
        assert [view.job.key for view in views] == list(compress(keys, is_new))
        for view in views:
            self.add(view.job.id, page(view.job.key), parent_id)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
