"""The plain model that the engine is compared with: the store's, with what handlers do and what is to be told of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from engine_handlers import BACKOFF_S, CONCURRENCY, MAX_ATTEMPTS, QUEUES, SLOTS, SNOOZE_S, Act, Script, Spawn
from store_model import Jobs, Model

from bequest import KeyTakenError
from bequest.engine.policies import ParentMove
from bequest.engine.records import Completion, KeyScope, NewJob, OnClash, OnFailure, OwnStep, Progress, State

ERRORS = {
    Act.FAIL: "ValueError",
    Act.FLAKY: "KeyError",
    Act.DISCARD: "Discard",
    Act.SNOOZE: "Snooze",
    Act.QUIT: "SystemExit",
}


class EngineJob(Model):
    """One job, with what its handlers left."""

    def __init__(self, job: NewJob, parent: int | None, now: float) -> None:
        super().__init__(job, parent, now)
        self.queue = job.queue
        self.script: Script = job.config
        self.priority = job.priority
        self.tags = job.tags
        self.timeout_s = job.timeout_s
        self.began = 0.0  # the newest attempt
        self.result: int | None = None
        self.error: str | None = None
        self.errors: list[tuple[int, str]] = []  # by attempt
        self.progress: Progress | None = None
        self.follow_up: NewJob | None = None

    @property
    def is_untouched(self) -> bool:
        """Whether it may still be replaced."""
        return self.token == 0 and self.state is State.PENDING


class EngineJobs(Jobs):
    """All jobs, and what events must still come of each."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[int, deque[State | None]] = {}  # new states, None for a job that is deleted
        self.unborn: dict[int | None, deque[NewJob]] = {}  # jobs whose ids are not known yet, by parent
        self.pauses: set[tuple[str, str]] = set()
        self.log: list[tuple[int, str]] = []

    def __getitem__(self, job_id: int) -> EngineJob:
        job = super().__getitem__(job_id)
        assert isinstance(job, EngineJob)
        return job

    def add(self, job_id: int, job: NewJob, parent_id: int | None, now: float) -> None:
        """Add a job, and expect to be told of it."""
        assert job_id > self.highest
        self.highest = job_id
        self[job_id] = EngineJob(job, parent_id, now)
        if parent_id is not None:
            self[job_id].metadata = {**self[parent_id].metadata, **job.metadata}
        self.expected[job_id] = deque([job.state])

    def copied(self) -> EngineJobs:
        """Return the jobs as they are, to try something on."""
        copied = EngineJobs()
        for job_id in self:
            copied[job_id] = EngineJob.__new__(EngineJob)
            copied[job_id].__dict__.update(self[job_id].__dict__)
        return copied

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Expect to be told of what the block changes; what was to come after a job that it ends comes."""
        before = {job_id: job.state for job_id, job in self.items()}
        yield
        for job_id, state in before.items():
            job = self[job_id]
            if job.state is not state:
                self.expected[job_id].append(job.state)
            if job.state.is_final and job.follow_up is not None:
                self.expect_birth(job.follow_up)
                job.follow_up = None

    def expect_birth(self, job: NewJob) -> None:
        """Expect a job without a parent that the engine makes by itself."""
        self.unborn.setdefault(None, deque()).append(job)

    @property
    def is_all_told(self) -> bool:
        """Whether nothing is expected any more."""
        return not any(self.expected.values()) and not any(self.unborn.values())

    # Callers

    def create(self, job: NewJob, now: float) -> int | None:
        """Return who holds the key of a new job, having done to him what it says; None where nobody does."""
        self.let_lapse(None, [job.key], now)
        holder_id = self.holder_of(None, job.key)
        if holder_id is None:
            return None
        holder = self[holder_id]
        is_too_late = job.on_clash is OnClash.AFTER and not holder.is_untouched
        if (
            holder.kind != job.kind
            or job.on_clash is OnClash.RAISE
            or (is_too_late and holder.scope is not KeyScope.UNFINISHED)
        ):
            raise KeyTakenError
        if job.on_clash is OnClash.REPLACE and holder.is_untouched:
            holder.script, holder.priority = job.config, job.priority
            holder.run_at = now if job.run_at is None else job.run_at
        if is_too_late:
            holder.follow_up = msgspec.structs.replace(job, on_clash=OnClash.EXISTING)
        return holder_id

    def add_flow(self, job_id: int, job: NewJob, children: list[NewJob], now: float) -> None:
        """Add a parent that waits for its children, which are to come."""
        parent = msgspec.structs.replace(job, state=State.WAITING, own_step=OwnStep.AFTER_CHILDREN)
        self.add(job_id, parent, None, now)
        self[job_id].sealed = True
        fresh = self.expected_children(job_id, [child.key for child in children])
        self.unborn[job_id] = deque(child for child, is_new in zip(children, fresh, strict=True) if is_new)

    def count(self, queue: str, kind: str, state: State) -> int:
        """Count jobs."""
        return sum((self[one].queue, job.kind, job.state) == (queue, kind, state) for one, job in self.items())

    def matches(self, job_id: int, which: dict[str, object]) -> bool:
        """Whether a filter means a job."""
        job = self[job_id]
        has = {"tag": "red" if "red" in job.tags else None, "kind": job.kind, "queue": job.queue, "state": job.state}
        return not job.state.is_final and all(has[name] == value for name, value in which.items())

    def cancel(self, job_id: int) -> int:
        """Cancel a job with all below it; return how many ended."""
        with self.changing():
            return len(self.end_all(self.line_below(job_id)))

    def delete(self, job_id: int) -> int:
        """Delete a job with all below it; what was to come after it does not come."""
        line = self.line_below(job_id)
        for one in line:
            self[one].follow_up = None
        self.cancel(job_id)
        for one in line:
            self.expected[one].append(None)
            self.pauses.discard(("run", str(one)))
            del self[one]
        self.log = [(one, said) for one, said in self.log if one not in line]
        return len(line)

    def revive(self, job_id: int, now: float) -> int | None:
        """Retry a job; return how many have something to be done again, or None where that is refused."""
        tried = self.copied()
        if not tried[job_id].state.is_final:
            return None
        due, waiting = tried.revival(job_id)
        waiting += [one for one in tried.line_above(job_id) if tried[one].state.is_final]
        count = tried.retry(job_id, now)
        if count is None:
            return None
        with self.changing():
            self.update(tried)
            for one in due:
                self[one].progress = self[one].result = None
            for one in waiting:
                self[one].error = None
        self.judge_all(now)
        return count

    # Handlers

    def begin(self, job_id: int, now: float) -> None:
        """Note that a job was started."""
        job = self[job_id]
        job.state, job.began = State.RUNNING, now
        self.note_start(job_id)

    def note_start(self, job_id: int) -> None:
        """Count an attempt."""
        self[job_id].attempts += 1
        self[job_id].token += 1

    def finish(self, job_id: int, now: float) -> None:
        """Have a job's handler do as its script says."""
        job = self[job_id]
        for number, line in enumerate(job.script.says, 1):
            self.log.append((job_id, line))
            job.progress = Progress(done=number, total=len(job.script.says), message=line)
        job.metadata = {**job.metadata, "visits": job.metadata.get("visits", 0) + 1}
        error = self.error_of(job)
        self.end(job_id, error, self.success_of(job_id) if error is None else failure_of(error, now), now)

    def time_out(self, job_id: int, now: float) -> None:
        """End an attempt that has taken too long."""
        self.end(job_id, "TimedOutError", failure_of("TimedOutError", now), now)

    def end(self, job_id: int, error: str | None, completion: Completion, now: float) -> None:
        """End an attempt."""
        job = self[job_id]
        if error is not None and completion.counts:
            job.errors.append((job.attempts, error))
        job.error = error
        if completion.result is not None:
            job.result = completion.result
        fresh = self.expected_children(job_id, [child.key for child in completion.children])
        born = [child for child, is_new in zip(completion.children, fresh, strict=True) if is_new]
        with self.changing():
            self.end_attempt(job_id, completion, now)
        if born:
            self.unborn[job_id] = deque(born)
        self.judge_all(now)

    def error_of(self, job: EngineJob) -> str | None:
        """Return the type of what its handler raises, or None."""
        match job.script.act:
            case Act.FLAKY if job.attempts > 1:
                return None
            case Act.SNOOZE if job.metadata["visits"] > 1:
                return None
        return ERRORS.get(job.script.act)

    def success_of(self, job_id: int) -> Completion:
        """Return what a handler's return comes to: children, its own step, or the end."""
        job = self[job_id]
        result, spawns, is_own_step = job.script.value, job.script.spawns, job.own_step is OwnStep.RELEASED
        has_after = job.kind == "tree" and not is_own_step
        if job.kind == "tree" and is_own_step:
            children = [self[child] for child in self.children(job_id)]
            result += 100 * sum(child.state is State.FAILED for child in children)
            done = [child for child in children if child.kind == "work" and child.state is State.COMPLETED]
            result += sum(child.result or 0 for child in done)
            spawns = ()
        return Completion(
            job_id=job_id,
            token=0,
            state=State.COMPLETED,
            result=result,
            children=tuple(child_of(one) for one in spawns),
            own_step=OwnStep.AFTER_CHILDREN if has_after else OwnStep.NONE,
        )

    def put_back(self, now: float) -> None:
        """Give back all that runs: no attempt counts."""
        with self.changing():
            for job_id in self.of_state(State.RUNNING):
                job = self[job_id]
                job.attempts -= 1
                job.be_due(now)

    # Parents

    def judge_all(self, now: float) -> None:
        """End every parent that is to end, or make its own step due; those whose children are not born wait."""
        while ripe := [one for one in self.of_state(State.WAITING) if not self.unborn.get(one) and self.move_due(one)]:
            with self.changing():
                self.judge(ripe[0], now)

    def failing(self) -> list[int]:
        """Return the parents that are to fail at once, unless their own step, which is due, begins before that."""
        return [one for one in self.of_state(State.PENDING) if self.move_due(one)]

    def fail_at_once(self, job_id: int, now: float) -> None:
        """Have one of those fail."""
        with self.changing():
            self.judge(job_id, now)
        self.judge_all(now)

    def judge(self, job_id: int, now: float) -> State | None:
        """Do to a parent what is due."""
        move = self.move_due(job_id)
        if move in (ParentMove.FAIL, ParentMove.COMPLETE):
            self[job_id].error = "children_failed" if move is ParentMove.FAIL else None
        return super().judge(job_id, now)


def new_job(kind: str, script: Script, **options: object) -> NewJob:
    """Return a job as the engine is to make it."""
    fields: dict[str, object] = {"max_child_failures": 0, "max_attempts": MAX_ATTEMPTS, **options}
    return msgspec.structs.replace(NewJob(kind=kind, queue=QUEUES[kind], config=script), **fields)


def child_of(spawn: Spawn) -> NewJob:
    """Return the child that a handler spawns."""
    return new_job(
        spawn.kind, spawn.script, on_failure=OnFailure(spawn.on_failure), key=spawn.key, priority=spawn.priority
    )


def failure_of(error: str, now: float) -> Completion:
    """Return what an attempt comes to that raised."""
    is_final = error in ("Discard", "SystemExit")
    return Completion(
        job_id=0,
        token=0,
        state=State.FAILED if is_final else State.PENDING,
        run_at=now + (SNOOZE_S if error == "Snooze" else BACKOFF_S),
        counts=error != "Snooze",
    )


def has_room(kind: str, queue: str, running: list[tuple[str, str]]) -> bool:
    """Whether one more job may run beside these, each a kind and a queue."""
    of_kind = sum(one == kind for one, _ in running)
    return sum(one == queue for _, one in running) < SLOTS[queue] and of_kind < CONCURRENCY.get(kind, SLOTS[queue])
