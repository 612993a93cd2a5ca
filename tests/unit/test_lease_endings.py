"""How leases go on and end: renewed, given back, run out, or left behind by a process that is no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bequest.engine.errors import CommitInDoubtError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Job, JobError, Lease, LeaseRef, NewJob, State
from bequest.engine.store import Store
from bequest.testing.disk_vfs import OperationName
from bequest.testing.faulty_disk import FaultPlan, FaultyDisk
from bequest.testing.manual_clock import ManualClock

LEASE_S = 60.0


def run(store: Store, count: int) -> int:
    """Make a parent with so many pages and return its id."""
    with store.group():
        (parent,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
        store.parents.spawn(parent.job_id, [NewJob(kind="page", max_attempts=2)] * count)
    return parent.job_id


def claim(store: Store, limit: int = 1) -> list[Lease]:
    with store.group():
        return store.claims.claim("default", (KindTerms(kind="page"),), limit, LEASE_S)


def get(store: Store, job_id: int) -> Job:
    with store.group():
        return store.jobs.get(job_id)


def ref(lease: Lease) -> LeaseRef:
    return LeaseRef(job_id=lease.job_id, token=lease.token)


# Renewing and giving back


def test_renewed_lease_lasts_from_now(store: Store, clock: ManualClock) -> None:
    """A heartbeat moves the deadline and costs no attempt (I5)."""
    run(store, 1)
    (lease,) = claim(store)
    clock.advance(50.0)

    with store.group():
        lost = store.leases.renew([ref(lease)], LEASE_S)
        wake_at = store.changes.wake_at

    job = get(store, lease.job_id)
    assert (lost, job.lease_until, job.attempts, job.token) == ([], clock.now() + LEASE_S, 1, lease.token)
    assert wake_at == clock.now() + LEASE_S


def test_released_lease_costs_no_attempt(store: Store, clock: ManualClock) -> None:
    """A job that is given back unused is due at once, as if it had not been claimed (I5)."""
    parent_id = run(store, 1)
    (lease,) = claim(store)
    clock.advance(5.0)

    with store.group():
        lost = store.leases.release([ref(lease)])
        noted = store.changes.has_due_work, store.changes.jobs, store.changes.parents

    job = get(store, lease.job_id)
    assert (lost, job.state, job.attempts, job.run_at) == ([], State.PENDING, 0, clock.now())
    assert noted == (True, {lease.job_id}, {parent_id})


@pytest.mark.parametrize("verb", ["renew", "release"])
def test_stale_holder_is_refused_and_told(store: Store, verb: str) -> None:
    """A token that is not the newest renews and releases nothing, also beside the newest (I4)."""
    run(store, 2)
    (stale,) = claim(store)
    with store.group():
        store.leases.release([ref(stale)])
    held = claim(store, 2)
    before = [get(store, lease.job_id) for lease in held]
    refs = [ref(stale), LeaseRef(job_id=999, token=1)]

    with store.group():
        lost = store.leases.renew(refs, 1.0) if verb == "renew" else store.leases.release(refs)
    after = [get(store, lease.job_id) for lease in held]
    with store.group():
        beside = [*refs, *map(ref, held)]
        lost_beside = store.leases.renew(beside, 1.0) if verb == "renew" else store.leases.release(beside)

    assert lost == lost_beside == [stale.job_id, 999]
    assert before == after


# Leases that end by themselves


def test_expired_lease_makes_the_job_due_again(store: Store, clock: ManualClock) -> None:
    """A worker that does not report loses its job, and its attempt counts (I5)."""
    parent_id = run(store, 1)
    (lease,) = claim(store)
    clock.advance(LEASE_S)

    with store.group():
        count = store.leases.expire()
        noted = store.changes.has_due_work, store.changes.jobs, store.changes.parents

    job = get(store, lease.job_id)
    assert (count, job.state, job.attempts, job.run_at) == (1, State.PENDING, 1, clock.now())
    assert job.error == JobError(type="lease_expired", message="its worker did not report before the lease ended")
    assert noted == (True, {lease.job_id}, {parent_id})


def test_lease_that_has_not_ended_does_not_expire(store: Store, clock: ManualClock) -> None:
    """Up to its deadline a lease is its holder's."""
    run(store, 1)
    (lease,) = claim(store)
    clock.advance(LEASE_S - 0.5)

    with store.group():
        count = store.leases.expire()
        has_due_work = store.changes.has_due_work

    assert (count, has_due_work, get(store, lease.job_id).state) == (0, False, State.RUNNING)


def test_lease_outlives_a_clock_that_jumps_ahead(store: Store, clock: ManualClock) -> None:
    """After a sleep or a clock put right the holder still works: what has passed for it is what the lease is for."""
    run(store, 1)
    claim(store)
    clock.advance(LEASE_S - 4.0)
    ended: list[int] = []

    clock.jump(clock.now() + 86_400.0)
    for seconds in (0.0, 3.5, 1.0):
        clock.advance(seconds)
        with store.group():
            ended.append(store.leases.expire())

    assert ended == [0, 0, 1]


@pytest.mark.parametrize(("operation", "is_written"), [("sync", True), ("write", False)])
def test_lease_follows_a_jump_once_though_its_commit_failed(
    tmp_path: Path, clock: ManualClock, operation: OperationName, is_written: bool
) -> None:
    """A group that was to follow the clock and is in doubt may be written, and is then not done again (I20)."""
    with FaultyDisk() as disk:
        store = Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs)
        run(store, 1)
        (lease,) = claim(store)
        clock.jump(clock.now() + 86_400.0)
        disk.fail(FaultPlan(at=1, operations=(operation,)))
        with pytest.raises(CommitInDoubtError), store.group():
            pass
        disk.heal()
        store.reopen()
        found_at = store._database.row("SELECT lease_until FROM job WHERE state = 1")

        job = get(store, lease.job_id)
        store.close()

    assert (found_at == (job.lease_until,)) is is_written
    assert job.lease_until == clock.now() + LEASE_S


def test_lease_made_after_a_jump_is_as_long_as_it_says(store: Store, clock: ManualClock) -> None:
    """Only what the jump went over is let last on."""
    run(store, 1)
    clock.jump(clock.now() + 86_400.0)
    (lease,) = claim(store)

    with store.group():
        store.leases.expire()

    assert get(store, lease.job_id).lease_until == lease.lease_until


def test_job_whose_every_lease_expires_fails_at_its_last_attempt(store: Store, clock: ManualClock) -> None:
    """Attempts never pass the maximum: the last lease that ends fails the job (I5)."""
    run(store, 1)
    claimed = 0

    for _ in range(5):
        claimed += len(claim(store))
        clock.advance(LEASE_S)
        with store.group():
            store.leases.expire()

    job = get(store, 2)
    assert (claimed, job.state, job.attempts, job.finished_at) == (2, State.FAILED, 2, clock.now() - 3 * LEASE_S)


@pytest.mark.parametrize("verb", ["complete", "renew", "release"])
def test_expired_lease_is_stale_once_the_job_is_claimed_again(store: Store, clock: ManualClock, verb: str) -> None:
    """A worker that was paused past its deadline changes nothing for the one that came after it (I3, I4)."""
    run(store, 1)
    (stale,) = claim(store)
    clock.advance(LEASE_S)
    with store.group():
        store.leases.expire()
    (held,) = claim(store)
    before = get(store, held.job_id)

    with store.group():
        lost = {
            "complete": lambda: store.completions.complete(
                [Completion(job_id=stale.job_id, token=stale.token, state=State.COMPLETED)]
            ),
            "renew": lambda: store.leases.renew([ref(stale)], 999.0),
            "release": lambda: store.leases.release([ref(stale)]),
        }[verb]()

    assert (lost, get(store, held.job_id)) == ([stale.job_id], before)


def test_reclaim_puts_back_all_that_a_former_owner_was_running(store: Store, clock: ManualClock) -> None:
    """Nothing is said about the jobs by that: they are due at once, and no attempt is lost (I5, I19)."""
    parent_id = run(store, 3)
    leases = claim(store, 2)
    clock.advance(5.0)

    with store.group():
        count = store.leases.reclaim()
        noted = store.changes.has_due_work, store.changes.jobs, store.changes.parents

    jobs = [get(store, lease.job_id) for lease in leases]
    assert count == 2
    assert {(job.state, job.attempts, job.run_at, job.lease_until) for job in jobs} == {
        (State.PENDING, 0, clock.now(), None)
    }
    assert noted == (True, {lease.job_id for lease in leases}, {parent_id})


def test_reclaim_after_a_clean_end_does_nothing(store: Store) -> None:
    """Where nothing was running nothing is put back (I19)."""
    run(store, 1)

    with store.group():
        assert (store.leases.reclaim(), store.changes.has_due_work) == (0, False)


def test_lease_that_is_over_is_not_held(store: Store) -> None:
    """Of a lease that was given back, or of which the job was claimed again, nothing is left; of others all is."""
    run(store, 3)
    leases = claim(store, 3)
    with store.group():
        store.leases.release([ref(leases[0]), ref(leases[1])])
    (again,) = claim(store)

    with store.group():
        over = store.leases.not_held([ref(lease) for lease in leases])
        assert store.leases.not_held([ref(again), ref(leases[2])]) == []

    assert over == [leases[0].job_id, leases[1].job_id]


@pytest.mark.parametrize("jump_s", [-3_600.0, 3_600.0, -10 * 365 * 86_400.0])
def test_lease_lasts_as_long_as_time_passes_wherever_the_clock_is_set(
    store: Store, clock: ManualClock, jump_s: float
) -> None:
    """Set, and set right again between two renewals, the clock ends no lease, and no dead holder's lasts for ever."""
    begin = clock.now()
    clock.jump(begin + jump_s)
    with store.group():
        store.jobs.create([NewJob(kind="page")])
        (lease,) = store.claims.claim("default", [KindTerms(kind="page")], 1, 60.0)
    clock.jump(begin)
    clock.advance(59.0)
    with store.group():
        early = store.leases.expire()

    clock.advance(2.0)
    with store.group():
        late = store.leases.expire()

    assert (lease.lease_until, early, late) == (begin + jump_s + 60.0, 0, 1)


def test_group_that_is_undone_leaves_the_clock_to_be_followed(store: Store, clock: ManualClock) -> None:
    """What a group made of a jump is undone with it, and made again by the next."""
    with store.group():
        store.jobs.create([NewJob(kind="page")])
        store.claims.claim("default", [KindTerms(kind="page")], 1, 60.0)
    clock.jump(clock.now() + 3_600.0)
    with pytest.raises(ZeroDivisionError), store.group():
        raise ZeroDivisionError

    with store.group():
        expired = store.leases.expire()

    assert expired == 0


def test_retry_comes_as_soon_when_the_clock_is_set_back(store: Store, clock: ManualClock) -> None:
    """What is to be tried again in a minute is, though the clock was ten years ahead; what was put off stays so."""
    clock.jump(clock.now() + 10 * 365 * 86_400.0)
    with store.group():
        store.jobs.create([NewJob(kind="page", max_attempts=2), NewJob(kind="page", run_at=clock.now() + 60.0)])
        (lease,) = store.claims.claim("default", [KindTerms(kind="page")], 1, 60.0)
        again = Completion(job_id=lease.job_id, token=lease.token, state=State.PENDING, run_at=clock.now() + 60.0)
        store.completions.complete([again])
    clock.jump(clock.now() - 10 * 365 * 86_400.0)
    clock.advance(60.0)

    with store.group():
        claimed = store.claims.claim("default", [KindTerms(kind="page")], 9, 60.0)

    assert [one.job_id for one in claimed] == [lease.job_id]


class SetInBetween(ManualClock):
    """A clock that somebody sets, or that time passes on, right after its first reading in a group."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], None] | None = None

    def now(self) -> float:
        """Return the time on the wall."""
        return self.read(super().now())

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self.read(super().monotonic())

    def read(self, found: float) -> float:
        """Let happen what is to, after the first reading."""
        then, self.then = self.then, None
        if then is not None:
            then()
        return found


@pytest.mark.parametrize("seconds", [-3_600.0, 3_600.0, None])
def test_clock_that_is_set_while_it_is_read_ends_no_lease(tmp_path: Path, seconds: float | None) -> None:
    """Whatever happens between the two readings of a group, no lease is shorter for it than the time that passes."""
    clock = SetInBetween()
    store = Store.open(tmp_path / "jobs.db", clock=clock, durability="relaxed")
    with store.group():
        store.jobs.create([NewJob(kind="page")])
        store.claims.claim("default", [KindTerms(kind="page")], 1, 60.0)
    clock.then = (lambda: clock.advance(59.0)) if seconds is None else (lambda: clock.jump(clock.now() + seconds))

    with store.group():
        expired = store.leases.expire()
    with store.group():
        expired += store.leases.expire()

    store.close()
    assert expired == 0


def test_retry_that_was_said_before_the_clock_was_set_back_comes_as_soon(store: Store, clock: ManualClock) -> None:
    """A report that is under way while the clock is set back does not leave its job to the clock of before."""
    with store.group():
        store.jobs.create([NewJob(kind="page", max_attempts=2)])
        (lease,) = store.claims.claim("default", [KindTerms(kind="page")], 1, 60.0)
    said_at = clock.now()
    again = Completion(
        job_id=lease.job_id, token=lease.token, state=State.PENDING, run_at=said_at + 30.0, said_at=said_at
    )
    clock.jump(said_at - 3_600.0)

    with store.group():
        store.completions.complete([again])

    with store.group():
        assert store.jobs.get(lease.job_id).run_at == said_at - 3_600.0 + 30.0
