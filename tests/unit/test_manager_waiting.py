"""What waits at the manager: workers and watchers, served by the very change that concerns them, and never for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pykka
import pytest
from actor_rig import Hand, ManagerRig, answer_of, read

from bequest.actors.asking import Ask, Reply
from bequest.actors.dispatch import Dispatch
from bequest.actors.manager import RETRY_S, Tick
from bequest.actors.messages import (
    CancelRun,
    ClaimJobs,
    CompleteJobs,
    CreateJob,
    GetJob,
    IncrementJobMetadata,
    SpawnChildren,
    UpdateJobStatus,
)
from bequest.actors.standing_messages import AwaitChange, AwaitSettled, Parked, WantJobs
from bequest.engine.clock import Clock
from bequest.engine.errors import DeadlineError, JobNotFoundError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Counts, NewJob, State
from bequest.engine.run_status import RunStatus
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

pytest_plugins = ["manager_fixtures"]
CREATE = CreateJob(job=NewJob(kind="page", max_attempts=2))
PARENT = CreateJob(job=NewJob(kind="crawl", state=State.WAITING))
CHILDREN = SpawnChildren(parent_id=1, jobs=(NewJob(kind="page"), NewJob(kind="page")), seal=True)


def state_of(path: Path, clock: Clock, job_id: int) -> State:
    return read(path, clock, lambda queries: queries.job(job_id).job.state)


def unseen(job_id: int) -> RunStatus:
    """Return a picture that no job of these tests ever shows."""
    return RunStatus(job_id=job_id, state=State.COMPLETED, pages=Counts())


class SeesState(Reply):
    """A reply that notes the state of a job, seen from outside, at the moment that it is set."""

    def __init__(self, path: Path, clock: Clock, job_id: int) -> None:
        super().__init__()
        self.place = path, clock, job_id
        self.state: State | None = None

    def set(self, value: Any = None) -> None:
        """Look, then be set."""
        self.state = state_of(*self.place)
        super().set(value)


class CountedWait(AwaitSettled, frozen=True, kw_only=True):
    """Counts how often it is looked at."""

    looks: list[int]

    def apply(self, store: Store) -> RunStatus | Parked:
        """Count, and look."""
        self.looks.append(self.job_id)
        return super().apply(store)


# Workers


def test_parked_worker_is_served_in_the_group_that_made_the_job(
    rig: ManagerRig, hand: Hand, tmp_path: Path, clock: ManualClock
) -> None:
    """When the one who made a job is answered, a worker that waited already holds it; nothing polls."""
    rig.address.tell(hand.want())
    rig.ask(PARENT)
    reply = SeesState(tmp_path / "jobs.db", clock, 2)

    rig.address.tell(Ask(CREATE, reply))

    assert answer_of(reply).job_id == 2
    assert reply.state is State.RUNNING
    assert [lease.job_id for lease in hand.assigned()] == [2]


def test_busy_worker_completes_and_claims_in_one_message(rig: ManagerRig, hand: Hand) -> None:
    """What a worker did and what it gets next travel in one message each way."""
    rig.ask_as_one_group(CREATE, CREATE)
    rig.address.tell(hand.want())
    (lease,) = hand.assigned()

    rig.address.tell(hand.want(Completion(job_id=lease.job_id, token=lease.token, state=State.COMPLETED)))

    assert [lease.job_id for lease in hand.assigned()] == [2]
    assert rig.ask(GetJob(job_id=1)).state is State.COMPLETED


def test_parked_worker_repeats_no_completion(rig: ManagerRig, hand: Hand) -> None:
    """A worker that had to wait is assigned work later, without what it had done being done again (I4)."""
    rig.ask(CREATE)
    rig.address.tell(hand.want())
    (lease,) = hand.assigned()
    rig.address.tell(hand.want(Completion(job_id=1, token=lease.token, state=State.COMPLETED)))

    rig.ask(CREATE)

    assert [lease.job_id for lease in hand.assigned()] == [2]


def test_workers_that_wait_are_served_in_turn(rig: ManagerRig) -> None:
    """Of two workers that wait the first one gets the next job."""
    first, second = Hand(), Hand()
    for hand in (first, second):
        rig.address.tell(hand.want())

    rig.ask(CREATE)
    got_first = first.assigned()
    rig.ask(CREATE)

    assert [lease.job_id for lease in (*got_first, *second.assigned())] == [1, 2]
    for hand in (first, second):
        hand.stop()


def test_want_that_was_overtaken_takes_no_newer_ones_place(rig: ManagerRig, hand: Hand) -> None:
    """A worker's threads report side by side; one that comes late, after what was assigned since, leaves it waiting."""
    rig.ask_as_one_group(CREATE, CREATE)
    now = msgspec.structs.replace(hand.want(limit=2), dispatch=Dispatch())
    rig.address.tell(now)
    assert len(hand.assigned()) == 2
    for want in (msgspec.structs.replace(now, taken=2), msgspec.structs.replace(now, limit=1)):
        rig.address.tell(want)
        rig.ask(GetJob(job_id=1))  # so that they are not of one group

    rig.ask(CREATE)

    assert [lease.job_id for lease in hand.assigned()] == [3]


def test_worker_of_another_kind_goes_on_waiting(rig: ManagerRig, hand: Hand) -> None:
    """Work that came for others is not assigned, and the worker is still there for its own."""
    rig.address.tell(hand.want(kind="other"))
    rig.ask(CREATE)
    was_idle = hand.is_idle()

    rig.ask(CreateJob(job=NewJob(kind="other")))

    assert was_idle
    assert [lease.job_id for lease in hand.assigned()] == [2]


def test_worker_that_has_ended_is_assigned_nothing(rig: ManagerRig, hand: Hand) -> None:
    """One that ended while it waited is passed over for those who still wait."""
    gone = Hand()
    rig.address.tell(gone.want())
    rig.address.tell(hand.want())
    rig.ask(PARENT)
    gone.stop()

    rig.ask(CREATE)

    assert [lease.job_id for lease in hand.assigned()] == [2]


def test_job_assigned_to_a_worker_that_is_just_ending_is_given_back(
    rig: ManagerRig, hand: Hand, clock: ManualClock
) -> None:
    """Where a worker ends between the commit and its assignment the job is due again soon, at no attempt (I3)."""

    class Ending:
        """Stands for a worker in that moment."""

        def is_alive(self) -> bool:
            """Be there still."""
            return True

        def tell(self, message: object) -> None:
            """Be gone."""
            raise pykka.ActorDeadError

    ending: Any = Ending()
    rig.ask(CREATE)
    rig.address.tell(WantJobs(worker=ending, queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=60.0))
    rig.address.tell(hand.want())
    rig.ask(GetJob(job_id=1))

    rig.address.tell(Tick())

    (lease,) = hand.assigned()
    assert (lease.job_id, lease.attempts) == (1, 1)
    assert clock.now() + RETRY_S in rig.wakes


def test_job_assigned_and_cancelled_in_one_group_is_lost_after_it_was_assigned(rig: ManagerRig) -> None:
    """The worker learns of the cancel behind the job, or its handler would go on until its lease is renewed (I10)."""

    class Near:
        def is_alive(self) -> bool:
            """Live."""
            return True

        def tell(self, message: Any) -> None:
            """Note what is assigned beside what is lost, negative."""
            rig.lost.extend(-lease.job_id for lease in message.leases)

    near: Any = Near()
    want = WantJobs(worker=near, queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=60.0)
    rig.ask_as_one_group(PARENT, CHILDREN)
    let_go = rig.hold()
    rig.address.tell(want)
    cancelled = rig.address.ask_later(CancelRun(job_id=1))
    let_go()

    assert answer_of(cancelled) == 3
    rig.stop()
    assert rig.lost == [2, -2, 2]


# Watchers


def test_waiter_is_answered_by_the_change_that_settles(rig: ManagerRig) -> None:
    """Who waits for the end of a job is answered when that is stored, and not by changes before."""
    rig.ask_as_one_group(PARENT, CHILDREN)
    waiter = rig.address.ask_later(AwaitSettled(job_id=1))
    rig.ask(UpdateJobStatus(job_id=2, state=State.CANCELLED))
    with pytest.raises(DeadlineError):
        rig.address.ask(AwaitSettled(job_id=1), timeout_s=0.001)

    rig.ask(CancelRun(job_id=1))

    assert answer_of(waiter).state is State.CANCELLED


def test_waiter_for_what_has_ended_is_answered_at_once(rig: ManagerRig) -> None:
    """Nothing is parked where there is nothing to wait for."""
    rig.ask_as_one_group(CREATE, CancelRun(job_id=1))

    assert rig.ask(AwaitSettled(job_id=1)).state is State.CANCELLED


@pytest.mark.parametrize("message", [AwaitSettled(job_id=9), AwaitChange(seen=unseen(9))])
def test_waiter_for_no_job_is_refused(rig: ManagerRig, message: AwaitSettled | AwaitChange) -> None:
    """Nobody waits for a job that does not exist."""
    assert isinstance(answer_of(rig.address.ask_later(message)), JobNotFoundError)


def test_waiter_for_a_stalled_run_is_answered(rig: ManagerRig) -> None:
    """A run of which all that is unfinished waits for a credential goes no further by itself, and says so."""
    rig.ask_as_one_group(PARENT, CHILDREN)
    waiter = rig.address.ask_later(AwaitSettled(job_id=1))
    leases = rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=2, lease_s=60.0))

    rig.ask(
        CompleteJobs(
            completions=tuple(
                Completion(job_id=lease.job_id, token=lease.token, state=State.WAITING, waits_for="wiki", counts=False)
                for lease in leases
            )
        )
    )

    assert answer_of(waiter).is_stalled


def test_watcher_sees_each_change(rig: ManagerRig) -> None:
    """Who watches is answered with the next picture that differs from the one it has seen, also a child's."""
    rig.ask_as_one_group(PARENT, CHILDREN)
    seen = answer_of(rig.address.ask_later(AwaitChange(seen=unseen(1))))
    watcher = rig.address.ask_later(AwaitChange(seen=seen))
    rig.ask(IncrementJobMetadata(job_id=1, key="seen"))

    rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=60.0))

    assert (seen.pages.pending, seen.pages.running) == (2, 0)
    assert (answer_of(watcher).pages.pending, answer_of(watcher).pages.running) == (1, 1)


def test_watcher_sees_what_a_worker_was_assigned_in_the_same_group(
    rig: ManagerRig, hand: Hand, clock: ManualClock
) -> None:
    """A job that falls due and is assigned at once is a change for those who watched longer than its worker waited."""
    rig.ask(PARENT)
    rig.ask(SpawnChildren(parent_id=1, jobs=(NewJob(kind="page", run_at=clock.now() + 9.0),), seal=True))
    watcher = rig.address.ask_later(AwaitChange(seen=rig.ask(AwaitChange(seen=unseen(1)))))
    rig.address.tell(hand.want())
    rig.ask(GetJob(job_id=1))

    clock.advance(9.0)
    rig.address.tell(Tick())

    assert answer_of(watcher).pages.running == 1


def test_question_that_nobody_waits_for_is_dropped(rig: ManagerRig) -> None:
    """Who asked with a deadline that has passed is not looked after any more, however long the job goes on."""
    rig.ask_as_one_group(PARENT, CHILDREN)
    given_up, waited_for = CountedWait(job_id=1, looks=[]), CountedWait(job_id=1, looks=[])
    with pytest.raises(DeadlineError):
        rig.address.ask(given_up, timeout_s=0.001)
    waiter = rig.address.ask_later(waited_for)

    for _ in range(2):
        rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=60.0))
    rig.ask(CancelRun(job_id=1))

    assert answer_of(waiter).state is State.CANCELLED
    assert (len(given_up.looks), len(waited_for.looks)) == (1, 4)


# The end of a run's children


def test_parents_whose_children_have_ended_are_named_after_the_commit(rig: ManagerRig) -> None:
    """The monitor hears of a parent once, when the last child of a sealed one is final (I9)."""
    rig.ask_as_one_group(PARENT, CHILDREN)
    first, second = rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=2, lease_s=60.0))

    rig.ask(CompleteJobs(completions=(Completion(job_id=first.job_id, token=1, state=State.COMPLETED),)))
    settled_too_early = list(rig.settled)
    rig.ask(CompleteJobs(completions=(Completion(job_id=second.job_id, token=1, state=State.FAILED),)))
    rig.ask(GetJob(job_id=1))

    assert (settled_too_early, rig.settled) == ([], [1])
