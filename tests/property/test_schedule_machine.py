"""Schedules against a plain model: whatever the clock, the process and people do, a fire time has one job (I20)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bequest.engine.fire_times import Cron, Interval, Rule, fire_times
from bequest.engine.records import Job, NewJob, State
from bequest.engine.schedules import LATE_S, CatchUp, NewSchedule, Overlap
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

START = 1_800_000_000.0  # 2027-01-15T08:00Z
HOUR_S = 3_600.0
YEAR_S = 365.25 * 86_400
NAME = "nightly"
RULES: tuple[Rule, ...] = (
    Interval(every_s=6 * HOUR_S),
    Interval(every_s=0.75 * HOUR_S),
    Cron(expression="30 2 * * *", timezone="Europe/Berlin"),
    Cron(expression="0 */6 * * *", timezone="Australia/Lord_Howe"),
)
STEPS = st.sampled_from([0.0, 30.0, 50 * 60.0, HOUR_S, 7 * HOUR_S, 40 * HOUR_S, 70 * 86_400.0])
JUMPS = st.sampled_from([-HOUR_S, HOUR_S, -86_400.0, 86_400.0, -YEAR_S, YEAR_S, -10 * YEAR_S, 10 * YEAR_S])


class Model:
    """What a person would keep: the times that have had a job, and when he last saw a time pass."""

    def __init__(self, rule: Rule, catch_up: CatchUp, limit: int, overlap: Overlap) -> None:
        self.rule = rule
        self.catch_up = catch_up
        self.limit = limit
        self.overlap = overlap
        self.seen_at = START
        self.looked_at = START
        self.used: set[float] = set()
        self.queued: float | None = None
        self.is_busy = False
        self.is_paused = False

    def look(self, now: float) -> None:
        """Look at the clock."""
        if self.is_paused:
            return
        self.run_queued()
        passed = self.passed(now)
        for at in self.chosen(passed, now):
            if self.overlap is Overlap.ALLOW or not self.is_busy:
                self.run(at)
            elif self.overlap is Overlap.QUEUE:
                self.queued = at
        self.looked_at = now
        if passed or now < self.seen_at:
            self.seen_at = now

    def passed(self, now: float) -> list[float]:
        """Return the times that the clock has passed and that had no job."""
        since = self.seen_at
        if now < since:  # set back: by a little, and it had passed all before; by much, and some minutes ago at most
            since = now if since - now <= LATE_S else now - LATE_S
        return [at for at in self.between(since, now) if at not in self.used]

    def chosen(self, due: list[float], now: float) -> list[float]:
        """Return what the catch-up policy leaves of them."""
        match self.catch_up:
            case CatchUp.ALL:
                return due[-self.limit :]
            case CatchUp.ONCE:
                return due[-1:]
            case CatchUp.SKIP:
                return [at for at in due[-1:] if now - at <= LATE_S]

    def between(self, since: float, until: float) -> list[float]:
        """Return all fire times after the one and up to the other, one by one."""
        found = []
        for at in fire_times(self.rule, since):
            if at > until:
                break
            found.append(at)
        return found

    def run(self, at: float) -> None:
        """Give a time its job."""
        assert at not in self.used
        self.used.add(at)
        self.is_busy = True

    def run_queued(self) -> None:
        """Run what has waited, if nothing is in its way."""
        if self.queued is not None and not self.is_busy and not self.is_paused:
            at, self.queued = self.queued, None
            self.run(at)


class ScheduleMachine(RuleBasedStateMachine):
    """Drives one schedule in a store on a real file, and the model, with the same moves of the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="bequest-schedules-"))
        self.clock = ManualClock(START)
        self.store = Store.open(self.folder / "jobs.db", clock=self.clock, durability="relaxed")
        self.model = Model(RULES[0], CatchUp.ONCE, 1, Overlap.ALLOW)
        self.made: list[float] = []  # of all jobs that were ever there
        self.known: set[int] = set()

    def teardown(self) -> None:
        """Look whether all is sound, and remove the file."""
        try:
            with self.store.group():
                assert self.store.queries.integrity() == []
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    @initialize(
        asked=st.sampled_from(RULES),
        catch_up=st.sampled_from(CatchUp),
        limit=st.integers(1, 4),
        overlap=st.sampled_from(Overlap),
    )
    def put(self, asked: Rule, catch_up: CatchUp, limit: int, overlap: Overlap) -> None:
        """Put the schedule."""
        new = NewSchedule(
            name=NAME,
            job=NewJob(kind="report"),
            rule=asked,
            catch_up=catch_up,
            catch_up_limit=limit,
            overlap=overlap,
        )
        with self.store.group():
            kept = self.store.schedules.put(new)
        self.model = Model(kept.rule, catch_up, limit, overlap)

    @rule(step=STEPS, is_seen=st.booleans())
    def advance(self, step: float, is_seen: bool) -> None:
        """Let time pass, with an engine that looks or without."""
        self.clock.advance(step)
        if is_seen:
            self.look()

    @rule(jump=JUMPS, is_seen=st.booleans())
    def jump(self, jump: float, is_seen: bool) -> None:
        """Set the clock, within what calendars of today hold."""
        to = self.clock.now() + jump
        if abs(to - START) < 15 * YEAR_S:
            self.clock.jump(to)
        if is_seen:
            self.look()

    @rule(times=st.integers(1, 3))
    def look(self, times: int = 1) -> None:
        """Look, perhaps several times in one group."""
        with self.store.group():
            for _ in range(times):
                self.store.schedules.fire_due()
        self.model.look(self.clock.now())
        self.note()

    @rule()
    def look_in_vain(self) -> None:
        """Look in a group that is undone, as by a kill before its commit."""
        with pytest.raises(ZeroDivisionError):
            self.fail()

    @rule()
    def reopen(self) -> None:
        """Close the file and open it again."""
        self.store.close()
        self.store = Store.open(self.folder / "jobs.db", clock=self.clock, durability="relaxed")

    @precondition(lambda self: self.known)
    @rule(is_deleted=st.booleans())
    def end_all(self, is_deleted: bool) -> None:
        """End every job, and perhaps delete it, so that its key is gone; in one group, as a worker's report is."""
        with self.store.group():
            for job in self.jobs():
                if is_deleted:
                    self.store.control.delete(job.id)
                elif not job.state.is_final:
                    self.store.jobs.update_status(job.id, State.CANCELLED)
        self.model.is_busy = False
        self.model.run_queued()
        self.note()

    @rule()
    def pause(self) -> None:
        """Pause the schedule."""
        with self.store.group():
            self.store.schedules.pause(NAME)
        self.model.is_paused = True

    @precondition(lambda self: self.model.is_paused)
    @rule()
    def resume(self) -> None:
        """Let it go on from now."""
        with self.store.group():
            self.store.schedules.resume(NAME)
        self.model.is_paused = False
        self.model.looked_at = self.model.seen_at = self.clock.now()

    @invariant()
    def fire_times_have_had_one_job_each(self) -> None:
        """The jobs that ever were are exactly those of the model, each once."""
        assert len(self.made) == len(set(self.made))
        assert set(self.made) == self.model.used

    @invariant()
    def row_says_what_comes_next(self) -> None:
        """Right after a look the next time is the first to come that had no job; what waits is what the model has."""
        with self.store.group():
            kept = self.store.schedules.get(NAME)
        now = self.clock.now()
        if self.model.looked_at == now and not self.model.is_paused:
            assert kept.next_at == next(at for at in fire_times(kept.rule, now) if at not in self.model.used)
        assert kept.queued_at == self.model.queued
        assert kept.is_paused == self.model.is_paused
        assert kept.fault is None

    def jobs(self) -> list[Job]:
        """Return the jobs that are there, inside a group."""
        return [view.job for view in self.store.queries.jobs(limit=10_000)]

    def note(self) -> None:
        """Note the jobs that are new."""
        with self.store.group():
            new = [job for job in self.jobs() if job.id not in self.known]
        self.known.update(job.id for job in new)
        self.made += [job.metadata["fire_at"] for job in new]

    def fail(self) -> None:
        """Fire in a group that raises in the end."""
        with self.store.group():
            self.store.schedules.fire_due()
            self.store.follow_up()
            raise ZeroDivisionError


TestSchedules = ScheduleMachine.TestCase
TestSchedules.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
