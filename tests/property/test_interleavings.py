"""The failure that the project exists to make impossible, looked for in a thousand interleavings."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from bequest import BequestError, Definition, MetadataError
from bequest.actors.address import Address
from bequest.actors.executor import ExecutorActor
from bequest.actors.executor_messages import ChildrenEnded, GoOn, StartRun
from bequest.actors.kinds import Kinds
from bequest.actors.manager import ManagerActor
from bequest.actors.messages import AddJobLog, GetDefinition, GetJob, GetParentMetadata, UpdateJobMetadata
from bequest.actors.monitor import MonitorActor
from bequest.actors.standing_messages import Assigned, WantJobs
from bequest.actors.supervised import Overseer, SupervisedActor
from bequest.engine.changes import Ripe
from bequest.engine.crawl_jobs import METADATA_LOST, parent_metadata
from bequest.engine.definitions import definition_from
from bequest.engine.inheritance import AuthSource, choose_session
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Inheritance, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock
from bequest.testing.simulation import Simulation

INTERLEAVINGS = 1_000
DEFINITION = Definition.crawl(
    "wiki", start_urls=[f"https://wiki.example/{number}" for number in range(3)], auth_id="wiki"
)
STEPS = Definition.crawl(  # of two crawls, each with a definition of its own
    "both",
    steps=[
        {"kind": "crawl", "config": {"start_urls": list(DEFINITION.start_urls[at])}} for at in (slice(2), slice(2, 3))
    ],
    auth_id="wiki",
)
PAGES = 3  # of each of the two


class Watch:
    """Lets no crash of an actor go unseen."""

    def started(self, ref: pykka.ActorRef[Any], thread: threading.Thread) -> None:
        """Nothing is to be joined."""

    def crashed(self, ref: pykka.ActorRef[Any], error: BaseException) -> None:
        """Fail the test."""
        raise error


class InstantWorker(SupervisedActor):
    """Claims a page the moment that it is visible, and asks at once what it inherits."""

    def __init__(self, overseer: Overseer, manager: Address, found: list[AuthSource]) -> None:
        super().__init__(overseer)
        self._manager = manager
        self._found = found

    def on_start(self) -> None:
        """Say that it is free."""
        super().on_start()
        self._want()

    def receive(self, message: Assigned) -> None:
        """Note where each page finds its session, and complete it."""
        completions = []
        for lease in message.leases:
            inheritance: Inheritance = self._manager.ask(GetParentMetadata(parent_id=lease.parent_id or 0))
            stored = self._manager.ask(GetDefinition(definition_id=inheritance.definition_id or 0))
            definition = definition_from(stored.body, source="test")
            assert inheritance.metadata.get("job_definition_id", stored.id) == stored.id
            assert lease.config["url"] in definition.start_urls
            self._found.append(choose_session(inheritance.metadata, definition).source)
            completions.append(Completion(job_id=lease.job_id, token=lease.token, state=State.COMPLETED))
        self._want(*completions)

    def _want(self, *completions: Completion) -> None:
        want = WantJobs(
            worker=self.actor_ref,
            queue="crawl",
            terms=(KindTerms(kind="page"),),
            limit=1,
            lease_s=60.0,
            completions=completions,
        )
        self._manager.tell(want)


class HastyExecutor(ExecutorActor):
    """The planted bug: makes the children visible before the metadata is written."""

    def hand_over(self, parent_id: int, definition: Definition, definition_id: int) -> None:
        """Take the steps in the wrong order."""
        self.make_visible(parent_id, definition, definition_id)
        self.bequeath(parent_id, parent_metadata(definition, definition_id))


class ForgetfulExecutor(ExecutorActor):
    """The failure itself: metadata that is never written."""

    def bequeath(self, parent_id: int, metadata: dict[str, Any]) -> None:
        """Ask for what cannot be written."""
        super().bequeath(parent_id, {**metadata, "broken": {1, 2}})


class Outcome:
    """What one interleaving came to."""

    def __init__(self, executor_class: type[ExecutorActor], seed: int, definition: Definition = DEFINITION) -> None:
        self.found: list[AuthSource] = []
        simulation = Simulation(random.Random(seed).randrange)  # noqa: S311
        clock = ManualClock()
        store = Store.open(":memory:", clock=clock)
        watch = Watch()
        manager, monitor, executor = (simulation.address(name) for name in ("manager", "monitor", "executor"))

        def tell_monitor(ripe: Ripe) -> None:
            if ripe.to_judge:
                monitor.tell(ChildrenEnded(parent_ids=ripe.to_judge))
            if ripe.to_go_on:
                executor.tell_if_there(GoOn(parent_ids=ripe.to_go_on))

        manager.point_to(simulation.start(ManagerActor, watch, store, wake_at=lambda _: None, on_ripe=tell_monitor))
        monitor.point_to(simulation.start(MonitorActor, watch, manager))
        executor.point_to(simulation.start(executor_class, watch, manager, monitor, Kinds(), clock))
        for _ in range(2):
            simulation.start(InstantWorker, watch, manager, self.found)
        run_id: int = executor.ask(StartRun(definition=definition))
        simulation.run()
        self.parent = manager.ask(GetJob(job_id=run_id))
        with store.group():
            self.log = [entry for _, entry in store.queries.logs(run_id)]
        simulation.stop()
        store.close()


def count(holds: Callable[[Outcome], bool], executor_class: type[ExecutorActor]) -> int:
    """Return in how many interleavings *holds* does."""
    return sum(holds(Outcome(executor_class, seed)) for seed in range(INTERLEAVINGS))


def finds_metadata(outcome: Outcome) -> bool:
    """Return whether every page found its session in the parent's metadata."""
    return outcome.found == [AuthSource.PARENT_METADATA] * PAGES


def test_children_claimed_at_once_find_the_metadata() -> None:
    """In every interleaving all children find the parent's metadata (I6, I7), and the run completes (I9)."""
    good = count(lambda outcome: finds_metadata(outcome) and outcome.parent.state is State.COMPLETED, ExecutorActor)

    assert good == INTERLEAVINGS


def test_children_of_each_step_find_its_metadata() -> None:
    """Also where crawls follow one another, each hands its own over first, and its children go by it (I6, I7)."""
    outcomes = [Outcome(ExecutorActor, seed, STEPS) for seed in range(INTERLEAVINGS // 20)]

    assert {finds_metadata(outcome) for outcome in outcomes} == {True}
    assert {outcome.parent.state for outcome in outcomes} == {State.COMPLETED}


def test_children_before_metadata_are_caught() -> None:
    """The planted bug, metadata sent after the children, is seen by the same check (I6)."""
    good = count(finds_metadata, HastyExecutor)

    assert 0 < good < INTERLEAVINGS


def test_failed_metadata_leaves_the_definition(caplog: pytest.LogCaptureFixture) -> None:
    """When the write fails the run goes on, says so before a child is there (I6), and children ask the definition."""
    outcome = Outcome(ForgetfulExecutor, seed=1)

    warnings = [record for record in caplog.records if record.message == METADATA_LOST]
    assert [record.__dict__["parent_id"] for record in warnings] == [outcome.parent.id]
    assert outcome.found == [AuthSource.DEFINITION] * 3
    assert outcome.parent.state is State.COMPLETED
    assert [entry.message for entry in outcome.log if entry.job_id == outcome.parent.id] == [METADATA_LOST]
    assert "broken" in str(outcome.log[0].fields["cause"])


def test_simulation_notices_an_ask_without_an_answer() -> None:
    """An ask that nobody will answer ends the simulation with an error instead of a hang (I18)."""

    class Deaf(pykka.ThreadingActor):
        def on_receive(self, message: object) -> None:
            """Answer nothing."""

    simulation = Simulation(lambda _: 0)
    address = simulation.address("deaf")
    address.point_to(simulation.start(Deaf))

    with pytest.raises(AssertionError, match="can never be answered"):
        address.ask("anything")
    simulation.stop()


def test_errors_of_the_metadata_name_job_and_key() -> None:
    """The manager's answer to metadata that is no JSON names the job and the key."""
    simulation = Simulation(lambda _: 0)
    store = Store.open(":memory:", clock=ManualClock())
    manager = simulation.address("manager")
    manager.point_to(simulation.start(ManagerActor, Watch(), store, wake_at=lambda _: None, on_ripe=lambda _: None))

    with pytest.raises(MetadataError, match=r"job 7.*'tags\[0\]'"):
        manager.ask(UpdateJobMetadata(job_id=7, metadata={"tags": [b"x"]}))
    with pytest.raises(BequestError, match="job 7"):
        manager.ask(UpdateJobMetadata(job_id=7, metadata={"tags": []}))
    manager.ask(AddJobLog(entries=()))
    simulation.stop()
    store.close()
