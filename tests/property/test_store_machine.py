"""The store against a plain model: whatever is done to both, they agree, and the invariants hold."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bequest import BequestError, CredentialNotFoundError, TransitionError
from bequest.engine.database import Database
from bequest.engine.job_rows import TALLY_COLUMNS
from bequest.engine.records import (
    STATES,
    TRANSITIONS,
    Completion,
    Document,
    KeyScope,
    Lease,
    LeaseRef,
    NewJob,
    SealedCredential,
    State,
)
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

KEYS = st.none() | st.sampled_from(["a", "b", "c", "d"])
NAMES = st.sampled_from(["auth_id", "team", "phase"])
MAX_ATTEMPTS = 2
LEASE_S = 60.0


class Model:
    """One job as the model has it."""

    def __init__(self, job: NewJob, now: float) -> None:
        self.parent = job.parent_id
        self.key = job.key
        self.scope = job.key_scope
        self.state = job.state
        self.limit = job.child_limit
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


class StoreMachine(RuleBasedStateMachine):
    """Drives a store on a real file and a dict of jobs with the same rules."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="bequest-machine-"))
        self.clock = ManualClock()
        self.store = Store.open(self.folder / "jobs.db", clock=self.clock)
        self.jobs: dict[int, Model] = {}
        self.leases: list[Lease] = []  # all that were ever given, most of them stale
        self.versions: dict[str, int] = {}  # of credentials
        self.stored: set[str] = set()
        self.highest_tokens: dict[int, int] = {}

    def teardown(self) -> None:
        """Remove the file."""
        self.store.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin_with_a_parent(self) -> None:
        """Have something to work on."""
        self.create(None, KeyScope.FOREVER, State.WAITING, 3)

    # What callers do

    @rule(
        key=KEYS,
        scope=st.sampled_from(KeyScope),
        state=st.sampled_from([State.PENDING, State.WAITING]),
        limit=st.none() | st.integers(0, 4),
    )
    def create(self, key: str | None, scope: KeyScope, state: State, limit: int | None) -> None:
        """Make a job without a parent; under a taken key the one that is there is the answer (I11)."""
        scope = scope if key is not None else KeyScope.FOREVER
        job = NewJob(kind="page", key=key, key_scope=scope, state=state, child_limit=limit, max_attempts=MAX_ATTEMPTS)
        holder = self.holder_of(None, key)

        with self.store.group():
            (created,) = self.store.jobs.create([job])

        assert created.is_new is (holder is None)
        if holder is None:
            self.add(created.job_id, job)
        else:
            assert created.job_id == holder

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), keys=st.lists(KEYS, max_size=4), delay=st.sampled_from([0.0, 0.0, 30.0]), seal=st.booleans())
    def spawn(self, data: st.DataObject, keys: list[str | None], delay: float, seal: bool) -> None:
        """Make children; what is refused is refused whole, what is taken is left out (I9, I11, I12, I14)."""
        parent_id = data.draw(st.sampled_from(self.of_state(State.WAITING) or sorted(self.jobs)))
        parent = self.jobs[parent_id]
        run_at = self.clock.now() + delay
        jobs = [NewJob(kind="page", key=key, run_at=run_at, max_attempts=MAX_ATTEMPTS) for key in keys]
        expected = self.expected_children(parent_id, keys)
        is_closed = parent.sealed or parent.state is not State.WAITING or parent.waits_for is not None
        is_refused = is_closed and any(key is None or self.holder_of(parent_id, key) is None for key in keys)

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
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        ended = [one for one in self.line_below(job_id) if not self.jobs[one].state.is_final]

        with self.store.group():
            count = self.store.jobs.cancel(job_id)

        assert count == len(ended)
        self.end_all(ended)

    @precondition(lambda self: self.of_state(State.WAITING))
    @rule(data=st.data(), state=st.sampled_from(State))
    def update_status(self, data: st.DataObject, state: State) -> None:
        """Move a waiting job; only as the table allows, and to its end only when all below it is final (I2, I9)."""
        job_id = data.draw(st.sampled_from(self.of_state(State.WAITING)))
        job = self.jobs[job_id]
        is_allowed = state is job.state or (state in TRANSITIONS[job.state] and state is not State.RUNNING)
        is_allowed = is_allowed and (state is not State.PENDING or job.waits_for is not None)
        if state in (State.COMPLETED, State.FAILED):
            is_allowed = is_allowed and job.sealed and not self.unfinished_children(job_id)

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
            self.end_all([one for one in self.line_below(job_id) if not self.jobs[one].state.is_final])
        elif state is not job.state:
            self.end(job_id, state)

    @rule(name=st.sampled_from(["wiki", "shop"]), ahead=st.sampled_from([1, 1, 1, 2]))
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

    @rule(name=st.sampled_from(["wiki", "shop"]))
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

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        """Claim what is due, as many as there are up to the limit, each with a new token (I3, I5)."""
        due = [job_id for job_id in self.of_state(State.PENDING) if self.jobs[job_id].run_at <= self.clock.now()]

        with self.store.group():
            leases = self.store.leases.claim("page", limit, LEASE_S)

        assert len(leases) == min(limit, len(due))
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
    @rule(
        data=st.data(),
        state=st.sampled_from([State.COMPLETED, State.FAILED, State.PENDING, State.WAITING]),
        name=st.sampled_from(["wiki", "shop"]),
        links=st.lists(KEYS, max_size=3),
    )
    def complete(self, data: st.DataObject, state: State, name: str, links: list[str | None]) -> None:
        """End an attempt, perhaps with a stale token, which then changes nothing (I4, I12, I15)."""
        lease = data.draw(st.sampled_from(self.leases))
        job = self.jobs[lease.job_id]
        is_held = job.state is State.RUNNING and job.token == lease.token
        parent_id = lease.parent_id
        children = () if parent_id is None else tuple(NewJob(kind="page", key=key) for key in links)
        expected = [] if parent_id is None else self.expected_children(parent_id, links)
        completion = Completion(
            job_id=lease.job_id,
            token=lease.token,
            state=state,
            run_at=self.clock.now() + 5,
            waits_for=name if state is State.WAITING else None,
            credential_version=self.versions.get(name, 0),
            counts=state is not State.WAITING,
            document=None if parent_id is None else document(lease.job_id),
            children=children,
        )

        with self.store.group():
            refused = self.store.leases.complete([completion])

        assert refused == ([] if is_held else [lease.job_id])
        if is_held:
            self.apply_completion(job, state, name)
            if parent_id is not None:
                self.find_new_children(parent_id, children, expected)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Make a lease last longer, if it is still held."""
        lease = data.draw(st.sampled_from(self.leases))
        job = self.jobs[lease.job_id]
        is_held = job.state is State.RUNNING and job.token == lease.token

        with self.store.group():
            refused = self.store.leases.renew([ref(lease)], LEASE_S)

        assert (refused == []) is is_held
        if is_held:
            job.lease_until = self.clock.now() + LEASE_S

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Give a lease back, if it is still held; the attempt does not count."""
        lease = data.draw(st.sampled_from(self.leases))
        job = self.jobs[lease.job_id]
        is_held = job.state is State.RUNNING and job.token == lease.token

        with self.store.group():
            refused = self.store.leases.release([ref(lease)])

        assert (refused == []) is is_held
        if is_held:
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
                job.state = State.PENDING if job.attempts < MAX_ATTEMPTS else State.FAILED
                job.run_at = now

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

    # What holds after each step

    @invariant()
    def rows_are_as_the_model_has_them(self) -> None:
        """I1, I2, I4, I5, I8: state, attempts, token, metadata and the rest agree for every job."""
        with self.store.group():
            for job_id, model in self.jobs.items():
                job = self.store.jobs.get(job_id)
                assert (job.state, job.attempts, job.token) == (model.state, model.attempts, model.token)
                assert (job.parent_id, job.key, job.sealed) == (model.parent, model.key, model.sealed)
                assert (job.waits_for, job.metadata) == (model.waits_for, model.metadata)
                assert 0 <= job.attempts <= job.max_attempts
                assert (job.lease_until is not None) == (job.state is State.RUNNING)
                assert job.token >= self.highest_tokens.get(job_id, 0)
                self.highest_tokens[job_id] = job.token

    @invariant()
    def nothing_else_is_there(self) -> None:
        """I12, I14: no job exists that the model does not know, and no parent has more children than it may."""
        with self.store.group():
            count = database_of(self.store).rows("SELECT count(*) FROM job")[0][0]
        assert count == len(self.jobs)
        for job_id, job in self.jobs.items():
            if job.limit is not None:
                assert len(self.children(job_id)) <= job.limit

    @invariant()
    def counters_equal_group_by(self) -> None:
        """I13: the tally of every parent is what counting gives."""
        with self.store.group():
            database = database_of(self.store)
            tallies = {row[0]: row[1:] for row in database.rows(f"SELECT parent_id, {TALLY_COLUMNS} FROM tally")}
        for parent_id in {job.parent for job in self.jobs.values() if job.parent is not None}:
            states = [self.jobs[child].state for child in self.children(parent_id)]
            assert tallies[parent_id] == tuple(states.count(state) for state in STATES)

    @invariant()
    def ended_parents_have_ended_children(self) -> None:
        """I9, I10: below a final job nothing is unfinished."""
        for job_id, job in self.jobs.items():
            if job.state.is_final:
                assert not self.unfinished_children(job_id)

    @invariant()
    def keys_are_held_once(self) -> None:
        """I11, I15: among one parent's children a key has one holder."""
        held = [(job.parent, job.key) for job in self.jobs.values() if job.holds_key]
        assert len(held) == len(set(held))

    # The model

    def add(self, job_id: int, job: NewJob, parent_id: int | None = None) -> None:
        """Add a job to the model; ids only grow."""
        assert job_id > max(self.jobs, default=0)
        self.jobs[job_id] = Model(job, self.clock.now())
        self.jobs[job_id].parent = parent_id
        if parent_id is not None:
            self.jobs[job_id].metadata = {**self.jobs[parent_id].metadata, **job.metadata}

    def end(self, job_id: int, state: State) -> None:
        """Make a job final."""
        self.jobs[job_id].state = state
        self.jobs[job_id].waits_for = None

    def end_all(self, job_ids: list[int]) -> None:
        """Cancel jobs."""
        for job_id in job_ids:
            self.end(job_id, State.CANCELLED)
            self.jobs[job_id].sealed = True

    def apply_completion(self, job: Model, state: State, name: str) -> None:
        """Do to the model what ending an attempt does."""
        if state is State.WAITING:
            job.attempts -= 1
            job.waits_for = name
        if state is State.PENDING:
            job.run_at = self.clock.now() + 5
            state = State.FAILED if job.attempts >= MAX_ATTEMPTS else State.PENDING
        job.state = state

    def find_new_children(self, parent_id: int, children: tuple[NewJob, ...], expected: list[bool]) -> None:
        """Add to the model the links that the store has kept."""
        with self.store.group():
            views = self.store.queries.jobs(parent_id=parent_id, after_id=max(self.jobs), limit=100)
        kept = [child for child, is_new in zip(children, expected, strict=True) if is_new]
        assert [view.job.key for view in views] == [child.key for child in kept]
        for view in views:
            self.add(view.job.id, NewJob(kind="page", key=view.job.key), parent_id)

    def expected_children(self, parent_id: int, keys: list[str | None]) -> list[bool]:
        """Return which of *keys* become children: free ones, the first of two alike, up to the limit."""
        limit = self.jobs[parent_id].limit
        left = 1_000 if limit is None else limit - len(self.children(parent_id))
        fresh = [
            key is None or (self.holder_of(parent_id, key) is None and key not in keys[:index])
            for index, key in enumerate(keys)
        ]
        places = [index for index, is_fresh in enumerate(fresh) if is_fresh][:left]
        return [index in places for index in range(len(keys))]

    def holder_of(self, parent_id: int | None, key: str | None) -> int | None:
        """Return who holds *key* among a parent's children, or among those that have none."""
        if key is None:
            return None
        return next(
            (one for one, job in self.jobs.items() if job.parent == parent_id and job.key == key and job.holds_key),
            None,
        )

    def of_state(self, state: State) -> list[int]:
        """Return the ids of the jobs in *state*."""
        return [job_id for job_id, job in self.jobs.items() if job.state is state]

    def children(self, parent_id: int) -> list[int]:
        """Return the ids of a job's children."""
        return [job_id for job_id, job in self.jobs.items() if job.parent == parent_id]

    def unfinished_children(self, parent_id: int) -> list[int]:
        """Return the ids of a job's children that are not final."""
        return [job_id for job_id in self.children(parent_id) if not self.jobs[job_id].state.is_final]

    def line_below(self, job_id: int) -> list[int]:
        """Return a job's id and those of all its descendants."""
        return [job_id, *(one for child in self.children(job_id) for one in self.line_below(child))]


def ref(lease: Lease) -> LeaseRef:
    """Return the name of a lease."""
    return LeaseRef(job_id=lease.job_id, token=lease.token)


def document(job_id: int) -> Document:
    """Return what a page of that job might leave."""
    return Document(
        url="http://h/", url_key=str(job_id), status=200, title="", markdown="", depth=0, auth_id=None, fetched_at=1.0
    )


def database_of(store: Store) -> Database:
    """Return the connection, to count behind the store's back."""
    return store._database


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
