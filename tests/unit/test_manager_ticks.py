"""What the manager does as time passes: leases, due jobs, the write-ahead log, and when it is to be woken."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from actor_rig import PATIENCE_S, Hand, ManagerRig, answer_of

from bequest.actors.manager import Tick
from bequest.actors.messages import (
    ClaimJobs,
    CreateJob,
    GetJob,
    SpawnChildren,
)
from bequest.engine.limits import KindTerms
from bequest.engine.records import NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

pytest_plugins = ["manager_fixtures"]
CREATE = CreateJob(job=NewJob(kind="page", max_attempts=2))
PARENT = CreateJob(job=NewJob(kind="crawl", state=State.WAITING))
CHILDREN = SpawnChildren(parent_id=1, jobs=(NewJob(kind="page"), NewJob(kind="page")), seal=True)


def test_tick_ends_leases_and_assigns_what_they_held(rig: ManagerRig, hand: Hand, clock: ManualClock) -> None:
    """At its deadline a lease ends, and a worker that waits gets the job in the same group."""
    rig.ask(CREATE)
    rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=30.0))
    rig.address.tell(hand.want())

    clock.advance(29.9)
    rig.address.tell(Tick())
    rig.ask(GetJob(job_id=1))
    was_idle = hand.is_idle()
    clock.advance(0.1)
    rig.address.tell(Tick())

    assert was_idle
    assert [(lease.job_id, lease.token) for lease in hand.assigned()] == [(1, 2)]


def test_tick_assigns_jobs_at_their_time(rig: ManagerRig, hand: Hand, clock: ManualClock) -> None:
    """A job for later is assigned when its time has come, and not before."""
    rig.address.tell(hand.want())
    rig.ask(CreateJob(job=NewJob(kind="page", run_at=clock.now() + 60.0)))
    rig.address.tell(Tick())
    rig.ask(GetJob(job_id=1))
    was_idle = hand.is_idle()

    clock.advance(60.0)
    rig.address.tell(Tick())

    assert was_idle
    assert [lease.job_id for lease in hand.assigned()] == [1]


def test_manager_says_when_to_wake_it(rig: ManagerRig, clock: ManualClock) -> None:
    """After each commit the alarm is told the earliest time that something falls due: a job, or the end of a lease."""
    now = clock.now()
    rig.ask(CREATE)
    rig.ask(CreateJob(job=NewJob(kind="page", run_at=now + 500.0)))
    rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=30.0))
    rig.address.tell(Tick())
    rig.ask(GetJob(job_id=1))

    assert [at - now for at in rig.wakes if at < float("inf")] == [500.0, 30.0, 30.0]


def test_tick_writes_the_wal_back(
    rig: ManagerRig, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing else is due the WAL is emptied, so that nothing deleted stays in it."""
    rig.ask(CREATE)
    wal = tmp_path / "jobs.db-wal"
    before = wal.stat().st_size
    is_done = threading.Event()
    truncate_wal = store.truncate_wal

    def truncate() -> None:
        truncate_wal()
        is_done.set()

    monkeypatch.setattr(store, "truncate_wal", truncate)

    rig.address.tell(Tick())

    assert is_done.wait(PATIENCE_S)
    assert (before > 0, wal.stat().st_size) == (True, 0)


def test_tick_does_not_hold_up_what_waits(rig: ManagerRig, tmp_path: Path) -> None:
    """While there is work the WAL is left to grow: it is emptied when the manager is idle."""
    for _ in range(5):
        rig.ask(CREATE)
    wal = tmp_path / "jobs.db-wal"
    before = wal.stat().st_size
    let_go = rig.hold()
    rig.address.tell(Tick())
    behind = rig.address.ask_later(CREATE)

    let_go()
    answer_of(behind)

    assert wal.stat().st_size >= before
