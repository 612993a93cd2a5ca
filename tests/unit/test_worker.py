"""Tests of a worker beside a manager that the test plays: what it reports, gives back, renews, and asks for again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest
from handler_rig import PATIENCE_S, Signals
from test_handler_pool import lease

from bequest import EngineStoppedError, JobContext, Kind, Retry
from bequest.actors.address import Address
from bequest.actors.asking import Ask
from bequest.actors.attempt import Attempts
from bequest.actors.handler_pool import KEPT_S, HandlerPool
from bequest.actors.kinds import Kinds, Terms
from bequest.actors.messages import CompleteJobs, ReleaseLeases, RenewLeases
from bequest.actors.standing_messages import Assigned, WantJobs
from bequest.actors.threads import OS_THREADS, Thread
from bequest.actors.worker import BEAT_S, RETRY_S, WorkerActor
from bequest.actors.worker_messages import Beat, Drain
from bequest.actors.working import Working
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion
from bequest.testing.manual_clock import ManualClock


class PlayedManager(Address):
    """Takes what a worker tells it, or refuses it while it *is_away*."""

    def __init__(self) -> None:
        super().__init__("manager")
        self.is_away = False
        self.told: list[Any] = []
        self.lost: list[int] = []  # the answer to a renewal
        self._changed = threading.Condition()

    def tell(self, message: Any) -> None:
        """Note *message*."""
        with self._changed:
            if self.is_away:
                raise EngineStoppedError
            self.told.append(message)
            self._changed.notify_all()

    def ask(self, message: Any, *, timeout_s: float = 60.0) -> Any:
        """Note *message*, and answer as a manager does that renews leases."""
        self.tell(message)
        return self.lost

    def wait_for(self, condition: Callable[[list[Any]], bool]) -> None:
        """Wait until *condition* holds for what was told."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.told), PATIENCE_S)


class Watch:
    """An overseer that notes crashes."""

    def __init__(self) -> None:
        self.threads = OS_THREADS
        self.errors: list[BaseException] = []

    def started(self, ref: pykka.ActorRef[Any], thread: Thread) -> None:
        """Nothing is to be joined."""

    def crashed(self, ref: pykka.ActorRef[Any], error: BaseException) -> None:
        """Note the error."""
        self.errors.append(error)


class WorkerRig:
    """A worker of one slot with a kind that waits for the test."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.manager = PlayedManager()
        self.signals = Signals()
        self.watch = Watch()
        self._wakes: list[float] = []
        self._woken = threading.Condition()
        kinds = Kinds()
        terms = Terms(limits=KindTerms(kind="one"), retry=Retry(max_attempts=1))
        kinds.add(Kind("one", self._handle, terms))
        self.attempts = Attempts(clock, lambda: 0.0)
        self.worker: pykka.ActorRef[WorkerActor] = WorkerActor.start(
            self.watch,
            self.manager,
            kinds,
            self.attempts,
            queue="default",
            slots=1,
            clock=clock,
            wake_at=self._wake_at,
            working=Working(),
        )
        self.address = Address("worker")
        self.address.point_to(self.worker)
        self.manager.wait_for(lambda told: len(told) == 1)

    def _handle(self, job: JobContext) -> int:
        self.signals.say(f"begun {job.id}")
        self.signals.wait("go")
        return job.id

    def wait_for_wake(self, at: float) -> None:
        """Wait until the worker has asked to be woken at that time."""
        with self._woken:
            assert self._woken.wait_for(lambda: at in self._wakes, PATIENCE_S)

    def _wake_at(self, at: float) -> None:
        with self._woken:
            self._wakes.append(at)
            self._woken.notify_all()

    def begin(self, job_id: int) -> None:
        """Assign a job, and wait until it has begun."""
        self.worker.tell(Assigned(leases=(lease(job_id),)))
        self.signals.wait(f"begun {job_id}")

    def drain(self) -> None:
        """Have nothing begun any more."""
        self.address.ask(Drain())

    def completed(self) -> list[int]:
        """Return the jobs whose ends were told, in order."""
        ends = [message for message in self.manager.told if isinstance(message, WantJobs | CompleteJobs)]
        completions: list[Completion] = [one for message in ends for one in message.completions]
        return [one.job_id for one in completions]

    def given_back(self) -> list[int]:
        """Return the jobs whose leases were given back, in order."""
        return [
            ref.job_id for message in self.manager.told if isinstance(message, ReleaseLeases) for ref in message.leases
        ]


@pytest.fixture
def rig(clock: ManualClock) -> Iterator[WorkerRig]:
    """Give a worker, and stop it in the end."""
    rig = WorkerRig(clock)
    yield rig
    rig.signals.say("go")
    if rig.worker.is_alive():
        rig.worker.stop()
    rig.attempts.stop()
    assert rig.watch.errors == []


def test_worker_gives_back_what_comes_after_a_drain(rig: WorkerRig) -> None:
    """A job that was assigned while the worker was told to begin nothing more is not begun."""
    rig.drain()

    rig.worker.tell(Assigned(leases=(lease(1),)))
    rig.drain()

    assert rig.given_back() == [1]
    assert len([message for message in rig.manager.told if isinstance(message, WantJobs)]) == 1


def test_worker_drains_at_once_while_a_handler_runs(rig: WorkerRig) -> None:
    """What runs goes on and is reported; what had not begun is given back."""
    rig.begin(1)
    rig.worker.tell(Assigned(leases=(lease(2),)))

    rig.drain()

    assert rig.given_back() == [2]
    rig.signals.say("go")
    rig.manager.wait_for(lambda _: rig.completed() == [1])


def test_worker_reports_again_what_the_manager_did_not_take(rig: WorkerRig) -> None:
    """A result that was reached while the manager was started again is told soon after, with the wish for more."""
    rig.begin(1)
    rig.manager.is_away = True
    rig.signals.say("go")
    rig.wait_for_wake(rig.clock.now() + RETRY_S)
    rig.manager.is_away = False

    rig.worker.tell(Beat())

    rig.manager.wait_for(lambda _: rig.completed() == [1])
    assert isinstance(rig.manager.told[-1], WantJobs)


def test_worker_reports_at_its_stop_what_the_manager_did_not_take(rig: WorkerRig) -> None:
    """What was kept for later goes out with the stop."""
    rig.begin(1)
    rig.manager.is_away = True
    rig.signals.say("go")
    rig.wait_for_wake(rig.clock.now() + RETRY_S)
    rig.manager.is_away = False

    rig.worker.stop()

    assert rig.completed() == [1]
    assert rig.given_back() == []


def test_worker_gives_back_at_its_stop_what_runs(rig: WorkerRig) -> None:
    """A handler that does not end is given up, and its lease given back."""
    rig.begin(1)

    rig.worker.stop()

    assert (rig.completed(), rig.given_back()) == ([], [1])


def test_worker_renews_the_leases_of_what_it_holds(rig: WorkerRig) -> None:
    """A beat renews what runs and what is yet to begin, no earlier than it is due."""
    rig.begin(1)
    rig.worker.tell(Assigned(leases=(lease(2),)))
    rig.worker.tell(Beat())
    rig.address.ask_later(Drain()).get(timeout=PATIENCE_S)
    assert not any(isinstance(message, RenewLeases) for message in rig.manager.told)
    rig.clock.advance(BEAT_S)

    rig.worker.tell(Beat())

    rig.manager.wait_for(lambda told: any(isinstance(message, RenewLeases) for message in told))
    (renewal,) = (message for message in rig.manager.told if isinstance(message, RenewLeases))
    assert [ref.job_id for ref in renewal.leases] == [1]


def test_worker_survives_a_manager_that_is_away(rig: WorkerRig) -> None:
    """A beat that cannot renew harms no handler: it goes on, and the next beat tries again."""
    rig.begin(1)
    rig.clock.advance(BEAT_S)
    rig.manager.is_away = True
    rig.worker.tell(Beat())
    rig.worker.tell(Beat())
    rig.manager.is_away = False
    rig.signals.say("go")

    rig.manager.wait_for(lambda _: rig.completed() == [1])
    assert rig.watch.errors == []


def test_worker_asks_again_with_each_beat(rig: WorkerRig) -> None:
    """A wish that was told to a manager which died is told anew."""
    rig.worker.tell(Beat())

    rig.manager.wait_for(lambda told: len([one for one in told if isinstance(one, WantJobs)]) == 2)


def test_worker_gives_back_what_waits_behind_a_job_that_lasts(rig: WorkerRig) -> None:
    """What was leased ahead does not wait for jobs that were to be quick and are not."""
    rig.begin(1)
    rig.worker.tell(Assigned(leases=(lease(2), lease(3))))
    rig.clock.advance(2 * KEPT_S)

    rig.worker.tell(Beat())

    rig.manager.wait_for(lambda _: sorted(rig.given_back()) == [2, 3])


def test_worker_tells_a_handler_that_its_lease_is_lost(rig: WorkerRig) -> None:
    """What a renewal says is lost is told to the handler."""
    rig.begin(1)
    rig.manager.lost = [1]
    rig.clock.advance(BEAT_S)

    rig.worker.tell(Beat())

    rig.manager.wait_for(lambda told: any(isinstance(message, RenewLeases) for message in told))
    rig.worker.tell(Beat())
    rig.clock.advance(BEAT_S)
    rig.worker.tell(Beat())
    rig.drain()
    assert len([message for message in rig.manager.told if isinstance(message, RenewLeases)]) == 1


def test_worker_that_crashes_gives_back_what_it_was_assigned(rig: WorkerRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in its hand or in its inbox when it crashes is due again at once, and not only when its lease ends."""

    def fail(_pool: HandlerPool, _leases: object) -> None:
        raise ValueError("no thread can be started")

    monkeypatch.setattr(HandlerPool, "add", fail)
    rig.worker.tell(Assigned(leases=(lease(1),)))
    rig.worker.tell(Assigned(leases=(lease(2),)))

    rig.manager.wait_for(lambda _: rig.given_back() == [1, 2])
    assert [type(error) for error in rig.watch.errors] == [ValueError]
    rig.watch.errors.clear()


def test_worker_says_what_it_does_not_know(rig: WorkerRig, caplog: pytest.LogCaptureFixture) -> None:
    """A message of another kind is logged and harms nothing."""
    rig.worker.tell(Ask("what", pykka.ThreadingFuture()))

    rig.drain()

    assert "does not know" in caplog.text
