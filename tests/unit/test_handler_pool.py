"""Tests of a queue's threads: what they lease ahead, report, lose and give up."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from handler_rig import PATIENCE_S, Signals

from bequest.actors.address import Address
from bequest.actors.dispatch import Want
from bequest.actors.handler_pool import KEPT_S, LOST_S, HandlerPool
from bequest.actors.job_context import JobContext
from bequest.actors.pace import MOST
from bequest.actors.working import Working
from bequest.engine.records import Completion, Lease, OwnStep, State
from bequest.testing.manual_clock import ManualClock

Run = Callable[[Lease, JobContext], None]


def lease(job_id: int, kind: str = "one", token: int = 1) -> Lease:
    """Return a lease."""
    return Lease(
        job_id=job_id,
        token=token,
        lease_until=0.0,
        kind=kind,
        config={},
        metadata={},
        parent_id=None,
        attempts=1,
        max_attempts=1,
        own_step=OwnStep.NONE,
        timeout_s=None,
    )


def slow_at(job_id: int, signals: Signals) -> Run:
    """Return a handler that is quick but for one job, in which it says "slow" and waits for "go"."""

    def run(lease: Lease, _: JobContext) -> None:
        if lease.job_id == job_id:
            signals.say("slow")
            signals.wait("go")

    return run


class PoolRig:
    """A pool with what it reported."""

    def __init__(self, clock: ManualClock, slots: int, run: Run, timeout_s: float | None = None) -> None:
        self.clock = clock
        self.working = Working()
        self.reports: list[tuple[list[int], int]] = []  # the jobs that ended, and how many more are wanted
        self.woken: list[float] = []
        self.has_reported = threading.Semaphore(0)
        self.on_report: Callable[[], None] = lambda: None
        manager = Address("manager")

        def complete(lease: Lease, context: JobContext) -> Completion:
            run(lease, context)
            return Completion(job_id=lease.job_id, token=lease.token, state=State.COMPLETED)

        self.pool = HandlerPool(
            "test",
            slots,
            run=complete,
            report=self._report,
            context_of=lambda lease: JobContext(lease, manager, clock, lease_s=60.0),
            timeout_of=lambda _: timeout_s,
            wake_in=self.woken.append,
            clock=clock,
            working=self.working,
        )

    def wait_for_report(self) -> tuple[list[int], int]:
        """Wait for one more report, and return it."""
        assert self.has_reported.acquire(timeout=PATIENCE_S)
        return self.reports[-1]

    def _report(self, completions: tuple[Completion, ...], wanted: Want) -> None:
        self.on_report()
        self.reports.append(([one.job_id for one in completions], wanted.jobs))
        self.has_reported.release()


def test_pool_wants_as_many_as_it_has_slots_at_first(clock: ManualClock) -> None:
    """Nothing is leased ahead of a kind whose duration is not known."""
    rig = PoolRig(clock, 3, lambda _, __: None)

    assert rig.pool.wanted.jobs == 3

    rig.pool.stop()


def test_pool_leases_quick_jobs_ahead_and_reports_them_together(clock: ManualClock) -> None:
    """Once a kind has been quick, more are wanted than there are slots, and many come in one report."""
    rig = PoolRig(clock, 1, lambda _, __: None)
    rig.pool.add((lease(0),))
    assert rig.wait_for_report() == ([0], 1 + 2 * MOST)

    rig.pool.add(tuple(lease(number) for number in range(1, 11)))

    assert rig.wait_for_report() == (list(range(1, 11)), 1 + 2 * MOST)
    rig.pool.stop()


def test_what_was_kept_is_not_kept_for_long(clock: ManualClock) -> None:
    """A job that was to be quick and is not keeps those before it unreported no longer than a moment."""
    signals = Signals()

    rig = PoolRig(clock, 1, slow_at(3, signals))
    rig.pool.add((lease(0),))
    rig.wait_for_report()

    rig.pool.add(tuple(lease(number) for number in range(1, 4)))
    signals.wait("slow")

    assert rig.woken == [KEPT_S, KEPT_S]  # for what waits, and for what was kept
    assert [one.job_id for one in rig.pool.take_done()] == [1, 2]
    signals.say("go")
    rig.pool.stop()


def test_pool_reports_slow_jobs_one_by_one(clock: ManualClock) -> None:
    """A kind that takes long is not leased ahead, nor does its report wait for another job."""
    rig = PoolRig(clock, 1, lambda _, __: clock.advance(1.0))
    rig.pool.add((lease(0),))
    assert rig.wait_for_report() == ([0], 1)

    rig.pool.add((lease(1), lease(2)))

    rig.wait_for_report()
    assert rig.wait_for_report() == ([2], 1)
    assert [jobs for jobs, _ in rig.reports] == [[0], [1], [2]]
    rig.pool.stop()


def test_stop_waits_for_a_report_that_is_being_made(clock: ManualClock) -> None:
    """A job that has ended is reported before the stop returns, however late."""
    signals = Signals()
    rig = PoolRig(clock, 1, lambda _, __: None)

    def on_report() -> None:
        signals.say("reporting")
        signals.wait("go")

    rig.on_report = on_report
    rig.pool.add((lease(1),))
    signals.wait("reporting")
    left: list[Lease] = []
    stopping = threading.Thread(target=lambda: left.extend(rig.pool.stop()))
    stopping.start()
    stopping.join(0.1)
    is_waiting = stopping.is_alive()
    signals.say("go")
    stopping.join(PATIENCE_S)

    assert is_waiting
    assert [jobs for jobs, _ in rig.reports] == [[1]]
    assert left == []


def test_stop_returns_what_did_not_begin_and_what_did_not_end(clock: ManualClock) -> None:
    """Both are left, and the handler that runs was told."""
    signals = Signals()
    contexts: list[JobContext] = []

    def run(_: Lease, context: JobContext) -> None:
        contexts.append(context)
        signals.say("begun")
        context.wait(PATIENCE_S)

    rig = PoolRig(clock, 1, lambda lease, context: ignoring_the_end(lambda: run(lease, context)))
    rig.pool.add((lease(1), lease(2)))
    signals.wait("begun")

    left = rig.pool.stop()

    assert [one.job_id for one in left] == [2, 1]
    assert contexts[0].cancelled
    assert rig.reports == []
    assert rig.working.abandoned() == 0


def ignoring_the_end(act: Callable[[], None]) -> None:
    """Do *act*, and return as a handler does that was told to end."""
    from bequest import JobCancelledError

    with pytest.raises(JobCancelledError):
        act()


def test_pool_that_is_drained_takes_nothing(clock: ManualClock) -> None:
    """It gives back at once what comes late, and wants nothing."""
    rig = PoolRig(clock, 2, lambda _, __: None)
    rig.pool.drain()

    refused = rig.pool.add((lease(1),))

    assert [one.job_id for one in refused] == [1]
    assert rig.pool.wanted.jobs == 0
    assert rig.pool.stop() == []


def test_pool_drops_what_is_lost_before_it_began(clock: ManualClock) -> None:
    """A job that was cancelled while it waited for a slot is not run."""
    signals = Signals()
    ran: list[int] = []

    def run(lease: Lease, _: JobContext) -> None:
        ran.append(lease.job_id)
        signals.say("begun")
        signals.wait("go")

    rig = PoolRig(clock, 1, run)
    rig.pool.add((lease(1), lease(2), lease(3)))
    signals.wait("begun")

    rig.pool.lose({2})

    assert [one.job_id for one in rig.pool.held()] == [1, 3]
    signals.say("go")
    assert rig.wait_for_report()[0] == [1, 3]
    assert ran == [1, 3]
    rig.pool.stop()


def test_lost_lease_is_renewed_no_more(clock: ManualClock) -> None:
    """A job that came back with a new lease is not lost again for the sake of the old one."""
    signals = Signals()
    contexts: dict[int, JobContext] = {}

    def run(lease: Lease, context: JobContext) -> None:
        contexts[lease.token] = context
        signals.say(f"begun {lease.token}")
        signals.wait("go")

    rig = PoolRig(clock, 2, run)
    rig.pool.add((lease(1, token=1),))
    signals.wait("begun 1")
    rig.pool.lose({1})
    rig.pool.add((lease(1, token=2),))
    signals.wait("begun 2")

    assert [one.token for one in rig.pool.held()] == [2]
    assert not contexts[2].cancelled
    signals.say("go")
    rig.pool.stop()


def test_handler_over_time_is_given_up_at_its_time_and_not_before(clock: ManualClock) -> None:
    """Its slot is free again, its thread counted while it goes on, and what it returns is not reported."""
    signals = Signals()

    def run(_: Lease, __: JobContext) -> None:
        signals.say("begun")
        signals.wait("go")

    rig = PoolRig(clock, 1, run, timeout_s=5.0)
    rig.pool.add((lease(1),))
    signals.wait("begun")
    clock.advance(4.9)
    assert rig.pool.give_up_late() == []
    clock.advance(0.2)

    given_up = rig.pool.give_up_late()

    assert [(one.lease.job_id, one.was_lost) for one in given_up] == [(1, False)]
    assert rig.pool.wanted.jobs == 1
    assert rig.working.abandoned() == 1
    assert rig.woken == [5.0]
    signals.say("go")
    rig.pool.add((lease(2),))
    assert rig.wait_for_report()[0] == [2]
    assert rig.pool.stop() == []


def test_handler_that_was_told_and_goes_on_is_given_up(clock: ManualClock) -> None:
    """A lost job holds its slot only so long, and is noted as lost."""
    signals = Signals()

    def run(_: Lease, __: JobContext) -> None:
        signals.say("begun")
        signals.wait("go")

    rig = PoolRig(clock, 1, run)
    rig.pool.add((lease(1),))
    signals.wait("begun")
    rig.pool.lose({1})
    assert rig.woken == [LOST_S]
    assert rig.pool.next_deadline_in() == LOST_S
    clock.advance(LOST_S)

    given_up = rig.pool.give_up_late()

    assert [(one.lease.job_id, one.was_lost) for one in given_up] == [(1, True)]
    signals.say("go")
    assert rig.pool.stop() == []


def test_what_could_not_be_reported_is_kept_in_order(clock: ManualClock) -> None:
    """A report that came back is the first of what is reported next."""
    rig = PoolRig(clock, 1, lambda _, __: None)
    first, second = (Completion(job_id=number, token=1, state=State.COMPLETED) for number in (1, 2))

    rig.pool.keep((second,))
    rig.pool.keep((first,))

    assert rig.pool.take_done() == (first, second)
    assert rig.pool.take_done() == ()
    rig.pool.stop()


def test_quick_jobs_wait_for_a_slow_one_among_them_only_until_they_are_shared(clock: ManualClock) -> None:
    """They are left to one thread; when that does not come to their end soon, all slots work on them."""
    signals = Signals()

    rig = PoolRig(clock, 2, slow_at(1, signals))
    rig.pool.add((lease(0),))
    rig.wait_for_report()
    rig.pool.add(tuple(lease(number) for number in range(1, 4)))
    signals.wait("slow")
    assert rig.woken == [KEPT_S]

    left = rig.pool.share()

    assert left == []
    assert rig.wait_for_report()[0] == [2, 3]
    signals.say("go")
    rig.wait_for_report()
    rig.pool.stop()


def test_what_was_leased_ahead_is_given_back_when_jobs_turn_slow(clock: ManualClock) -> None:
    """It would wait for as long as they take, and urgent jobs and a pause with it."""
    signals = Signals()

    def run(lease: Lease, _: JobContext) -> None:
        if lease.job_id == 1:
            clock.advance(1.0)
        if lease.job_id == 2:
            signals.say("second")
            signals.wait("go")

    rig = PoolRig(clock, 1, run)
    rig.pool.add((lease(0),))
    rig.wait_for_report()
    rig.pool.add(tuple(lease(number) for number in range(1, 6)))
    signals.wait("second")

    left = rig.pool.share()

    assert {one.job_id for one in left} == {3, 4, 5}
    assert rig.pool.wanted.jobs == 0
    signals.say("go")
    rig.pool.stop()


def test_what_was_leased_ahead_is_given_back_when_no_job_ends(clock: ManualClock) -> None:
    """Jobs that last say that they are slow before they have ended; until then all is looked at again."""
    signals = Signals()

    rig = PoolRig(clock, 1, slow_at(1, signals))
    rig.pool.add((lease(0),))
    rig.wait_for_report()
    rig.pool.add(tuple(lease(number) for number in range(1, 4)))
    signals.wait("slow")

    at_once = rig.pool.share()
    clock.advance(2 * KEPT_S)
    after_a_moment = rig.pool.share()

    assert at_once == []
    assert {one.job_id for one in after_a_moment} == {2, 3}
    assert rig.woken == [KEPT_S, KEPT_S]
    assert rig.pool.wanted.jobs == 0
    signals.say("go")
    rig.pool.stop()
