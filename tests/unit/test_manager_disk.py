"""The manager over a disk that is full or fails: nothing told is lost, no job is blamed, and little is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from actor_rig import Hand, ManagerRig, answer_of

from bequest.actors.manager import RETRY_S, Tick
from bequest.actors.messages import CompleteJobs, CreateJob, GetJob, RenewLeases
from bequest.actors.settlements import is_needless
from bequest.engine.errors import DiskError
from bequest.engine.records import Completion, Lease, LeaseRef, NewJob, OwnStep, State
from bequest.engine.store import Store
from bequest.testing.faulty_disk import FaultyDisk
from bequest.testing.manual_clock import ManualClock

pytest_plugins = ["manager_fixtures"]
CREATE = CreateJob(job=NewJob(kind="page"))
SMALL_CACHE = "PRAGMA cache_size=10"  # pages: what does not fit is written to the log before its commit
LARGE = "x" * 400_000


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """Give a disk on which nothing fails yet."""
    with FaultyDisk() as made:
        yield made


@pytest.fixture(name="store")
def store_on_disk(disk: FaultyDisk, tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """Give a store on it."""
    opened = Store.open(tmp_path / "jobs.db", clock=clock, vfs=disk.vfs)
    opened._database.script(SMALL_CACHE)
    yield opened
    opened.close()


@pytest.fixture
def other() -> Iterator[Hand]:
    """Give another one."""
    made = Hand()
    yield made
    made.stop()


def lease_one(rig: ManagerRig, hand: Hand) -> Lease:
    rig.ask(CREATE)
    rig.address.tell(hand.want())
    (lease,) = hand.assigned()
    return lease


def failing(error: Exception) -> Callable[..., object]:
    """Return what raises *error* whatever it is given."""

    def fail(*_given: object) -> object:
        raise error

    return fail


def completed(lease: Lease) -> Completion:
    """Return an end that takes more room than a full disk has, before its commit."""
    return Completion(job_id=lease.job_id, token=lease.token, state=State.COMPLETED, result=LARGE)


@pytest.mark.parametrize("is_leaving", [False, True], ids=["a free worker", "a worker that leaves"])
def test_result_that_has_no_room_is_stored_when_there_is(
    rig: ManagerRig, disk: FaultyDisk, hand: Hand, is_leaving: bool
) -> None:
    """A full disk is no fault of the job: what its handler returned is told again, as it is, until it is stored."""
    lease = lease_one(rig, hand)
    disk.fill()
    done = completed(lease)
    rig.address.tell(CompleteJobs(completions=(done,)) if is_leaving else hand.want(done))
    for _ in range(3):
        rig.address.tell(Tick())
    before = rig.ask(GetJob(job_id=lease.job_id)).state

    disk.heal()
    rig.address.tell(Tick())

    job = rig.ask(GetJob(job_id=lease.job_id))
    assert disk.failed > 0
    assert (before, job.state, job.result == LARGE) == (State.RUNNING, State.COMPLETED, True)


def test_result_that_has_no_room_keeps_nothing_else_waiting(
    rig: ManagerRig, store: Store, hand: Hand, other: Hand, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What falls due meanwhile is given out, and the result is stored once there is room."""
    lease = lease_one(rig, hand)
    rig.ask(CreateJob(job=NewJob(kind="later", run_at=clock.now() + 5)))
    rig.address.tell(other.want(kind="later"))
    with monkeypatch.context() as patched:
        patched.setattr(store.completions, "complete", failing(DiskError()))
        rig.address.tell(hand.want(completed(lease)))
        rig.address.tell(Tick())
        clock.advance(5)
        rig.address.tell(Tick())
        (due,) = other.assigned()
    rig.address.tell(Tick())

    assert due.kind == "later"
    assert rig.ask(GetJob(job_id=lease.job_id)).state is State.COMPLETED


def test_lease_that_could_not_be_renewed_does_not_end(
    rig: ManagerRig, disk: FaultyDisk, hand: Hand, clock: ManualClock
) -> None:
    """A handler that works on while the disk is full loses nothing by it: its lease is renewed before it is judged."""
    lease = lease_one(rig, hand)
    disk.fill()
    ref = LeaseRef(job_id=lease.job_id, token=lease.token)
    refused = [answer_of(rig.address.ask_later(RenewLeases(leases=(ref,), lease_s=60.0))) for _ in range(2)]
    clock.advance(90)
    rig.address.tell(Tick())
    rig.ask(GetJob(job_id=lease.job_id))

    disk.heal()
    rig.address.tell(Tick())

    assert all("Full: database or disk is full" in str(error) for error in refused)
    job = rig.ask(GetJob(job_id=lease.job_id))
    assert (job.state, job.token, job.lease_until) == (State.RUNNING, lease.token, clock.now() + 60)


def test_what_falls_due_on_a_full_disk_is_done_soon_after(
    rig: ManagerRig, disk: FaultyDisk, hand: Hand, clock: ManualClock
) -> None:
    """The manager has itself woken a second later, not at the next sweep."""
    rig.ask(CreateJob(job=NewJob(kind="page", run_at=clock.now() + 5)))
    rig.address.tell(hand.want())
    disk.fill()
    clock.advance(5)
    rig.address.tell(Tick())
    rig.ask(GetJob(job_id=1))
    woken_at = rig.wakes[-1]

    disk.heal()
    rig.address.tell(Tick())

    assert hand.assigned()[0].job_id == 1
    assert woken_at == clock.now() + RETRY_S


def test_what_falls_due_and_is_undone_is_done_soon_after(
    rig: ManagerRig, store: Store, hand: Hand, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing is in doubt and nobody's message was put off."""
    rig.ask(CreateJob(job=NewJob(kind="page", run_at=clock.now() + 5)))
    rig.address.tell(hand.want())
    clock.advance(5)
    with monkeypatch.context() as patched:
        patched.setattr(store.leases, "expire", failing(DiskError()))
        rig.address.tell(Tick())
        rig.ask(GetJob(job_id=1))
        woken = rig.wakes.copy()
    rig.address.tell(Tick())

    assert hand.assigned()[0].job_id == 1
    assert clock.now() + RETRY_S in woken


def test_full_disk_is_told_of_once_a_minute(
    rig: ManagerRig, disk: FaultyDisk, hand: Hand, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A group that fails each second makes a line a minute, with the cause, and one in the end."""
    lease = lease_one(rig, hand)
    caplog.set_level("INFO", "bequest")
    disk.fill()
    rig.address.tell(hand.want(completed(lease)))
    for _ in range(120):
        rig.address.tell(Tick())
        rig.ask(GetJob(job_id=1))
        clock.advance(1.0)
    during = [(record.levelname, record.getMessage()) for record in caplog.records]

    disk.heal()
    rig.address.tell(Tick())
    rig.ask(GetJob(job_id=1))

    assert during == [("ERROR", "a group was not written; what can be repeated is")] * 2
    assert "Full: database or disk is full" in str(vars(caplog.records[0])["error"])
    assert [record.getMessage() for record in caplog.records[2:]] == ["the database is written again"]


def test_refused_ask_names_the_disk(rig: ManagerRig, disk: FaultyDisk) -> None:
    """Who asks for what has no room is told what was found, whichever statement met it."""
    disk.fill()
    found = answer_of(rig.address.ask_later(CreateJob(job=NewJob(kind="page", config=LARGE))))

    assert isinstance(found, DiskError)
    assert "Full: database or disk is full" in str(found)


def test_put_off_makes_room_for_what_is_newer(hand: Hand, other: Hand) -> None:
    """What is put off does not grow by what a worker asks again and again, and loses no result."""
    lease = Lease(
        job_id=1,
        token=1,
        lease_until=1.0,
        kind="page",
        config=None,
        metadata={},
        parent_id=None,
        attempts=1,
        max_attempts=1,
        own_step=OwnStep.NONE,
        timeout_s=None,
    )
    renewal = RenewLeases(leases=(LeaseRef(job_id=1, token=1),), lease_s=60.0)

    assert is_needless(hand.want(), hand.want(completed(lease)))
    assert not is_needless(hand.want(completed(lease)), hand.want())
    assert not is_needless(other.want(), hand.want())
    assert is_needless(renewal, renewal)
    assert not is_needless(renewal, hand.want())
