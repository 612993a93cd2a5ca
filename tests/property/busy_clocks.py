"""A busy engine whose wall clock jumps: leases, retries, schedules, rates and retention at once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bequest import Engine, EngineState, JobContext, JobHandle, Keep, Rate, Retention, Retry, State
from bequest.testing.manual_clock import ManualClock

PATIENCE_S = 60.0
START = 1_806_195_600.0  # 2027-03-28T01:00Z, when summer time begins in Europe
HOUR_S, YEAR_S = 3_600.0, 365.25 * 86_400
JUMPS = (HOUR_S, -HOUR_S, 10 * YEAR_S, -10 * YEAR_S, 86_400.0, -86_400.0, 217 * 86_400.0)  # the last, to winter time
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca")
JOBS_A_STEP = 8


class Jumped(NamedTuple):
    """What was done."""

    jumps: int
    jobs: int
    fired: int


class Busy:
    """The engine and what its handlers have done."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock(START)
        self.done: Counter[int] = Counter()
        self.fired: Counter[tuple[str, float]] = Counter()
        self.lock = threading.Lock()
        keep = {"brief": Keep(completed_s=600.0)}
        self.engine = Engine(
            path, clock=self.clock, durability="relaxed", queues={"default": 3}, retention=Retention(kinds=keep)
        )
        retry = Retry(max_attempts=3, base_s=30.0, backoff="fixed")

        def plain(job: JobContext, fails: bool) -> None:
            if fails and job.attempt == 1:
                raise ValueError("the first attempt fails")
            self.note(job)

        self.engine.kind("plain", retry=retry)(plain)
        self.engine.kind("brief", retry=retry)(plain)
        self.engine.kind("rated", retry=retry, rate=Rate(jobs=2, per_s=10.0))(plain)

        @self.engine.kind("long", retry=retry)
        def long(job: JobContext, may_end: str) -> None:
            assert self.may_end.wait(PATIENCE_S)
            self.note(job)

        @self.engine.kind("report", retry=retry)
        def report(job: JobContext, name: str) -> None:
            with self.lock:
                self.fired[name, job.metadata["fire_at"]] += 1

        self.may_end = threading.Event()

    def note(self, job: JobContext) -> None:
        """Note that a job was done."""
        with self.lock:
            self.done[job.id] += 1


def be_busy(path: Path, steps: int, seed: int) -> Jumped:
    """Jump so often; raises ``AssertionError`` for what is lost or done twice."""
    chance = random.Random(seed)  # noqa: S311
    busy = Busy(path)
    made: set[int] = set()
    with busy.engine as engine:
        for zone in ZONES:
            engine.schedules.put(zone, "report", zone, cron="30 * * * *", timezone=zone, catch_up="all")
        engine.schedules.put("often", "report", "often", every_s=45.0)
        for step in range(steps):
            busy.may_end.clear()
            long: JobHandle[None] = engine.enqueue("long", "it")
            kinds = chance.choices(["plain", "brief", "rated"], k=JOBS_A_STEP)
            made |= {long.id, *(engine.enqueue(kind, chance.random() < 0.5).id for kind in kinds)}
            jump(busy.clock, chance)
            assert engine.health().state is EngineState.RUNNING, f"seed {seed}, step {step}"
            busy.may_end.set()
            assert long.wait(PATIENCE_S) is State.COMPLETED, f"seed {seed}, step {step}"
            assert long.job().attempts == 1, f"seed {seed}, step {step}: a job that ran was begun again"
            rest(busy)  # so that no lease is older than what passes in a step
        finish(busy, len(made), seed)
        health = engine.health()
    assert (health.state, health.restarts) == (EngineState.RUNNING, 0), f"seed {seed}: {health}"
    assert {job_id for job_id, count in busy.done.items() if count != 1} == set(), f"seed {seed}: done twice"
    assert made == busy.done.keys(), f"seed {seed}: lost"
    assert max(busy.fired.values()) == 1, f"seed {seed}: a fire time was doubled"
    return Jumped(steps, len(made), len(busy.fired))


def rest(busy: Busy) -> None:
    """Wait until nothing runs; then nothing may start before the clock moves, for workers report and ask at once."""
    pause = threading.Event()
    while any(one.jobs.running for one in busy.engine.stats()):
        pause.wait(0.001)


def jump(clock: ManualClock, chance: random.Random) -> None:
    """Set the wall clock, sleep, or let time pass while the wall stands; and then some time passes."""
    match chance.randrange(4):
        case 0:
            wall = clock.now()
            clock.advance(chance.uniform(1.0, 30.0))
            clock.jump(wall)
        case 1:
            clock.jump(clock.now() + chance.uniform(60.0, 86_400.0))
        case _:
            to = clock.now() + chance.choice(JUMPS)
            clock.jump(to if abs(to - START) < 15 * YEAR_S else START)
    clock.advance(chance.uniform(0.0, 10.0))


def finish(busy: Busy, jobs: int, seed: int) -> None:
    """Let time pass until all that was made has been done, in no more of it than the rate and the retries ask for."""
    for schedule in busy.engine.schedules.list():
        busy.engine.schedules.remove(schedule.name)
    for _ in range(jobs):
        rest(busy)
        if len(busy.done) >= jobs:
            return
        busy.clock.advance(10.0)
    left = [(one.kind, one.jobs) for one in busy.engine.stats()]
    raise AssertionError(f"seed {seed}: {len(busy.done)} of {jobs} done, {left}")
