"""One story: callers, handlers and a crawl on one engine, in a drawn order, with actors that crash at drawn messages.

What each caller was told is noted; in the end all of it must be there, and the invariants hold.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from story_handlers import Kinds, Ledger, register
from story_site import AUTH_ID, LOGIN, SEED, NumberedSite, credential

from bequest import Definition, JobHandle, Run, child
from bequest.actors.messages import ClaimJobs, IncrementJobMetadata, ReleaseLeases, UpdateJobMetadata
from bequest.engine.credentials import Credential
from bequest.engine.keys import Key
from bequest.engine.limits import KindTerms
from bequest.engine.records import Lease, LeaseRef, SealedCredential
from bequest.testing.inline_engine import InlineEngine, drain
from bequest.testing.manual_clock import ManualClock
from bequest.testing.patience import patiently
from bequest.testing.schedule import Schedule
from bequest.testing.strand_threads import Crash

T = TypeVar("T")
KEEPER = "SessionKeeperActor"
ACTORS = ("ManagerActor", "ExecutorActor", "MonitorActor", "ChildCrawlerActor", "SiteActor", "WorkerActor", KEEPER)
LAST_MESSAGE = {KEEPER: 3}  # that a crash may come at; each page that its session is refused asks the keeper once
KEY = b"key-of-an-engine-in-every-story!"
MAX_PAGES = 7
MERGES = 4  # into the run's metadata, by each of two callers
PARTS = 3
LATE_S = 30.0
LOST_LEASE_S = 40.0
STEPS = 20_000  # a story takes some thousands


def crashes_of(seed: int) -> tuple[Crash, ...]:
    """Return which actors crash in a story; none in every fourth."""
    chance = random.Random(f"crashes of {seed}")  # noqa: S311
    if seed % 4 == 0:
        return ()
    actors = [chance.choice(ACTORS) for _ in range(chance.randint(1, 3))]
    return tuple(
        Crash(actor=actor, at=chance.randint(1, LAST_MESSAGE.get(actor, 60)), after=chance.random() < 0.5)
        for actor in actors
    )


class Story:
    """One engine, and what is asked of it; ``tell`` it and read what came of it."""

    def __init__(self, seed: int, path: str | Path = ":memory:", crashes: Sequence[Crash] | None = None) -> None:
        self.seed = seed
        self.path = Path(path)
        self.site = NumberedSite(expires_after=seed % MAX_PAGES if seed % 3 else None)
        self.site.open = self.unseal
        self.clock = ManualClock()
        self.ledger = Ledger(self.clock)
        self.crashes = crashes_of(seed) if crashes is None else tuple(crashes)
        self.engine = InlineEngine(
            path,
            clock=self.clock,
            schedule=Schedule(seed=seed),
            crashes=self.crashes,
            site=self.site,
            key=lambda: Key(KEY),
            queues={"default": 3},
            concurrency=2,
        )
        self.kinds: Kinds = register(self.engine, self.ledger)
        self.jobs: dict[str, JobHandle[Any]] = {}  # acknowledged, by key
        self.merged: dict[str, int] = {}  # into the run's metadata, acknowledged
        self.added = [0, 0]  # to its counter: acknowledged, and asked for
        self.tokens_at_cancel: dict[int, int] = {}  # of what was cancelled, once that was acknowledged
        self.run: Run | None = None
        self.is_at_rest_at_once = False

    def tell(self) -> None:
        """Let all of it happen, until nothing is left to do; raises ``Interrupted`` when that takes too long."""
        self.engine.in_line.strands.interrupt_after(STEPS)
        self.patiently(self.engine.start)
        self.patiently(lambda: self.engine.credentials.put(credential()))
        callers = [
            self.engine.in_line.thread(act, f"caller {number}")
            for number, act in enumerate((self.enqueue_each, self.build_flows, self.change_mind))
        ]
        self.run = self.patiently(self.start_run)
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        drain(self.engine)
        self.is_at_rest_at_once = self.is_all_done_that_needs_no_time()
        for job in self.jobs.values():
            self.patiently(lambda job=job: job.wait(1_000.0))  # type: ignore[misc]
        self.patiently(lambda: self.engine.find_run(self.started.id).wait(1_000.0))
        self.engine.in_line.disarm()
        self.patiently(lambda: self.engine.wait_idle(1_000.0))
        self.engine.in_line.strands.interrupt_after(math.inf)

    @property
    def started(self) -> Run:
        """The run."""
        assert self.run is not None
        return self.run

    def is_all_done_that_needs_no_time(self) -> bool:
        """Whether the run has ended, and each job that waits for no time."""
        jobs = [self.started, *(job for key, job in self.jobs.items() if key.startswith(("tally", "gather")))]
        return all(self.patiently(job.status).state.is_final for job in jobs)

    def unseal(self, sealed: SealedCredential) -> Credential:
        """Open a credential for the site, as the browser does."""
        return self.engine.credentials.vault().open(sealed)

    # The callers

    def start_run(self) -> Run:
        """Start the crawl; doing it again takes the same one up."""
        definition = Definition.crawl(
            "wiki",
            start_urls=[SEED],
            scope="any",
            auth_id=AUTH_ID,
            login=LOGIN,
            max_pages=MAX_PAGES,
            max_depth=9,
            labels={"team": "harbour"},
        )
        return self.engine.run(definition, key="run")

    def enqueue_each(self) -> None:
        """Enqueue jobs one by one, each twice under its key, and merge into the run's metadata meanwhile."""
        for number in range(MERGES):
            for _ in range(2):
                self.enqueue(f"tally {number}", self.kinds.tally, number)
            self.merge(f"one {number}", number)
            self.add()
        self.lose_a_lease()
        self.give_back_a_lease()
        self.enqueue("flaky", self.kinds.flaky, 2)
        self.enqueue("doomed", self.kinds.doomed, None)

    def build_flows(self) -> None:
        """Enqueue what has children, known before or not, and what sleeps."""
        self.enqueue("gather", self.kinds.gather, PARTS)
        children = [child(self.kinds.tally, number) for number in range(PARTS)]
        self.enqueue("flow", self.kinds.nap, 20.0, children=children)
        self.enqueue("late", self.kinds.tally, 9, delay_s=LATE_S)
        for number in range(MERGES):
            self.merge(f"two {number}", number)
            self.add()

    def change_mind(self) -> None:
        """Enqueue a flow that would take for ever, and cancel it with all below it."""
        children = [child(self.kinds.stubborn, None) for _ in range(2)]
        self.enqueue("unwanted", self.kinds.nap, 1.0, children=children)
        unwanted = self.jobs["unwanted"]
        self.patiently(unwanted.cancel)
        below = self.patiently(lambda: self.engine.jobs(parent_id=unwanted.id))
        self.tokens_at_cancel = {
            job.id: job.token for job in [self.patiently(unwanted.job), *(view.job for view in below)]
        }

    def lose_a_lease(self) -> None:
        """Lease a job as a worker would that is never heard of again; then its queue gets one that works."""
        self.enqueue("orphan", self.kinds.tally, 5, queue="orphans")
        self.claim_one("orphans")
        self.engine.kind("orphan", queue="orphans")(lambda job: None)

    def give_back_a_lease(self) -> None:
        """Lease a job and give it back unused, which costs no attempt; then its queue gets a worker."""
        self.enqueue("returned", self.kinds.tally, 6, queue="returns")
        refs = tuple(LeaseRef(job_id=lease.job_id, token=lease.token) for lease in self.claim_one("returns"))
        self.patiently(lambda: self.engine.manager.ask(ReleaseLeases(leases=refs)))
        self.engine.kind("return", queue="returns")(lambda job: None)

    def claim_one(self, queue: str) -> list[Lease]:
        """Claim a job of a queue that nobody works on yet; none where the answer to an earlier claim was lost."""
        claim = ClaimJobs(queue=queue, terms=(KindTerms(kind="tally"),), limit=1, lease_s=LOST_LEASE_S)
        leases: list[Lease] = self.patiently(lambda: self.engine.manager.ask(claim))
        return leases

    def enqueue(self, key: str, kind: Any, config: Any, **options: Any) -> None:
        """Enqueue under a key, as often as it takes, and note the job."""
        job = self.patiently(lambda: self.engine.enqueue(kind, config, key=key, **options))
        if self.jobs.setdefault(key, job).id != job.id:
            self.ledger.faults.append(f"I11: key {key} is job {self.jobs[key].id} and {job.id}")

    def merge(self, key: str, value: int) -> None:
        """Merge a key into the run's metadata (I8)."""
        message = UpdateJobMetadata(job_id=self.started.id, metadata={key: value})
        self.patiently(lambda: self.engine.manager.ask(message))
        self.merged[key] = value

    def add(self) -> None:
        """Add to a counter of the run's metadata; where the answer is lost, it may have been added."""
        message = IncrementJobMetadata(job_id=self.started.id, key="count", by=1)

        def ask() -> None:
            self.added[1] += 1
            self.engine.manager.ask(message)

        self.patiently(ask)
        self.added[0] += 1

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask until there is an answer, as a program would that knows its engine to be put right."""
        return patiently(self.engine, ask)


@contextmanager
def told(seed: int, path: str | Path = ":memory:", crashes: Sequence[Crash] | None = None) -> Iterator[Story]:
    """Give a story that was told; its engine is stopped afterwards."""
    story = Story(seed, path, crashes)
    try:
        story.tell()
        yield story
    finally:
        story.engine.stop()
