"""The store against a plain model: whatever is done to both, they agree, and the invariants hold."""

from __future__ import annotations

import itertools
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from store_invariants import all_rows
from store_model import PERIOD_S, TERMS
from store_work import KEYS, LEASE_S, StoreWork, prune_all

from bequest import BequestError, CredentialNotFoundError, Retention, TransitionError
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.records import (
    FINAL_STATES,
    STATES,
    TRANSITIONS,
    Completion,
    KeyScope,
    NewJob,
    OnFailure,
    OwnStep,
    SealedCredential,
    State,
)
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

NAMES = st.sampled_from(["auth_id", "team", "phase"])
MAX_ATTEMPTS = 2
NEW = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["page", "page", "mail"]),
        "partition": st.sampled_from(["", "", "p", "q"]),
        "on_failure": st.sampled_from(OnFailure),
        "priority": st.integers(0, 1),
        "run_timeout_s": st.sampled_from([None, None, 90.0]),
    }
)
PARENT = st.fixed_dictionaries(
    {
        "child_limit": st.none() | st.integers(0, 4),
        "child_concurrency": st.none() | st.integers(1, 2),
        "max_child_failures": st.none() | st.integers(0, 1) | st.sampled_from([0.0, 0.5, 1.0]),
        "own_step": st.sampled_from([OwnStep.NONE, OwnStep.AFTER_CHILDREN]),
    }
)
SCOPES = st.sampled_from([KeyScope.FOREVER, *KeyScope])


class StoreMachine(StoreWork):
    """Drives a store on a real file and a dict of jobs with the same rules."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bequest-machine-"))
        clock = ManualClock()
        super().__init__(Store.open(self.folder / "jobs.db", clock=clock), clock)
        self.stored: set[str] = set()
        self.nonces = itertools.count()

    def teardown(self) -> None:
        """Look whether all is sound, and remove the file."""
        try:
            with self.store.group():
                assert self.store.queries.integrity() == []
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    @initialize()
    def begin_with_a_parent(self) -> None:
        """Have something to work on."""
        self.make({"kind": "page", "state": State.WAITING, "child_limit": 3}, None, KeyScope.FOREVER)

    # What callers do

    @rule(new=NEW, parent=PARENT, is_parent=st.booleans(), key=KEYS, scope=SCOPES)
    def create(
        self, new: dict[str, Any], parent: dict[str, Any], is_parent: bool, key: str | None, scope: KeyScope
    ) -> None:
        """Make a job without a parent; under a taken key the one that is there is the answer (I11)."""
        if is_parent:
            new = {**new, **parent, "state": State.WAITING}
        self.make(new, key, scope)

    def make(self, fields: dict[str, Any], key: str | None, scope: KeyScope) -> None:
        """Make a job; a key that a job of another kind holds is refused."""
        job = NewJob(max_attempts=MAX_ATTEMPTS, **fields, **keyed(key, scope))
        self.jobs.let_lapse(None, [key], self.clock.now())
        holder = self.jobs.holder_of(None, key)

        try:
            with self.store.group():
                (created,) = self.store.jobs.create([job])
        except BequestError:
            assert holder is not None
            assert self.jobs[holder].kind != job.kind
            return

        assert created.is_new is (holder is None)
        if holder is None:
            self.jobs.add(created.job_id, job, None, self.clock.now())
        else:
            assert created.job_id == holder

    @precondition(lambda self: self.jobs)
    @rule(
        data=st.data(),
        new=NEW,
        parent=st.none() | PARENT,
        keys=st.lists(KEYS, max_size=4),
        scope=SCOPES,
        delay=st.sampled_from([0.0, 0.0, 30.0]),
        seal=st.booleans(),
    )
    def spawn(
        self,
        data: st.DataObject,
        new: dict[str, Any],
        parent: dict[str, Any] | None,
        keys: list[str | None],
        scope: KeyScope,
        delay: float,
        seal: bool,
    ) -> None:
        """Make children; what is refused is refused whole, what is taken is left out (I9, I11, I12, I14)."""
        parent_id = data.draw(st.sampled_from(self.jobs.of_state(State.WAITING) or sorted(self.jobs)))
        above = self.jobs[parent_id]
        fields = {**new, "run_at": self.clock.now() + delay, "max_attempts": MAX_ATTEMPTS}
        if parent is not None:
            fields |= {**parent, "state": State.WAITING}
        jobs = [NewJob(**fields, **keyed(key, scope)) for key in keys]
        is_closed = above.sealed or above.state is not State.WAITING or above.waits_for is not None
        is_refused = is_closed and any(key is None or self.jobs.holder_of(parent_id, key) is None for key in keys)
        if not is_closed:
            self.jobs.let_lapse(parent_id, keys, self.clock.now())
        expected = [not is_closed and is_new for is_new in self.jobs.expected_children(parent_id, keys)]

        try:
            with self.store.group():
                ids = self.store.parents.spawn(parent_id, jobs, seal=seal)
        except TransitionError:
            assert is_refused
            return

        assert not is_refused
        assert [job_id is not None for job_id in ids] == expected
        for job_id, job in zip(ids, jobs, strict=True):
            if job_id is not None:
                self.jobs.add(job_id, job, parent_id, self.clock.now())
        above.sealed = above.sealed or seal

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), changes=st.dictionaries(NAMES, st.integers(-9, 9) | st.text("ab", max_size=3)))
    def merge_metadata(self, data: st.DataObject, changes: dict[str, Any]) -> None:
        """Merge keys; none of the others is lost (I8), and every child reads them, with its root's session (I7)."""
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))

        with self.store.group():
            self.store.jobs.update_metadata(job_id, changes)

        self.jobs[job_id].metadata |= changes
        with self.store.group():
            inherited = {one: self.store.parents.inheritance(one) for one in self.jobs}
        for one, found in inherited.items():
            root = [one, *self.jobs.line_above(one)][-1]
            auth_id = self.jobs[root].metadata.get("auth_id", self.jobs[one].metadata.get("auth_id"))
            session = {} if auth_id is None else {"auth_id": auth_id}
            assert (found.root_id, found.metadata) == (root, {**self.jobs[one].metadata, **session})

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel a job with all its descendants that are not final (I10)."""
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))

        with self.store.group():
            count = self.store.parents.cancel(job_id)

        assert count == len(self.jobs.end_all(self.jobs.line_below(job_id)))

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
            is_allowed = is_allowed and (state is State.FAILED or job.own_step in (OwnStep.NONE, OwnStep.DONE))

        try:
            with self.store.group():
                self.store.jobs.update_status(job_id, state)
        except TransitionError:
            assert not is_allowed
            return

        assert is_allowed
        if state is State.PENDING:
            job.be_due(self.clock.now())
        elif state is State.CANCELLED:
            self.jobs.end_all(self.jobs.line_below(job_id))
        elif state is not job.state:
            job.state, job.waits_for = state, None

    @rule()
    def judge(self) -> None:
        """End every parent that is to end, or make its own step due; with those that this makes ripe in turn (I9)."""
        asked, now = [*self.jobs.of_state(State.WAITING), *self.jobs.of_state(State.PENDING)], self.clock.now()
        ripe = [job_id for job_id in sorted(asked) if self.jobs.copied().judge(job_id, now) is not None]

        with self.store.group():
            moved = self.store.parents.judge(asked)

        expected = {job_id: self.jobs.judge(job_id, now) for job_id in ripe}
        assert moved == {job_id: state for job_id, state in expected.items() if state is not None}

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        """Bring back a final job, or what failed below it; nothing above it stays final (I2, I9, I11)."""
        job_id = data.draw(st.sampled_from([one for one in self.jobs if self.jobs[one].state.is_final] or [*self.jobs]))
        tried = self.jobs.copied()
        expected = tried.retry(job_id, self.clock.now())

        try:
            with self.store.group():
                count = self.store.control.retry(job_id)
        except TransitionError:
            assert expected is None
            return

        assert count == expected
        self.jobs.update(tried)

    @precondition(lambda self: len(self.jobs) > 1)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete a job with all below it; nothing of them is left."""
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        line = self.jobs.line_below(job_id)

        with self.store.group():
            count = self.store.control.delete(job_id)
            pauses = {(str(pause.scope), pause.name) for pause in self.store.control.pauses()}

        assert count == len(line)
        self.pauses -= {("run", str(one)) for one in line}
        assert pauses == self.pauses
        self.documents = {url: one for url, one in self.documents.items() if one not in line}
        for one in line:
            del self.jobs[one]

    @rule(data=st.data(), scope=st.sampled_from(["all", "kind", "run"]), is_resumed=st.booleans())
    def pause(self, data: st.DataObject, scope: str, is_resumed: bool) -> None:
        """Pause or resume all, a kind or a run."""
        roots = sorted(job_id for job_id, job in self.jobs.items() if job.parent is None)
        names = {"all": [""], "kind": ["page", "mail"], "run": [str(one) for one in roots] or ["0"]}[scope]
        name = data.draw(st.sampled_from(names))
        pause = Pause(scope=PauseScope(scope), name=name)

        with self.store.group():
            if is_resumed:
                assert self.store.control.resume(pause) is ((scope, name) in self.pauses)
            elif name != "0":
                self.store.control.pause(pause)

        if is_resumed:
            self.pauses.discard((scope, name))
        elif name != "0":
            self.pauses.add((scope, name))

    @rule(name=st.sampled_from(["wiki", "shop"]), ahead=st.sampled_from([1, 1, 1, 2]))
    def put_credential(self, name: str, ahead: int) -> None:
        """Put a credential: only as the next version, and what waits for it is due again."""
        version = self.versions.get(name, 0) + ahead
        sealed = SealedCredential(
            auth_id=name,
            version=version,
            key_id="k",
            nonce=next(self.nonces).to_bytes(12),
            ciphertext=b"what is sealed, with its tag",
            sites=("h",),
            updated_at=1.0,
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
            job.be_due(self.clock.now())

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

    # What housekeeping does

    @rule(states=st.sets(st.sampled_from(sorted(FINAL_STATES)), min_size=1), at_once=st.integers(1, 3))
    def prune(self, states: set[State], at_once: int) -> None:
        """Prune what has ended so: runs go whole, nothing else goes, and a late result of theirs is refused (I4).

        A job that holds its key for a period stays until that has passed (I11).
        """
        completed, failed, cancelled = (0.0 if state in states else math.inf for state in STATES[3:])
        retention = Retention(completed_s=completed, failed_s=failed, cancelled_s=cancelled)
        now = self.clock.now()
        ended = [one for one, job in self.jobs.items() if job.parent is None and job.state in states]
        roots = [one for one in ended if not self.jobs[one].holds_for_a_period(now)]
        gone = {one for root in roots for one in self.jobs.line_below(root)}

        archived = prune_all(self.store, retention, at_once)

        assert sorted(archived) == sorted(gone)
        late = [lease for lease in self.leases if lease.job_id in gone]
        with self.store.group():
            completions = [
                Completion(job_id=lease.job_id, token=lease.token, state=State.COMPLETED) for lease in late[:1]
            ]
            assert self.store.completions.complete(completions) == [lease.job_id for lease in late[:1]]
            assert self.store.queries.integrity() == []
        for one in gone:
            del self.jobs[one]
            self.pauses.discard(("run", str(one)))
        self.documents = {url: one for url, one in self.documents.items() if one not in gone}
        self.leases = [lease for lease in self.leases if lease.job_id not in gone]

    # What happens to the process

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3))
    def undo(self, keys: list[str | None]) -> None:
        """A group that raises leaves nothing (I12)."""
        try:
            with self.store.group():
                self.store.jobs.create([NewJob(kind="page", key=key) for key in keys])
                self.store.claims.claim("default", TERMS, 2, LEASE_S)
                raise KeyError  # noqa: TRY301
        except (KeyError, BequestError):
            pass

    @rule()
    def reopen(self) -> None:
        """Closing and opening changes no row of any table (I1, I19)."""
        before = all_rows(self.store)

        self.store.close()
        self.store = Store.open(self.folder / "jobs.db", clock=self.clock)

        assert all_rows(self.store) == before


def keyed(key: str | None, scope: KeyScope) -> dict[str, Any]:
    """Return the fields of a job that is about its key."""
    if key is None:
        return {}
    return {"key": key, "key_scope": scope, "key_period_s": PERIOD_S if scope is KeyScope.PERIOD else None}


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
