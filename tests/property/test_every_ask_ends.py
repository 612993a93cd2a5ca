"""Whatever a manager is asked, and wherever in that it stops or dies, every ask is answered (I18)."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pykka

from bequest.actors.address import Address
from bequest.actors.control_messages import DeleteJob, RetryJob
from bequest.actors.manager import ManagerActor, Tick
from bequest.actors.messages import (
    CancelRun,
    ClaimJobs,
    CompleteJobs,
    CreateJob,
    GetJob,
    JudgeParents,
    Request,
    SpawnChildren,
    UpdateJobMetadata,
)
from bequest.actors.standing_messages import AwaitIdle, AwaitSettled
from bequest.actors.supervised import is_answered
from bequest.actors.threads import Thread, Threads
from bequest.engine.errors import BequestError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock
from bequest.testing.schedule import Schedule
from bequest.testing.strand_threads import StrandThreads
from bequest.testing.strands import Interrupted

RUNS = 150
ASKS = 25
JOBS = 4  # that are asked about, of which few exist
TERMS = (KindTerms(kind="page"),)


class Exit(Request, frozen=True, kw_only=True):
    """Raises what ends an actor."""

    def apply(self, store: Store) -> None:
        """End it."""
        raise SystemExit


class CommitInVain(Request, frozen=True, kw_only=True):
    """Makes the COMMIT of its group fail: a deferred foreign key is looked at only then."""

    def apply(self, store: Store) -> None:
        """Break it."""
        store._database.run("PRAGMA defer_foreign_keys=ON")
        store._database.run(
            "INSERT INTO job_log (job_id, at, level, message, fields_json) VALUES (99, 1, 'INFO', '', '')"
        )


MESSAGES: tuple[Callable[[int], Request], ...] = (
    lambda _: CreateJob(job=NewJob(kind="page")),
    lambda _: CreateJob(job=NewJob(kind="crawl", state=State.WAITING)),
    lambda job: SpawnChildren(parent_id=job, jobs=(NewJob(kind="page"),), seal=True),
    lambda job: UpdateJobMetadata(job_id=job, metadata={"a": 1}),
    lambda job: UpdateJobMetadata(job_id=job, metadata={"a": {1}}),
    lambda _: ClaimJobs(queue="default", terms=TERMS, limit=2, lease_s=60.0),
    lambda job: CompleteJobs(completions=(Completion(job_id=job, token=1, state=State.COMPLETED),)),
    lambda _: JudgeParents(parent_ids=None),
    lambda job: CancelRun(job_id=job),
    lambda job: RetryJob(job_id=job),
    lambda job: DeleteJob(job_id=job),
    lambda job: GetJob(job_id=job),
    lambda job: AwaitSettled(job_id=job),
    lambda _: AwaitIdle(),
    lambda _: CommitInVain(),
)


class Watch:
    """Notes who died."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self.crashes = 0

    def started(self, ref: pykka.ActorRef[Any], thread: Thread) -> None:
        """Nothing is to be joined."""

    def crashed(self, ref: pykka.ActorRef[Any], error: BaseException) -> None:
        """Note it."""
        self.crashes += 1


class Questions:
    """A manager that is asked at random until it has ended."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311
        clock = ManualClock()
        self.threads = StrandThreads(clock, Schedule(seed=seed))
        self.watch = Watch(self.threads)
        self.replies: list[tuple[str, pykka.Future[Any]]] = []
        self.refused = 0
        self.store = Store.open(":memory:", clock=clock)
        self.manager = Address("manager", self.threads)
        self.ref = self.threads.start_actor(
            ManagerActor, self.watch, self.store, wake_at=lambda _: None, on_ripe=lambda _: None
        )
        self.manager.point_to(self.ref)

    def ask(self, message: Request) -> None:
        """Ask without waiting; an address that refuses has answered."""
        try:
            self.replies.append((type(message).__name__, self.manager.ask_later(message)))
        except BequestError:
            self.refused += 1

    def go(self) -> None:
        """Ask, and let the manager work now and then; somewhere in that it ends in one of two ways."""
        end = self.chance.randrange(ASKS)
        for number in range(ASKS):
            if number == end:
                self.end()
            self.ask(self.chance.choice(MESSAGES)(self.chance.randint(1, JOBS)))
            self.work(self.chance.randint(0, 3))
        self.threads.strands.settle()
        self.threads.end()
        self.store.close()

    def work(self, steps: int) -> None:
        """Let the manager take so many messages."""
        self.threads.strands.interrupt_after(steps)
        try:
            self.threads.strands.settle()
        except Interrupted:
            return
        self.threads.strands.interrupt_after(math.inf)

    def end(self) -> None:
        """Stop it, or have it die."""
        if self.chance.random() < 0.5:
            self.ref.stop(block=False)
        else:
            self.ask(Exit())
        self.manager.tell_if_there(Tick())


def test_every_ask_of_a_manager_that_ends_is_answered() -> None:
    """With a result or an error, whether it came before the end, with it or behind it (I18)."""
    crashes = 0
    for seed in range(RUNS):
        questions = Questions(seed)

        questions.go()

        unanswered = [name for name, reply in questions.replies if not is_answered(reply)]
        assert unanswered == [], f"seed {seed}"
        crashes += questions.watch.crashes
    assert RUNS / 4 < crashes < RUNS
