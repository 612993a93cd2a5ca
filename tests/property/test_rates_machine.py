"""Lanes that wait for tokens, against the buckets themselves: whatever is undone, opened again or set back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from bequest.engine.limits import Bucket, KindTerms, Rate, rates_of, refilled
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.records import Completion, Lease, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

TERMS = {
    "slow": KindTerms(kind="slow", partition_rate=Rate(jobs=1, per_s=60.0)),
    "burst": KindTerms(kind="burst", partition_rate=Rate(jobs=2, per_s=10.0), rate=Rate(jobs=4, per_s=20.0)),
}
PARTITIONS = st.sampled_from(["", "x"])
KINDS = st.sampled_from(sorted(TERMS))
LEASE_S = 1e6
ROUNDING = 1e-6  # of tokens, and of seconds
PAUSE = Pause(scope=PauseScope.KIND, name="slow")


class UndoneError(Exception):
    """What a group was undone for."""


class RatesMachine(RuleBasedStateMachine):
    """Drives the claims of one queue."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(1_000_000_000.0)
        self.folder = TemporaryDirectory()
        self.store = Store.open(Path(self.folder.name) / "jobs.db", clock=self.clock, durability="relaxed")
        self.held: list[Lease] = []

    def teardown(self) -> None:
        """Look whether all is sound, and close."""
        try:
            with self.store.group():
                assert self.store.queries.integrity() == []
        finally:
            self.store.close()
            self.folder.cleanup()

    @rule(
        kind=KINDS,
        partition=PARTITIONS,
        jobs=st.integers(1, 4),
        later_s=st.sampled_from([0.0, 0.0, 5.0]),
        is_below=st.booleans(),
    )
    def make(self, kind: str, partition: str, jobs: int, later_s: float, is_below: bool) -> None:
        """Make jobs, or children of a new parent."""
        new = [NewJob(kind=kind, partition=partition, run_at=self.clock.now() + later_s)] * jobs
        with self.store.group():
            if is_below:
                (parent,) = self.store.jobs.create([NewJob(kind="parent", state=State.WAITING)])
                self.store.parents.spawn(parent.job_id, new)
            else:
                self.store.jobs.create(new)

    @rule(limit=st.sampled_from([1, 50, 50]))
    def claim(self, limit: int) -> None:
        """Where places are left, nothing is left that may start, and somebody is woken for what may start later."""
        with self.store.group():
            leases = self.store.claims.claim("default", tuple(TERMS.values()), limit, LEASE_S)
            wake_at = self.store.changes.wake_at
            starts = [self.may_start_at(*row) for row in self.due()]
        self.held += leases
        if len(leases) < limit:
            assert all(at > self.clock.now() and wake_at <= at + ROUNDING for at in starts)

    @rule(limit=st.integers(1, 5), is_alone=st.booleans(), back_s=st.sampled_from([0.0, 0.0, 1000.0]))
    def claim_in_vain(self, limit: int, is_alone: bool, back_s: float) -> None:
        """Claim, perhaps with the clock set back, and have it undone: alone, or with its group."""
        self.clock.jump(self.clock.now() - back_s)
        with suppress(UndoneError), self.store.group(), suppress(UndoneError if is_alone else ZeroDivisionError):
            with self.store.savepoint():
                self.store.claims.claim("default", tuple(TERMS.values()), limit, LEASE_S)
                raise UndoneError

    @precondition(lambda self: self.held)
    @rule(is_retried=st.booleans())
    def end(self, is_retried: bool) -> None:
        """End an attempt."""
        lease = self.held.pop()
        how: dict[str, Any] = {"state": State.PENDING, "counts": False} if is_retried else {"state": State.COMPLETED}
        with self.store.group():
            self.store.completions.complete([Completion(job_id=lease.job_id, token=lease.token, **how)])

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete a job that is due."""
        with self.store.group():
            if due := self.due():
                self.store.control.delete(data.draw(st.sampled_from(due))[0])

    @rule(is_paused=st.booleans())
    def pause(self, is_paused: bool) -> None:
        """Pause and resume a kind."""
        with self.store.group():
            if is_paused:
                self.store.control.pause(PAUSE)
            else:
                self.store.control.resume(PAUSE)

    @rule(seconds=st.sampled_from([1.0, 5.0, 100.0, -10.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass, or set the clock back."""
        if seconds < 0:
            self.clock.jump(self.clock.now() + seconds)
        else:
            self.clock.advance(seconds)

    @rule()
    def reopen(self) -> None:
        """Open the file again, as after a commit in doubt."""
        self.store.reopen()

    def due(self) -> list[tuple[int, str, str]]:
        """Return the jobs that only wait for tokens, each with its kind and its partition."""
        paused = {PAUSE.name} if self.store.control.pauses() else set()
        rows = self.store._database.rows(
            "SELECT id, kind, partition FROM job WHERE state = 0 AND run_at <= ?", (self.clock.now(),)
        )
        return [(job_id, kind, partition) for job_id, kind, partition in rows if kind not in paused]

    def may_start_at(self, _: int, kind: str, partition: str) -> float:
        """Return when there is a token for a job, of every bucket that it takes one of."""
        now, at = self.clock.now(), self.clock.now()
        for name, rate in rates_of(TERMS[kind], partition):
            row = self.store._database.row("SELECT tokens, filled_at FROM bucket WHERE name = ?", (name,))
            missing = 1.0 - refilled(None if row is None else Bucket(*row), rate, now)
            if missing > -ROUNDING:  # of what is there to a hair's breadth, the next moment is as good
                at = max(at, now + max(missing, 0.0) * rate.per_s / rate.jobs + ROUNDING)
        return at


TestRates = RatesMachine.TestCase
TestRates.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
