"""The judgement of parents: a run ends when, and only when, all that belongs to it has ended (I9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from actor_rig import ManagerRig, TapedAddress, answer_of, failing

from bequest.actors.address import Address
from bequest.actors.executor_messages import ChildrenEnded, StartMonitoring, Sweep
from bequest.actors.handles import Run
from bequest.actors.messages import (
    CancelRun,
    ClaimJobs,
    CompleteJobs,
    CreateJob,
    GetJob,
    JudgeParents,
    SpawnChildren,
)
from bequest.actors.monitor import MonitorActor
from bequest.actors.standing_messages import AwaitSettled
from bequest.engine.errors import BequestError, CommitInDoubtError, EngineError, StoreError
from bequest.engine.limits import KindTerms
from bequest.engine.records import STATES, Completion, Job, NewJob, State
from bequest.engine.store import Store


class MonitorRig:
    """A monitor with a real manager behind a tape."""

    def __init__(self, store: Store) -> None:
        self.tape: list[Any] = []
        self.manager = ManagerRig(store)
        self.taped = TapedAddress(self.manager.address, self.tape)
        self.monitor = Address("monitor")
        self.ref = MonitorActor.start(self.manager.watch, self.taped)
        self.monitor.point_to(self.ref)

    def tell(self, message: object) -> None:
        """Tell the monitor, and wait until it has done what that asks for."""
        self.monitor.tell(message)
        assert isinstance(answer_of(self.monitor.ask_later("are you done?")), EngineError)

    def make_run(self, *ends: State, sealed: bool = True, unfinished: int = 0, tolerance: float | None = None) -> int:
        """Make a run with children that have ended so, and others that have not."""
        parent = NewJob(kind="crawl", state=State.WAITING, max_child_failures=1.0 if tolerance is None else tolerance)
        run_id: int = self.manager.ask(CreateJob(job=parent)).job_id
        jobs = tuple(NewJob(kind="page") for _ in range(len(ends) + unfinished))
        self.manager.ask(SpawnChildren(parent_id=run_id, jobs=jobs, seal=sealed))
        leases = (
            self.manager.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=len(ends), lease_s=60.0))
            if ends
            else []
        )
        for lease, state in zip(leases, ends, strict=True):
            if state is State.CANCELLED:
                self.manager.ask(CancelRun(job_id=lease.job_id))
            else:
                done = Completion(job_id=lease.job_id, token=lease.token, state=state)
                self.manager.ask(CompleteJobs(completions=(done,)))
        return run_id

    def job(self, run_id: int) -> Job:
        """Return a run's parent."""
        found: Job = self.manager.ask(GetJob(job_id=run_id))
        return found

    def verdicts(self) -> list[State]:
        """Return what jobs came to whose state has changed since the start."""
        return [STATES[move.new] for move in self.manager.moves if move.new is not None and move.old == 2]

    def stop(self) -> None:
        """Stop both actors."""
        self.ref.stop()
        self.manager.stop()


@pytest.fixture
def rig(store: Store) -> Iterator[MonitorRig]:
    """Give a monitor."""
    started = MonitorRig(store)
    yield started
    started.stop()


GOOD, BAD, CUT = State.COMPLETED, State.FAILED, State.CANCELLED


def test_run_without_children_ends_at_once(rig: MonitorRig) -> None:
    """A parent that is sealed over nothing is completed by its first judgement."""
    run_id = rig.make_run()

    rig.tell(StartMonitoring(parent_id=run_id))

    assert rig.job(run_id).state is State.COMPLETED


@pytest.mark.parametrize(
    ("ends", "tolerance", "verdict"),
    [
        ([GOOD, GOOD], None, State.COMPLETED),
        ([BAD, GOOD], None, State.COMPLETED),
        ([BAD, BAD], None, State.FAILED),
        ([BAD, CUT], None, State.COMPLETED),
        ([BAD, GOOD], 0.5, State.COMPLETED),
        ([BAD, BAD, GOOD], 0.5, State.FAILED),
        ([BAD, GOOD], 0.0, State.FAILED),
        ([GOOD, GOOD], 0.0, State.COMPLETED),
        ([CUT, CUT], 0.0, State.COMPLETED),
    ],
)
def test_run_is_judged_by_its_children(
    rig: MonitorRig, ends: list[State], tolerance: float | None, verdict: State
) -> None:
    """A run fails when failures pass its tolerance, or when all its pages failed, and else it is completed."""
    run_id = rig.make_run(*ends, tolerance=tolerance)

    rig.tell(ChildrenEnded(parent_ids=(run_id,)))

    assert rig.job(run_id).state is verdict


def test_failed_run_says_how_many_pages_failed(rig: MonitorRig) -> None:
    """The reason is written beside the parent, and beside one that is completed there is none."""
    failed, completed = rig.make_run(BAD, BAD, GOOD, tolerance=0.1), rig.make_run(BAD, GOOD)

    rig.tell(ChildrenEnded(parent_ids=(failed, completed)))

    error = rig.job(failed).error
    assert error is not None
    assert (error.type, error.message) == ("children_failed", "2 of 3 children failed")
    assert rig.job(completed).error is None


@pytest.mark.parametrize(
    ("sealed", "unfinished"), [(False, 0), (True, 1), (False, 1)], ids=["unsealed", "unfinished", "both"]
)
@pytest.mark.parametrize("ends", [[], [GOOD], [BAD]])
def test_run_that_is_not_over_is_left_alone(rig: MonitorRig, ends: list[State], sealed: bool, unfinished: int) -> None:
    """While more children may come, or one of them goes on, nothing is written (I9)."""
    run_id = rig.make_run(*ends, sealed=sealed, unfinished=unfinished)

    for message in (StartMonitoring(parent_id=run_id), ChildrenEnded(parent_ids=(run_id,)), Sweep()):
        rig.tell(message)

    assert rig.job(run_id).state is State.WAITING
    assert rig.verdicts() == []


def test_cancelled_run_is_never_overwritten(rig: MonitorRig) -> None:
    """A run that was cancelled stays so, whatever its children had come to (I2)."""
    run_id = rig.make_run(GOOD, unfinished=1)
    rig.manager.ask(CancelRun(job_id=run_id))

    for message in (StartMonitoring(parent_id=run_id), ChildrenEnded(parent_ids=(run_id,)), Sweep()):
        rig.tell(message)

    assert rig.job(run_id).state is State.CANCELLED
    assert rig.verdicts() == [State.CANCELLED]


def test_run_that_is_cancelled_while_it_is_judged_stays_cancelled(rig: MonitorRig) -> None:
    """Before the verdict is written a person may cancel; there is none then, and the monitor goes on."""
    run_id, other = rig.make_run(GOOD), rig.make_run(GOOD)
    rig.taped.before[JudgeParents] = lambda: rig.manager.ask(CancelRun(job_id=run_id))

    rig.tell(ChildrenEnded(parent_ids=(run_id, other)))

    assert [rig.job(one).state for one in (run_id, other)] == [State.CANCELLED, State.COMPLETED]


def test_run_is_judged_once(rig: MonitorRig) -> None:
    """One that has ended is not written again, however often it is named."""
    run_id = rig.make_run(GOOD)

    for _ in range(3):
        rig.tell(ChildrenEnded(parent_ids=(run_id, run_id)))

    assert rig.verdicts() == [State.COMPLETED]


def test_run_that_is_not_there_is_passed_over(rig: MonitorRig) -> None:
    """A parent that does not exist, or not any more, keeps no other from being judged."""
    run_id = rig.make_run(GOOD)

    rig.tell(ChildrenEnded(parent_ids=(999, run_id)))

    assert rig.job(run_id).state is State.COMPLETED


def test_sweep_finds_what_no_event_told(rig: MonitorRig) -> None:
    """Every unfinished run is judged, so that an event that was lost is made up for (I9)."""
    over, going_on, empty = rig.make_run(GOOD), rig.make_run(unfinished=1), rig.make_run()

    rig.tell(Sweep())

    assert [rig.job(run_id).state for run_id in (over, going_on, empty)] == [
        State.COMPLETED,
        State.WAITING,
        State.COMPLETED,
    ]


@pytest.mark.parametrize("error", [StoreError("disk full"), CommitInDoubtError()])
@pytest.mark.parametrize("is_swept", [True, False])
def test_database_that_fails_leaves_the_judgement_to_the_next_sweep(
    rig: MonitorRig, is_swept: bool, error: StoreError
) -> None:
    """Where the database cannot be read or written the monitor lives on, and a sweep does what was left."""
    run_id = rig.make_run(GOOD)
    rig.taped.before[JudgeParents] = failing(error)
    rig.tell(Sweep() if is_swept else StartMonitoring(parent_id=run_id))
    before = rig.job(run_id).state
    del rig.taped.before[JudgeParents]

    rig.tell(Sweep())

    assert (before, rig.job(run_id).state) == (State.WAITING, State.COMPLETED)
    assert rig.manager.watch.errors == []


def test_page_that_waits_for_a_credential_is_no_end(rig: MonitorRig) -> None:
    """A page that waits is neither judged itself nor the end of its run; the credential is what it waits for."""
    run_id = rig.make_run(GOOD, unfinished=1)
    (lease,) = rig.manager.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=60.0))
    waits = Completion(job_id=lease.job_id, token=lease.token, state=State.WAITING, waits_for="wiki", counts=False)
    rig.manager.ask(CompleteJobs(completions=(waits,)))

    rig.tell(StartMonitoring(parent_id=lease.job_id))
    rig.tell(Sweep())

    assert [rig.job(one).state for one in (run_id, lease.job_id)] == [State.WAITING, State.WAITING]


def test_state_events_and_handles_agree(rig: MonitorRig) -> None:
    """The verdict is read from the row by everybody: who waited, who asks for the run, and who asks for its job."""
    run_id = rig.make_run(BAD)
    waiter = rig.manager.address.ask_later(AwaitSettled(job_id=run_id))
    run = Run(run_id, rig.manager.address, rig.manager.address)

    rig.tell(ChildrenEnded(parent_ids=(run_id,)))

    assert {run.wait(5.0), run.status().state, run.job().state, answer_of(waiter).state} == {State.FAILED}
    assert run.status().error == run.job().error == answer_of(waiter).error


def test_monitor_refuses_what_it_does_not_know(rig: MonitorRig) -> None:
    """Another message is passed over, and the next run is judged all the same."""
    run_id = rig.make_run()

    rig.tell("hello")
    rig.tell(StartMonitoring(parent_id=run_id))

    assert rig.job(run_id).state is State.COMPLETED


def test_monitor_leaves_what_it_did_not_expect_to_its_supervisor(rig: MonitorRig) -> None:
    """Any other error ends it; started again, it is told to sweep."""
    rig.taped.before[JudgeParents] = failing(BequestError("unforeseen"))

    rig.monitor.tell(StartMonitoring(parent_id=1))

    assert str(rig.manager.watch.wait_for_crash()) == "unforeseen"
