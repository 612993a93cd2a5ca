"""The plain model that the store is compared with: a dict of jobs, and what each verb does to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bequest.engine.limits import KindTerms
from bequest.engine.policies import ParentMove, judge_parent
from bequest.engine.records import Completion, Counts, KeyScope, NewJob, OnFailure, OwnStep, State

PERIOD_S = 45.0
TERMS = (KindTerms(kind="page"), KindTerms(kind="mail", concurrency=2, partition_concurrency=1))
UNSUCCESSFUL = (State.FAILED, State.CANCELLED)


class Model:
    """One job as the model has it."""

    def __init__(self, job: NewJob, parent: int | None, now: float) -> None:
        self.kind = job.kind
        self.partition = job.partition
        self.parent = parent
        self.key = job.key
        self.scope = job.key_scope
        self.key_until = now + (job.key_period_s or 0.0)
        self.state = job.state
        self.made_waiting = job.state is State.WAITING
        self.limit = job.child_limit
        self.concurrency = job.child_concurrency
        self.max_child_failures = job.max_child_failures
        self.on_failure = job.on_failure
        self.own_step = job.own_step
        self.metadata = dict(job.metadata)
        self.made_at = now
        self.run_at = now if job.run_at is None else job.run_at
        self.time_s = job.run_timeout_s
        start = now if job.state is State.WAITING else max(now, self.run_at)
        self.deadline_at = None if self.time_s is None else start + self.time_s
        self.attempts = 0
        self.max_attempts = job.max_attempts
        self.ends = 0  # of the whole program while it ran
        self.token = 0
        self.sealed = False
        self.has_lapsed = False  # of a key held for a period, that somebody has asked for since
        self.lease_until = 0.0
        self.waits_for: str | None = None

    @property
    def holds_key(self) -> bool:
        """Whether its key keeps others out, as the table has it: a period ends when somebody asks for the key."""
        if self.key is None or self.has_lapsed:
            return False
        match self.scope:
            case KeyScope.UNFINISHED:
                return not self.state.is_final
            case KeyScope.QUEUED:
                return not self.state.is_final and self.token == 0
        return True

    def holds_for_a_period(self, now: float) -> bool:
        """Whether its key keeps others out until a time that has not come."""
        return self.scope is KeyScope.PERIOD and self.holds_key and self.key_until > now

    def be_due(self, now: float) -> None:
        """Make it claimable at once."""
        self.state, self.waits_for, self.run_at = State.PENDING, None, now

    def renew_time(self, now: float) -> None:
        """Give it the time that it has to end in from now on."""
        self.deadline_at = None if self.time_s is None else now + self.time_s


class Jobs(dict[int, Model]):
    """All jobs by id."""

    highest = 0  # id that was ever given

    def add(self, job_id: int, job: NewJob, parent_id: int | None, now: float) -> None:
        """Add a job, with what it inherits; ids only grow."""
        assert job_id > self.highest
        self.highest = job_id
        self[job_id] = Model(job, parent_id, now)
        if parent_id is not None:
            self[job_id].metadata = {**self[parent_id].metadata, **job.metadata}

    def copied(self) -> Jobs:
        """Return the jobs as they are, to try something on."""
        copied = Jobs()
        for job_id, job in self.items():
            copied[job_id] = Model.__new__(Model)
            copied[job_id].__dict__.update(job.__dict__)
        return copied

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

    def line_above(self, job_id: int) -> list[int]:
        """Return the ids of a job's ancestors, the nearest first."""
        parent = self[job_id].parent
        return [] if parent is None else [parent, *self.line_above(parent)]

    # Keys

    def holder_of(self, parent_id: int | None, key: str | None) -> int | None:
        """Return who holds *key* among a parent's children, or among those that have none."""
        if key is None:
            return None
        held = (one for one, job in self.items() if job.parent == parent_id and job.key == key and job.holds_key)
        return next(held, None)

    def let_lapse(self, parent_id: int | None, keys: Iterable[str | None], now: float) -> None:
        """Free those of *keys* whose period has passed."""
        asked = {key for key in keys if key is not None}
        for job in self.values():
            if job.parent == parent_id and job.key in asked:
                job.has_lapsed = job.has_lapsed or (job.scope is KeyScope.PERIOD and job.key_until <= now)

    def expected_children(self, parent_id: int, keys: list[str | None]) -> list[bool]:
        """Return which of *keys* become children: free ones, the first of two alike, up to the limit."""
        limit = self[parent_id].limit
        left = 1_000 if limit is None else limit - len(self.children(parent_id))
        fresh = [
            key is None or (self.holder_of(parent_id, key) is None and key not in keys[:index])
            for index, key in enumerate(keys)
        ]
        places = [index for index, is_fresh in enumerate(fresh) if is_fresh][: max(0, left)]
        return [index in places for index in range(len(keys))]

    # How jobs end

    def end_all(self, job_ids: list[int]) -> list[int]:
        """Cancel those of *job_ids* that are not final, and return them."""
        ended = [job_id for job_id in job_ids if not self[job_id].state.is_final]
        for job_id in ended:
            self[job_id].state, self[job_id].waits_for, self[job_id].sealed = State.CANCELLED, None, True
        return ended

    def fail(self, job_id: int) -> None:
        """Make a job fail for good; a parent that fails in its own step takes its children with it."""
        self[job_id].state = State.FAILED
        if self[job_id].own_step is not OwnStep.NONE:
            self.end_all(self.line_below(job_id)[1:])

    def end_attempt(self, job_id: int, completion: Completion, now: float) -> None:
        """End the attempt that runs; its children are added by themselves."""
        job = self[job_id]
        counts = completion.counts and completion.state is not State.WAITING
        is_last = job.attempts >= job.max_attempts
        job.attempts -= not counts
        is_own_step = job.own_step is OwnStep.RELEASED
        match completion.state:
            case State.WAITING:
                job.state, job.waits_for = State.WAITING, completion.waits_for
            case State.PENDING if not (counts and is_last):
                job.state, job.run_at = State.PENDING, completion.run_at or now
            case State.PENDING | State.FAILED:
                self.fail(job_id)
            case State.COMPLETED if completion.children or completion.own_step:
                job.state, job.sealed = State.WAITING, True
                job.own_step = completion.own_step or (OwnStep.DONE if is_own_step else job.own_step)
            case State.COMPLETED:
                tally = self.counts(job_id)
                is_to_be_judged = tally.unfinished > 0 or tally.failed > tally.ignored + tally.passed
                job.state = State.WAITING if is_own_step and is_to_be_judged else State.COMPLETED
                job.own_step = OwnStep.DONE if is_own_step else job.own_step

    def counts(self, parent_id: int) -> Counts:
        """Count a job's children."""
        children = [self[child] for child in self.children(parent_id)]
        of_state: dict[str, Any] = {str(state): sum(one.state is state for one in children) for state in State}
        failed = [one.on_failure for one in children if one.state is State.FAILED]
        return Counts(
            **of_state,
            ignored=failed.count(OnFailure.IGNORE),
            fatal=failed.count(OnFailure.FAIL),
            passed=failed.count(OnFailure.CONTINUE),
        )

    def move_due(self, job_id: int) -> ParentMove | None:
        """Return what becomes of a parent by its children."""
        job, counts = self[job_id], self.counts(job_id)
        if job.state is State.PENDING and job.own_step is OwnStep.RELEASED:
            of_number = None if isinstance(job.max_child_failures, float) else job.max_child_failures
            is_failing = judge_parent(counts, max_failures=of_number) is ParentMove.FAIL
            return ParentMove.FAIL if is_failing else None
        if job.state is not State.WAITING or not job.sealed or job.waits_for is not None:
            return None
        has_own_step = job.own_step is OwnStep.AFTER_CHILDREN
        return judge_parent(counts, max_failures=job.max_child_failures, has_own_step=has_own_step)

    def judge(self, job_id: int, now: float) -> State | None:
        """End a parent that is to end, or make its own step due; return what it came to."""
        job, move = self[job_id], self.move_due(job_id)
        match move:
            case ParentMove.OWN_STEP:
                job.own_step, job.attempts = OwnStep.RELEASED, 0
                job.be_due(max(job.run_at, now) if job.token == 0 and job.run_at > job.made_at else now)
            case ParentMove.FAIL:
                self.end_all(self.line_below(job_id)[1:])
                job.state = State.FAILED
            case ParentMove.COMPLETE:
                job.state = State.COMPLETED
        return None if move is None else job.state

    def end_overdue(self, now: float) -> list[int]:
        """Fail the jobs whose time is over, with what is below them."""
        overdue = [
            job_id
            for job_id, job in self.items()
            if job.deadline_at is not None and job.deadline_at <= now and not job.state.is_final
        ]
        for job_id in reversed(overdue):
            self.end_all(self.line_below(job_id)[1:])
            self[job_id].state, self[job_id].sealed, self[job_id].waits_for = State.FAILED, True, None
        return overdue

    # Retries

    def revival(self, job_id: int, *, is_asked: bool = True) -> tuple[list[int], list[int]]:
        """Return what a retry brings back: jobs that are due again, and parents that wait again."""
        job, due, waiting = self[job_id], list[int](), list[int]()
        for child in self.children(job_id):
            for brought_back, more in zip((due, waiting), self.revival(child, is_asked=False), strict=True):
                brought_back += more
        if due or waiting:
            waiting.append(job_id)
        elif job.state in UNSUCCESSFUL or is_asked:
            if job.own_step is not OwnStep.NONE or not (job.made_waiting or self.children(job_id)):
                due.append(job_id)
            elif job.state in UNSUCCESSFUL:
                waiting.append(job_id)
        return due, waiting

    def retry(self, job_id: int, now: float) -> int | None:
        """Bring back a job; return how many have something to be done again, or None where that is refused."""
        if not self[job_id].state.is_final:
            return None
        due, waiting = self.revival(job_id)
        for one in (*due, *waiting):
            self.let_lapse(self[one].parent, [self[one].key], now)
        keyed = [(self[one].parent, self[one].key) for one in (*due, *waiting) if self[one].key is not None]
        holders = [(self.holder_of(self[one].parent, self[one].key), one) for one in (*due, *waiting)]
        is_taken = any(holder is not None and holder != one for holder, one in holders)
        if not due + waiting or is_taken or len(keyed) != len(set(keyed)):
            return None
        above = [one for one in self.line_above(job_id) if self[one].state.is_final]
        for one in (*waiting, *above):
            self.wait_again(self[one], now)
        for one in due:
            self[one].be_due(now)
            self[one].renew_time(now)
            self[one].attempts = 0
            if self[one].own_step is OwnStep.NONE:
                self[one].sealed = False
            else:
                self[one].own_step = OwnStep.RELEASED
        if any(self.move_due(one) is ParentMove.FAIL for one in above):
            return None
        return len(due) + sum(not any(self[child].parent == one for child in (*due, *waiting)) for one in waiting)

    @staticmethod
    def wait_again(job: Model, now: float) -> None:
        """Have a parent wait for its children again; what time it had to end in it has anew."""
        job.state, job.run_at = State.WAITING, min(job.run_at, job.made_at)
        job.renew_time(now)
        if job.own_step >= OwnStep.RELEASED:
            job.own_step = OwnStep.AFTER_CHILDREN

    # Claims

    def may_start(self, job_id: int, now: float, pauses: set[tuple[str, str]]) -> bool:
        """Whether a job may be claimed now, as far as time, pauses and limits go."""
        job = self[job_id]
        if job.state is not State.PENDING or job.run_at > now or ("all", "") in pauses or ("kind", job.kind) in pauses:
            return False
        if ("run", str([job_id, *self.line_above(job_id)][-1])) in pauses:
            return False
        concurrency = None if job.parent is None else self[job.parent].concurrency
        if job.parent is not None and concurrency is not None and len(self.running_children(job.parent)) >= concurrency:
            return False
        terms = next(one for one in TERMS if one.kind == job.kind)
        running = [one for one in self.values() if one.state is State.RUNNING and one.kind == job.kind]
        in_partition = [one for one in running if one.partition == job.partition]
        return (terms.concurrency is None or len(running) < terms.concurrency) and (
            terms.partition_concurrency is None or len(in_partition) < terms.partition_concurrency
        )
