"""Owns the threads in which a queue's handlers run, and the jobs that were leased for them.

Jobs that take less than a millisecond are leased ahead and reported together, others one by one: what is leased ahead
waits behind what runs, and is given back where that turns out to take long. A thread whose job is over time, or lost
and not ended, is given up: a new one takes its place, and what it returns one day counts for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..engine.clock import Clock
from ..engine.records import Completion, Lease
from .dispatch import Want
from .job_context import JobContext
from .pace import Pace
from .threads import Thread
from .working import Working

KEPT_S = 0.1  # what has ended is reported after so long at the latest, whatever the next job takes
LOST_S = 30.0  # a handler that was told that its job is lost has so long to return; then its slot is taken from it
LEAVE_S = 1.0  # and so long when the engine stops

Run = Callable[[Lease, JobContext], Completion]
Report = Callable[[tuple[Completion, ...], Want], None]  # what has ended, and how many more jobs are wanted


class Running:
    """One job in one thread."""

    def __init__(self, lease: Lease, context: JobContext, began: float, timeout_s: float | None) -> None:
        self.lease = lease
        self.context = context
        self.began = began
        self.timeout_s = timeout_s
        self.deadline = None if timeout_s is None else began + timeout_s  # monotonic
        self.is_given_up = False
        self.was_lost = False  # before it was given up


class HandlerPool:
    """Up to *slots* jobs at once; *run* runs one; *report* and *wake_in* (seconds) are called by the pool's threads.

    None of them raises. *working* is shared with others, and so are its threads.
    """

    def __init__(  # noqa: PLR0913 - all but two by name; the worker's ways in and out
        self,
        name: str,
        slots: int,
        *,
        run: Run,
        report: Report,
        context_of: Callable[[Lease], JobContext],
        timeout_of: Callable[[Lease], float | None],
        wake_in: Callable[[float], None],
        clock: Clock,
        working: Working,
    ) -> None:
        self._name = name
        self._slots = slots
        self._run = run
        self._report = report
        self._context_of = context_of
        self._timeout_of = timeout_of
        self._wake_in = wake_in
        self._clock = clock
        self._working = working
        self._changed = working.threads.condition()
        self._leased: deque[Lease] = deque()
        self._running: dict[Thread, Running] = {}
        self._done: list[Completion] = []
        self._pace = Pace()
        self._threads: set[Thread] = set()  # all that were not given up; each begins when it is needed
        self._idle = 0  # of them, how many wait
        self._is_drained = False
        self._taken = 0  # of all jobs

    def add(self, leases: tuple[Lease, ...]) -> tuple[Lease, ...]:
        """Run these jobs as threads come free; return those that are not begun any more."""
        with self._changed:
            self._taken += len(leases)
            if self._is_drained:
                return leases
            self._leased.extend(leases)
            threads = self._pace.threads(len(self._leased))
            is_waiting = len(self._leased) > min(threads, self._free)
            self._wake(threads)
        if is_waiting:
            self._wake_in(KEPT_S)  # for what was quick so far may be slow now
        return ()

    def share(self) -> list[Lease]:
        """Have all free slots work on what waits, which was left to few of them because it was to be quick.

        Return what is to be given back: it is not quick after all, and an urgent job or a pause would come too late.
        """
        with self._changed:
            self._note_what_lasts()
            surplus = [self._leased.pop() for _ in range(len(self._leased) - self._free)] if self._pace.is_slow else []
            is_waiting = len(self._leased) > self._free
            self._wake(len(self._leased))
        if is_waiting:
            self._wake_in(KEPT_S)
        return surplus

    @property
    def wanted(self) -> Want:
        """How many more jobs to lease now."""
        with self._changed:
            return self._wanted()

    def held(self) -> list[Lease]:
        """Return the leases to renew: of what runs and was not lost, and of what is yet to begin."""
        with self._changed:
            running = [one.lease for one in self._running.values() if not one.context.cancelled]
            return [*running, *self._leased]

    def lose(self, job_ids: set[int]) -> None:
        """Tell the handlers of these jobs that they count no more; what has not begun of them is dropped."""
        with self._changed:
            self._leased = deque(lease for lease in self._leased if lease.job_id not in job_ids)
            late = self._clock.monotonic() + LOST_S
            lost = [one for one in self._running.values() if one.lease.job_id in job_ids]
            for one in lost:
                one.deadline = late if one.deadline is None else min(one.deadline, late)
                one.context.lose()
        if lost:
            self._wake_in(LOST_S)

    def give_up_late(self) -> list[Running]:
        """Give up every job whose time is over, and return them."""
        now = self._clock.monotonic()
        with self._changed:
            late = [
                (thread, one)
                for thread, one in self._running.items()
                if one.deadline is not None and one.deadline <= now
            ]
            for thread, one in late:
                self._give_up(thread, one)
            self._wake(len(self._leased))
        self._working.abandon(thread for thread, _ in late)
        return [one for _, one in late]

    def next_deadline_in(self) -> float | None:
        """Return in how many seconds the next time is over, or None."""
        with self._changed:
            deadlines = [one.deadline for one in self._running.values() if one.deadline is not None]
        return min(deadlines) - self._clock.monotonic() if deadlines else None

    def keep(self, completions: tuple[Completion, ...]) -> None:
        """Take back what could not be reported."""
        with self._changed:
            self._done = [*completions, *self._done]

    def take_done(self) -> tuple[Completion, ...]:
        """Return what has ended and was not reported yet."""
        with self._changed:
            done, self._done = tuple(self._done), []
            return done

    def drain(self) -> list[Lease]:
        """Begin nothing more; return the leases of what has not begun. What runs goes on."""
        with self._changed:
            self._is_drained = True
            left = list(self._leased)
            self._leased.clear()
            self._changed.notify_all()
        return left

    def stop(self) -> list[Lease]:
        """Give up what runs, and return the leases of what did not end; the threads have ended that can be."""
        left = self.drain()
        with self._changed:
            ending = list(self._threads - self._running.keys())
            given_up = list(self._running.items())
            for thread, one in given_up:
                self._give_up(thread, one)
        own = self._working.threads.current()
        for thread in ending:
            thread.join()  # it has nothing left to do but to report
        until = self._clock.monotonic() + LEAVE_S
        for thread, _ in given_up:
            if thread is not own:
                thread.join(max(0.0, until - self._clock.monotonic()))
        self._working.abandon(thread for thread, _ in given_up)
        return [*left, *(one.lease for _, one in given_up)]

    def _give_up(self, thread: Thread, one: Running) -> None:
        one.is_given_up = True
        one.was_lost = one.context.cancelled
        one.context.lose(is_given_up=True)
        self._running.pop(thread, None)
        self._threads.discard(thread)
        self._working.end(thread)

    def _note_what_lasts(self) -> None:
        """Note how long jobs have taken by now, where none of them ends; under the lock."""
        now = self._clock.monotonic()
        if not self._free and all(now - one.began >= KEPT_S for one in self._running.values()):
            for one in self._running.values():
                self._pace.note(one.lease.kind, now - one.began)

    def _wake(self, threads: int) -> None:
        """Have so many threads look for work, new ones where too few are idle and slots are free; under the lock."""
        self._changed.notify(threads)
        for _ in range(min(threads - self._idle, self._slots - len(self._threads))):
            # A daemon, because a handler that never returns must not keep the program from ending.
            thread = self._working.threads.thread(self._work, f"bequest-{self._name}", is_daemon=True)
            thread.start()
            self._threads.add(thread)

    def _work(self) -> None:
        thread = self._working.threads.current()
        one = self._wait_for_first(thread)
        while one is not None:
            completion = self._run(one.lease, one.context)
            one = self._after(thread, one, completion)

    def _wait_for_first(self, thread: Thread) -> Running | None:
        """Return what to run once there is something, or None to end."""
        with self._changed:
            while not self._leased and not self._is_drained:
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            if self._is_drained:
                return None
            self._working.begin(thread)
            one = self._begin_next(thread)
        self._wake_when_over(one)
        return one

    def _after(self, thread: Thread, one: Running, completion: Completion) -> Running | None:
        """Note how *one* has ended; return what to run next.

        That is another quick job at once, or what there is after all that has ended is reported.
        """
        following: Running | None = None
        report: tuple[tuple[Completion, ...], Want] | None = None
        with self._changed:
            if one.is_given_up:
                return None
            del self._running[thread]
            self._pace.note(one.lease.kind, self._clock.monotonic() - one.began)
            self._done.append(completion)
            is_first_kept = len(self._done) == 1
            if self._leased and self._pace.is_quick(self._leased[0].kind) and len(self._done) < self._pace.batch:
                following = self._begin_next(thread)
            else:
                done, self._done = tuple(self._done), []
                report = done, self._wanted()
        if report is not None:
            self._report(*report)
            self._working.end(thread)
            return self._wait_for_first(thread)
        if is_first_kept:
            self._wake_in(KEPT_S)
        if following is not None:
            self._wake_when_over(following)
        return following

    def _begin_next(self, thread: Thread) -> Running:
        """Take what was leased first; under the lock."""
        lease = self._leased.popleft()
        one = Running(lease, self._context_of(lease), self._clock.monotonic(), self._timeout_of(lease))
        self._running[thread] = one
        return one

    def _wake_when_over(self, one: Running) -> None:
        if one.timeout_s is not None:
            self._wake_in(one.timeout_s)

    def _wanted(self) -> Want:
        if self._is_drained:
            return Want(0, self._taken)
        return Want(max(0, self._free + self._pace.ahead() - len(self._leased)), self._taken)

    @property
    def _free(self) -> int:
        return self._slots - len(self._running)
