"""A whole engine against a plain model: whatever callers, handlers, time and restarts do, they agree on each event."""

from __future__ import annotations

from typing import Any

import pytest
from engine_drive import EVERY_S, EngineDrive, pause_named
from engine_handlers import Act, Script, Spawn
from engine_model import child_of, new_job
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bequest import JobFilter, JobHandle, KeyTakenError, TransitionError, child
from bequest.engine.records import KeyScope, OnClash, OnFailure, State

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("work", "tree"),
    ("swift", "narrow"),
)  # a family has one queue, and so have all jobs below one parent
PERIOD_S = 45.0
TIMEOUT_S = 25.0
MAX_RESTARTS = 2  # in one run, for they take most of its time
SAYS = st.lists(st.sampled_from(["begun", "half", "done"]), max_size=3).map(tuple)
ACTS = st.sampled_from([Act.RETURN, Act.RETURN, Act.RETURN, *Act])
PLAIN = st.builds(Script, act=ACTS, value=st.integers(0, 9), says=SAYS)
KEYS = st.sampled_from(["a", "b"])


def spawns(family: tuple[str, ...], scripts: st.SearchStrategy[Script]) -> st.SearchStrategy[tuple[Spawn, ...]]:
    """Give children of a family."""
    one = st.builds(
        Spawn,
        kind=st.sampled_from(family),
        script=scripts,
        on_failure=st.sampled_from([str(word) for word in OnFailure]),
        key=st.none() | st.sampled_from(["x", "y"]),
        priority=st.integers(0, 1),
    )
    return st.lists(one, min_size=1, max_size=3).map(tuple)


SPAWNS = {family: spawns(family, PLAIN) for family in FAMILIES}
SCRIPTS = {
    family: PLAIN | st.builds(Script, value=st.integers(0, 9), says=SAYS, spawns=SPAWNS[family]) for family in FAMILIES
}
FLOWS = {family: spawns(family, SCRIPTS[family]) for family in FAMILIES}
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.integers(0, 2),
        "tags": st.just(("red",)),
        "max_attempts": st.integers(1, 3),
        "max_child_failures": st.integers(0, 1) | st.sampled_from([0.5, 1.0]),
        "delay_s": st.sampled_from([0.0, 10.0, 90.0]),
    },
)
CLASHES = st.sampled_from([OnClash.EXISTING, *OnClash])
SCOPES = st.sampled_from([KeyScope.UNFINISHED, *KeyScope])


class EngineMachine(EngineDrive):
    """Drives both."""

    # Callers

    @rule(data=st.data(), family=st.sampled_from(FAMILIES), options=OPTIONS, is_timed=st.booleans())
    def enqueue(self, data: st.DataObject, family: tuple[str, ...], options: dict[str, Any], is_timed: bool) -> None:
        """Make a job; one of a kind that runs in a thread may have a time."""
        kind, script = data.draw(st.sampled_from(family)), data.draw(SCRIPTS[family])
        if is_timed and kind != "swift":
            options = {**options, "timeout_s": TIMEOUT_S}
        self.make(kind, script, options)

    @rule(kinds=st.sampled_from([("work", "work"), ("narrow", "narrow"), ("work", "narrow")]), key=KEYS, data=st.data())
    def enqueue_keyed(self, kinds: tuple[str, str], key: str, data: st.DataObject) -> None:
        """Make jobs under one key; where that is taken, what its policy says happens (I11)."""
        for kind in kinds:
            scope, clash = data.draw(SCOPES), data.draw(CLASHES)
            options = {**data.draw(OPTIONS), "key": key, "key_scope": str(scope)}
            options |= {"key_period_s": PERIOD_S} if scope is KeyScope.PERIOD else {}
            if clash is not OnClash.AFTER or scope is KeyScope.UNFINISHED:
                options["on_clash"] = str(clash)
            self.make(kind, data.draw(PLAIN), options)

    def make(self, kind: str, script: Script, options: dict[str, Any]) -> None:
        """Make a job in both."""
        self.tick()
        new = new_job(kind, script, **self.fields_of(options))
        try:
            holder = self.jobs.create(new, self.now)
        except KeyTakenError:
            with pytest.raises(KeyTakenError):
                self.engine.enqueue(kind, script, **options)
        else:
            made: JobHandle[Any] = self.engine.enqueue(self.handled.kinds[kind], script, **options)
            if holder is None:
                self.jobs.add(made.id, new, None, self.now)
            else:
                assert made.id == holder
        self.settle()

    def fields_of(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return options of ``enqueue`` as fields of a job."""
        fields = dict(options)
        if "delay_s" in fields:
            fields["run_at"] = self.now + fields.pop("delay_s")
        for name, type_ in (("key_scope", KeyScope), ("on_clash", OnClash)):
            if name in fields:
                fields[name] = type_(fields[name])
        return fields

    @rule(kind=st.sampled_from(["work", "swift"]), scripts=st.lists(PLAIN, min_size=1, max_size=4), options=OPTIONS)
    def enqueue_many(self, kind: str, scripts: list[Script], options: dict[str, Any]) -> None:
        """Make many, in their order (I12)."""
        self.tick()
        many: list[JobHandle[Any]] = self.engine.enqueue_many(kind, scripts, **options)
        for made, script in zip(many, scripts, strict=True):
            self.jobs.add(made.id, new_job(kind, script, **self.fields_of(options)), None, self.now)
        self.settle()

    @rule(data=st.data(), family=st.sampled_from(FAMILIES), script=PLAIN, options=OPTIONS)
    def enqueue_flow(
        self, data: st.DataObject, family: tuple[str, ...], script: Script, options: dict[str, Any]
    ) -> None:
        """Make a parent with its children; their handlers run before its own (I9)."""
        self.tick()
        kind, children = data.draw(st.sampled_from(family)), data.draw(FLOWS[family])
        new = new_job(kind, script, **self.fields_of(options))
        made: JobHandle[Any] = self.engine.enqueue(
            kind, script, children=[self.child(one) for one in children], **options
        )
        self.jobs.add_flow(made.id, new, [child_of(one) for one in children], self.now)
        self.settle()

    def child(self, spawn: Spawn) -> Any:
        """Return a child as ``enqueue`` takes it."""
        options: dict[str, Any] = {} if spawn.key is None else {"key": spawn.key}
        kind = self.handled.kinds[spawn.kind]
        return child(kind, spawn.script, on_failure=spawn.on_failure, priority=spawn.priority, **options)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel a job with all below it (I10)."""
        self.tick()
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        assert self.engine.find_job(job_id).cancel() == self.jobs.cancel(job_id)
        self.jobs.judge_all(self.now)
        self.settle()

    @precondition(lambda self: self.jobs)
    @rule(which=st.sampled_from([{"tag": "red"}, {"kind": "narrow"}, {"queue": "side", "state": State.RUNNING}]))
    def cancel_all(self, which: dict[str, Any]) -> None:
        """Cancel what matches."""
        self.tick()
        matching = [one for one in self.jobs if self.jobs.matches(one, which)]
        ended = self.engine.cancel_jobs(JobFilter(**which))
        assert ended == sum(self.jobs.cancel(job_id) for job_id in matching)
        self.jobs.judge_all(self.now)
        self.settle()

    @precondition(lambda self: any(job.state.is_final for job in self.jobs.values()))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        """Bring back what has ended (I2, I9); what has not, and what would fail at once, is refused."""
        self.tick()
        job_id = data.draw(st.sampled_from([one for one in self.jobs if self.jobs[one].state.is_final]))
        expected = self.jobs.revive(job_id, self.now)
        if expected is None:
            with pytest.raises(TransitionError):
                self.engine.find_job(job_id).retry()
        else:
            assert self.engine.find_job(job_id).retry() == expected
        self.settle()

    @precondition(lambda self: len(self.jobs) > 3)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete a job with all below it."""
        self.tick()
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        assert self.engine.find_job(job_id).delete() == self.jobs.delete(job_id)
        self.jobs.judge_all(self.now)
        self.settle()

    @rule(data=st.data(), scope=st.sampled_from(["all", "kind", "queue", "run"]))
    def pause(self, data: st.DataObject, scope: str) -> None:
        """Pause all, a kind, a queue or a run; what is enqueued then and is held does not begin."""
        roots = [str(job_id) for job_id, job in self.jobs.items() if job.parent is None]
        names = {"all": [""], "kind": ["work", "narrow"], "queue": ["default", "side"], "run": roots}[scope]
        if names:
            self.tick()
            name = data.draw(st.sampled_from(names))
            self.engine.pause(**pause_named(scope, name))
            self.jobs.pauses.add((scope, name))
            self.make(data.draw(st.sampled_from(["work", "narrow"])), data.draw(PLAIN), {})

    @precondition(lambda self: self.jobs.pauses)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        """Resume what is paused."""
        self.tick()
        assert {(str(one.scope), one.name) for one in self.engine.pauses()} == self.jobs.pauses
        scope, name = data.draw(st.sampled_from(sorted(self.jobs.pauses)))
        assert self.engine.resume(**pause_named(scope, name))
        assert not self.engine.resume(**pause_named(scope, name))
        self.jobs.pauses.discard((scope, name))
        self.settle()

    # Handlers

    @precondition(lambda self: self.jobs.of_state(State.RUNNING))
    @rule(data=st.data(), times=st.integers(1, 4))
    def let_some_go(self, data: st.DataObject, times: int) -> None:
        """Let handlers go on to their ends, one after the other."""
        for _ in range(times):
            self.tick()
            if running := self.jobs.of_state(State.RUNNING):
                self.let_go(data.draw(st.sampled_from(running)))

    # Time and restarts

    @rule(seconds=st.sampled_from([15.0, 30.0, 100.0]))
    def advance(self, seconds: float) -> None:
        """Let time pass: what is due starts, what takes too long is given up, and no live job loses its lease."""
        self.tick(seconds)
        self.settle()

    @rule(script=PLAIN, is_paused=st.booleans())
    def put_schedule(self, script: Script, is_paused: bool) -> None:
        """Put a schedule, or pause and resume the one that is there."""
        self.tick()
        if self.schedule is None:
            self.schedule, self.fires_at = new_job("work", script), self.now + EVERY_S
            self.engine.schedules.put("often", "work", script, every_s=EVERY_S)
        elif is_paused:
            self.engine.schedules.pause("often")
            self.is_schedule_paused = True
        elif self.is_schedule_paused:
            self.engine.schedules.resume("often")
            self.is_schedule_paused = False
            while self.fires_at <= self.now:
                self.fires_at += EVERY_S
        self.settle()

    @precondition(lambda self: self.restarts < MAX_RESTARTS)
    @rule(gap_s=st.sampled_from([0.0, 250.0]), is_new=st.booleans())
    def restart(self, gap_s: float, is_new: bool) -> None:
        """Stop and start the engine: what runs is given back, no attempt counts, all else is as it was (I1, I19)."""
        self.tick()
        for job_id in self.jobs.of_state(State.RUNNING):
            self.desk.dismiss((job_id, self.jobs[job_id].token))
        self.stop(gap_s=gap_s, is_new=is_new, last=lambda: self.jobs.put_back(self.now))

    @precondition(lambda self: self.restarts < MAX_RESTARTS)
    @rule(is_new=st.booleans())
    def restart_gently(self, is_new: bool) -> None:
        """Stop with a grace: a handler that ends within it has its result kept."""
        self.tick()
        self.engine.pause()
        self.jobs.pauses.add(("all", ""))
        running = self.jobs.of_state(State.RUNNING)
        for job_id in running[:-1]:
            self.tick()
            if self.jobs[job_id].state is State.RUNNING:
                self.let_go(job_id)
        left = self.jobs.of_state(State.RUNNING)
        self.stop(gap_s=0.0, is_new=is_new, last=lambda: self.send_off(left), grace_s=20.0)

    def send_off(self, job_ids: list[int]) -> None:
        """Let handlers go, and do not wait for them."""
        for job_id in job_ids:
            visit = self.desk.visit((job_id, self.jobs[job_id].token))
            self.jobs.finish(job_id, self.now)
            visit.let_go()

    # Watchers

    @rule()
    def look_back(self) -> None:
        """Read errors, logs and results, and what the slow reader has."""
        self.compare_all()
        self.read_slow()


TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


class ProcessMachine(EngineDrive):
    """Drives jobs whose handlers run in a process, one at a time."""

    has_process = True

    @rule(scripts=st.lists(PLAIN, min_size=1, max_size=3))
    def enqueue(self, scripts: list[Script]) -> None:
        """Make jobs; they run to their ends at once."""
        self.tick()
        many: list[JobHandle[Any]] = self.engine.enqueue_many("apart", scripts)
        for made, script in zip(many, scripts, strict=True):
            self.jobs.add(made.id, new_job("apart", script), None, self.now)
        self.settle()
        self.compare_all()

    @rule(seconds=st.sampled_from([15.0, 30.0]))
    def advance(self, seconds: float) -> None:
        """Let what is to be tried again be tried."""
        self.tick(seconds)
        self.settle()


TestProcesses = ProcessMachine.TestCase
TestProcesses.settings = settings(max_examples=4, stateful_step_count=6, deadline=None)
