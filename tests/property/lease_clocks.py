"""Holders of leases beside a wall clock that anybody sets: who renews in time, as time passes, keeps what it holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, LeaseRef, NewJob, State
from bequest.engine.store import Store

TERMS = (KindTerms(kind="job"),)
LEASE_S = 60.0
BEAT_S = 20.0  # a holder renews so often
SILENT_S = 200.0  # and one that has died, never
START = 1_800_000_000.0
HOUR_S, YEAR_S = 3_600.0, 365.25 * 86_400
JUMPS = (HOUR_S, -HOUR_S, 10 * YEAR_S, -10 * YEAR_S, 86_400.0, -86_400.0, 5.0, -5.0, 1.5, 0.5)


class SetClock:
    """A clock whose two readings move as they are told, and which tells nobody."""

    def __init__(self) -> None:
        self.wall = START
        self.passed = 0.0

    def now(self) -> float:
        """Return the time on the wall."""
        return self.wall

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self.passed

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Tell nobody."""
        return lambda: None


class Held(NamedTuple):
    """A lease and when it was last known to be held, in seconds that have passed."""

    lease: LeaseRef
    renewed_at: float
    is_alive: bool


class Jumped(NamedTuple):
    """What was done."""

    jumps: int
    jobs: int
    renewals: int
    expired: int  # of holders that had died


class Rig:
    """A store, the clock, and who holds what."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.clock = SetClock()
        self.store = Store.open(path, clock=self.clock, durability="relaxed")
        self.chance = chance
        self.held: list[Held] = []
        self.jumps = self.renewals = self.expired = self.jobs = 0

    def step(self) -> None:
        """Do one thing, and all that is due before."""
        self.chance.choice([self.jump, self.sleep, self.claim, self.complete, self.look])()
        seconds = self.chance.uniform(0.0, 6.0)
        self.clock.passed += seconds
        self.clock.wall += seconds if self.chance.random() < 0.9 else 0.0  # it may stand, while time passes
        self.renew_due()

    def jump(self) -> None:
        """Set the wall clock."""
        to = self.clock.wall + self.chance.choice(JUMPS)
        if abs(to - START) < 15 * YEAR_S:
            self.clock.wall = to
            self.jumps += 1

    def sleep(self) -> None:
        """Suspend the machine: the wall goes on, and no time passes for anybody."""
        self.clock.wall += self.chance.uniform(60.0, 86_400.0)
        self.jumps += 1

    def claim(self) -> None:
        """Have somebody claim, who lives or dies at once."""
        with self.store.group():
            self.store.jobs.create([NewJob(kind="job", max_attempts=1_000)] * 3)
            self.jobs += 3
            leases = self.store.claims.claim("default", TERMS, self.chance.randint(1, 4), LEASE_S)
        alive = self.chance.random() < 0.8
        refs = [LeaseRef(job_id=one.job_id, token=one.token) for one in leases]
        gone = {ref.job_id for ref in refs}
        assert not [one for one in self.held if one.lease.job_id in gone and one.is_alive], "two hold one job"
        self.held = [one for one in self.held if one.lease.job_id not in gone]
        self.held += [Held(ref, self.clock.passed, alive) for ref in refs]

    def complete(self) -> None:
        """Let some end."""
        ending = [one for one in self.held if one.is_alive and self.chance.random() < 0.3]
        with self.store.group():
            ends = [Completion(job_id=one.lease.job_id, token=one.lease.token, state=State.COMPLETED) for one in ending]
            assert self.store.completions.complete(ends) == [], "a result was refused"
        self.held = [one for one in self.held if one not in ending]

    def look(self) -> None:
        """Do what the manager does when something may have fallen due."""
        with self.store.group():
            self.expired += self.store.leases.expire()
            self.store.claims.promote()

    def renew_due(self) -> None:
        """Have those who live renew in time, however long that is by the wall."""
        due = [one for one in self.held if one.is_alive and self.clock.passed - one.renewed_at >= BEAT_S]
        if due:
            with self.store.group():
                lost = self.store.leases.renew([one.lease for one in due], LEASE_S)
            assert lost == [], "a lease that was renewed in time is lost"
            self.renewals += len(due)
            renewed = [one._replace(renewed_at=self.clock.passed) for one in due]
            self.held = [one for one in self.held if one not in due] + renewed


def jump_often(path: Path, steps: int, seed: int) -> Jumped:
    """Take so many steps; raises ``AssertionError``, which names the step of that seed."""
    rig = Rig(path, random.Random(seed))  # noqa: S311
    for number in range(steps):
        try:
            rig.step()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, step {number}: {error}") from error
    rig.store.close()
    return Jumped(rig.jumps, rig.jobs, rig.renewals, rig.expired)
