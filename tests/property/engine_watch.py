"""The events of an engine, each judged as it comes: the next number, an allowed transition, and one that the model has.

Which job is started of those that may be is the engine's choice, and whether the own step of a parent begins or the
parent fails by a child that has just failed; the rest the model knows before.
"""

from __future__ import annotations

from collections import deque

from engine_handlers import Desk
from engine_model import EngineJobs, has_room

from bequest import JobMoved
from bequest.engine.events import Event
from bequest.engine.records import TRANSITIONS, State


class Watch:
    """Replays the events; *seen* is what they have told of each job."""

    def __init__(self, jobs: EngineJobs) -> None:
        self.seen: dict[int, State] = {}
        self.number = 0
        self.may_begin = True
        self.tokens: dict[int, int] = {}  # of the newest start of each job
        self._jobs = jobs

    def take(self, event: Event | None, now: float, desk: Desk) -> None:
        """Judge the next event (I2); who was reported otherwise than by his handler is to leave."""
        assert isinstance(event, JobMoved), (event, self.left())
        assert event.number == self.number + 1, "events come in the order of the commits, none is lost"
        self.number = event.number
        assert event.old == self.seen.get(event.job_id), event
        if event.old is not None and event.new is not None:
            assert event.new in TRANSITIONS[event.old], event
        if event.job_id not in self._jobs.expected:
            self._be_born(event, now)
        expected = self._jobs.expected[event.job_id]
        if not expected and event.new in (State.FAILED, State.CANCELLED):
            self._fail_above(event, now)
        if expected and expected[0] == event.new:
            expected.popleft()
        else:
            self._begin(event, expected, now)
        if event.old is State.RUNNING:
            desk.dismiss((event.job_id, self.tokens[event.job_id]))
        if event.new is State.RUNNING:
            self.tokens[event.job_id] = self.tokens.get(event.job_id, 0) + 1
        if event.new is None:
            del self.seen[event.job_id], self._jobs.expected[event.job_id]
        else:
            self.seen[event.job_id] = event.new

    def startable(self, now: float) -> list[int]:
        """Return the jobs that may be started."""
        return [one for one, state in self.seen.items() if state is State.PENDING and self._may_start(one, now)]

    def left(self) -> object:
        """Return what was expected and did not come."""
        expected = {one: [*states] for one, states in self._jobs.expected.items() if states}
        return expected, {parent: len(jobs) for parent, jobs in self._jobs.unborn.items() if jobs}

    def _be_born(self, event: JobMoved, now: float) -> None:
        unborn = self._jobs.unborn.get(event.parent_id)
        assert unborn, ("nobody has asked for it", event)
        new = unborn.popleft()
        assert (new.kind, new.queue) == (event.kind, event.queue)
        self._jobs.add(event.job_id, new, event.parent_id, now)
        self._jobs.judge_all(now)

    def _fail_above(self, event: JobMoved, now: float) -> None:
        """Have a parent fail that is to do so at once, where it has neither begun its own step nor failed so far."""
        line = (event.job_id, *self._jobs.line_above(event.job_id))
        for job_id in [one for one in self._jobs.failing() if one in line]:
            self._jobs.fail_at_once(job_id, now)

    def _begin(self, event: JobMoved, expected: deque[State | None], now: float) -> None:
        """Take a start: of the first in its lane, where there is room; or of one that is about to be cancelled."""
        assert event.new is State.RUNNING, (event, expected)
        assert self.may_begin, ("nothing begins once the engine is being stopped", event)
        if expected:
            assert [*expected] == [State.CANCELLED], (event, expected)
            self._jobs.note_start(event.job_id)
            return
        startable = self.startable(now)
        assert event.job_id in startable, (event, "it is paused, not due, or one too many")
        first = min((one for one in startable if self._lane(one) == self._lane(event.job_id)), key=self._order)
        assert event.job_id == first, (event, f"{first} comes first")
        self._jobs.begin(event.job_id, now)

    def _may_start(self, job_id: int, now: float) -> bool:
        job = self._jobs.get(job_id)
        if job is None or self._jobs.expected[job_id]:
            return False
        job, pauses = self._jobs[job_id], self._jobs.pauses
        root = [job_id, *self._jobs.line_above(job_id)][-1]
        held = {("all", ""), ("kind", job.kind), ("queue", job.queue), ("run", str(root))}
        return job.run_at <= now and not held & pauses and has_room(job.kind, job.queue, self._running())

    def _running(self) -> list[tuple[str, str]]:
        running = [self._jobs[one] for one, state in self.seen.items() if state is State.RUNNING and one in self._jobs]
        return [(job.kind, job.queue) for job in running]

    def _lane(self, job_id: int) -> tuple[int | None, str]:
        return self._jobs[job_id].parent, self._jobs[job_id].queue

    def _order(self, job_id: int) -> tuple[int, int]:
        return -self._jobs[job_id].priority, job_id
