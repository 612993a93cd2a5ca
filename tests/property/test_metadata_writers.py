"""Metadata that many write and read at once: no key is lost (I8), and who reads finds what was acknowledged (I7)."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pykka

from bequest import Engine
from bequest.actors.address import Address
from bequest.actors.manager import ManagerActor
from bequest.actors.messages import (
    CreateJob,
    GetJob,
    GetParentMetadata,
    IncrementJobMetadata,
    SpawnChildren,
    UpdateJobMetadata,
)
from bequest.actors.supervised import Overseer, SupervisedActor
from bequest.actors.threads import Thread, Threads
from bequest.engine.records import Inheritance, Job, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock
from bequest.testing.schedule import Schedule
from bequest.testing.strand_threads import StrandThreads

INTERLEAVINGS = 100
WRITERS = 3
HEIRS = 2
WRITES = 4  # of each
THREADS = 6
EACH = 20  # of each thread
PATIENCE_S = 30.0

PARENT = 1


class Watch:
    """Lets no crash of an actor go unseen."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads

    def started(self, ref: pykka.ActorRef[Any], thread: Thread) -> None:
        """Nothing is to be joined."""

    def crashed(self, ref: pykka.ActorRef[Any], error: BaseException) -> None:
        """Fail the test."""
        raise error


class Writer(SupervisedActor):
    """Merges a key of its own and one that all share, and counts, one ask after the other."""

    def __init__(self, overseer: Overseer, manager: Address, number: int, acknowledged: Counter[int]) -> None:
        super().__init__(overseer)
        self._manager = manager
        self._number = number
        self._acknowledged = acknowledged

    def receive(self, message: object) -> None:
        """Write."""
        for write in range(WRITES):
            changes = {f"writer {self._number}": write + 1, "newest": self._number}
            self._manager.ask(UpdateJobMetadata(job_id=PARENT, metadata=changes))
            self._acknowledged[self._number] = write + 1
            self._manager.ask(IncrementJobMetadata(job_id=PARENT, key="writes"))


class Heir(SupervisedActor):
    """Asks what a child inherits, as often as anybody writes."""

    def __init__(self, overseer: Overseer, manager: Address, acknowledged: Counter[int]) -> None:
        super().__init__(overseer)
        self._manager = manager
        self._acknowledged = acknowledged

    def receive(self, message: object) -> None:
        """Ask, and compare with what was acknowledged before."""
        for _ in range(WRITES):
            before = Counter(self._acknowledged)
            found: Inheritance = self._manager.ask(GetParentMetadata(parent_id=PARENT))
            for writer, write in before.items():
                assert found.metadata[f"writer {writer}"] >= write


def run_interleaved(seed: int) -> dict[str, Any]:
    """Have all write and read in an order of that seed; return the metadata in the end."""
    clock = ManualClock()
    threads = StrandThreads(clock, Schedule(seed=seed))
    store = Store.open(":memory:", clock=clock)
    manager, watch = Address("manager", threads), Watch(threads)
    ref = threads.start_actor(ManagerActor, watch, store, wake_at=lambda _: None, on_ripe=lambda _: None)
    manager.point_to(ref)
    make_family(manager)
    acknowledged: Counter[int] = Counter()
    for number in range(WRITERS):
        threads.start_actor(Writer, watch, manager, number, acknowledged).tell("go")
    for _ in range(HEIRS):
        threads.start_actor(Heir, watch, manager, acknowledged).tell("go")
    threads.strands.settle()
    job: Job = manager.ask(GetJob(job_id=PARENT))
    threads.end()
    store.close()
    return job.metadata


def make_family(manager: Address) -> None:
    """Make a parent with a key that nobody changes, and a child."""
    manager.ask(CreateJob(job=NewJob(kind="crawl", state=State.WAITING, metadata={"kept": True})))
    manager.ask(SpawnChildren(parent_id=PARENT, jobs=(NewJob(kind="page"),)))


def test_interleaved_writers_lose_no_key_and_heirs_read_what_was_acknowledged() -> None:
    """Whatever the order, all keys and counts are there in the end (I8), and none was missing on the way (I7)."""
    for seed in range(INTERLEAVINGS):
        metadata = run_interleaved(seed)

        newest = metadata.pop("newest")
        assert newest in range(WRITERS), f"seed {seed}"
        expected = {f"writer {number}": WRITES for number in range(WRITERS)}
        assert metadata == {"kept": True, "writes": WRITERS * WRITES, **expected}, f"seed {seed}"


def test_threads_that_merge_at_once_lose_no_key() -> None:
    """Real threads, whose merges meet in the manager's groups, lose neither a key nor a count (I8)."""
    together = threading.Barrier(THREADS)

    def write(number: int) -> None:
        together.wait(PATIENCE_S)
        for one in range(EACH):
            engine.manager.ask(UpdateJobMetadata(job_id=PARENT, metadata={f"{number} {one}": one}))
            engine.manager.ask(IncrementJobMetadata(job_id=PARENT, key="writes"))

    with Engine(":memory:", clock=ManualClock()) as engine:
        make_family(engine.manager)
        threads = [threading.Thread(target=write, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        metadata = engine.manager.ask(GetJob(job_id=PARENT)).metadata

    expected = {f"{number} {one}": one for number in range(THREADS) for one in range(EACH)}
    assert metadata == {"kept": True, "writes": THREADS * EACH, **expected}
