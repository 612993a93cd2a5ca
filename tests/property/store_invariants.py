"""What must hold of a store after each step, whatever the step was."""

from __future__ import annotations

import msgspec
from hypothesis.stateful import RuleBasedStateMachine, invariant
from store_model import Jobs

from bequest.engine.database import Database, Row
from bequest.engine.job_rows import TALLY_COLUMNS
from bequest.engine.records import STATES, OwnStep, State
from bequest.engine.store import Store


class StoreInvariants(RuleBasedStateMachine):
    """A store and the model that it is compared with; the steps are a subclass's."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.jobs = Jobs()
        self.documents: dict[tuple[int, str], int] = {}  # by parent and URL: the page that left it
        self.highest_tokens: dict[int, int] = {}

    @invariant()
    def rows_are_as_the_model_has_them(self) -> None:
        """I1, I2, I4, I5, I8: state, attempts, token, metadata and the rest agree for every job."""
        with self.store.group():
            for job_id, model in self.jobs.items():
                job = self.store.jobs.get(job_id)
                assert (job.state, job.attempts, job.token) == (model.state, model.attempts, model.token)
                assert (job.parent_id, job.key, job.sealed) == (model.parent, model.key, model.sealed)
                assert (job.waits_for, job.metadata) == (model.waits_for, model.metadata)
                assert (job.own_step, job.deadline_at) == (model.own_step, model.deadline_at)
                assert [job.root_id or job_id] == [job_id, *self.jobs.line_above(job_id)][-1:]
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
                assert len(self.jobs.children(job_id)) <= job.limit

    @invariant()
    def pages_leave_one_document_for_each_url(self) -> None:
        """I12, I15: the documents are those of completed pages, the first for each URL of a run."""
        with self.store.group():
            rows = database_of(self.store).rows("SELECT parent_id, url_key, job_id FROM document")
        assert {(parent_id, url_key): job_id for parent_id, url_key, job_id in rows} == self.documents

    @invariant()
    def no_parent_runs_too_many(self) -> None:
        """No parent runs more children at once than it may."""
        for job_id, job in self.jobs.items():
            if job.concurrency is not None:
                assert len(self.jobs.running_children(job_id)) <= job.concurrency

    @invariant()
    def counters_equal_group_by(self) -> None:
        """I13: the tally of every parent and the counters of every kind are what counting gives."""
        with self.store.group():
            rows = database_of(self.store).rows(f"SELECT parent_id, {TALLY_COLUMNS} FROM tally")
            stats = self.store.stats.counts()
        tallies = {row[0]: row[1:] for row in rows}
        for parent_id in {job.parent for job in self.jobs.values() if job.parent is not None}:
            assert tallies[parent_id] == msgspec.structs.astuple(self.jobs.counts(parent_id))
        for kind in ("page", "mail"):
            of_kind = [job.state for job in self.jobs.values() if job.kind == kind]
            counted = [getattr(one.jobs, state) for one in stats if one.kind == kind for state in STATES]
            assert counted in ([of_kind.count(state) for state in STATES], [])

    @invariant()
    def ended_parents_have_ended_children(self) -> None:
        """I9, I10: below a final job nothing is unfinished, and no parent completed before its own step."""
        for job_id, job in self.jobs.items():
            if job.state.is_final:
                assert not self.jobs.unfinished_children(job_id)
            assert job.state is not State.COMPLETED or job.own_step in (OwnStep.NONE, OwnStep.DONE)

    @invariant()
    def keys_are_held_once(self) -> None:
        """I11, I15: among one parent's children a key has one holder."""
        held = [(job.parent, job.key) for job in self.jobs.values() if job.holds_key]
        assert len(held) == len(set(held))


def all_rows(store: Store) -> dict[str, list[Row]]:
    """Return every row of every table, generated columns included."""
    with store.group():
        tables = [name for (name,) in database_of(store).rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: database_of(store).rows(f"SELECT * FROM {name}") for name in tables}


def database_of(store: Store) -> Database:
    """Return the connection, to count behind the store's back."""
    return store._database
