"""The executor over what it finds: each step is done again after a crash, and a run that cannot go on ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from actor_rig import ExecutorRig, failing, read, runs_in

from bequest import Definition
from bequest.actors.control_messages import DeleteJob
from bequest.actors.executor_messages import GoOn, StartMonitoring, TakeUpRuns
from bequest.actors.messages import (
    CancelRun,
    CreateJob,
    GetDefinition,
    Request,
    SpawnChildren,
    UpdateJobMetadata,
)
from bequest.actors.query_messages import ListJobs
from bequest.engine.errors import (
    DefinitionError,
    StoreError,
    TransitionError,
)
from bequest.engine.records import NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

URLS = ["https://wiki.example/a", "https://wiki.example/b", "https://wiki.example/c"]
WIKI = Definition.crawl("wiki", start_urls=URLS, auth_id="wiki", labels={"team": "harbour"})
OTHER = Definition.crawl("other", start_urls=["https://other.example/"])
KEPT = {"team": "harbour", "phase": "crawling", "job_definition_id": 1, "auth_id": "wiki"}


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[ExecutorRig]:
    """Give an executor."""
    started = ExecutorRig(store, clock)
    yield started
    started.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database."""
    return tmp_path / "jobs.db"


# After a crash


STEPS = [
    ("after", CreateJob),
    ("before", UpdateJobMetadata),
    ("after", UpdateJobMetadata),
    ("before", SpawnChildren),
    ("after", SpawnChildren),
    ("before", StartMonitoring),
    ("after", StartMonitoring),
]


@pytest.mark.parametrize(("when", "step"), STEPS, ids=lambda value: getattr(value, "__name__", value))
def test_steps_are_done_again_after_a_crash(path: Path, clock: ManualClock, when: str, step: type[Any]) -> None:
    """Wherever the executor died, a new one over the same file ends up with the same run, and nothing twice."""
    store = Store.open(path, clock=clock)
    rig = ExecutorRig(store, clock)
    for address in (rig.taped, rig.monitor):
        getattr(address, when)[step] = failing(SystemExit())
    rig.start(WIKI)
    rig.stop()
    store.close()

    store = Store.open(path, clock=clock)
    rig = ExecutorRig(store, clock)
    taken_up = [rig.take_up() for _ in range(2)]
    rig.stop()
    store.close()

    ((parent, children),) = read(path, clock, runs_in)
    assert taken_up == [1, 1]
    assert (parent.job.metadata, parent.job.sealed, parent.job.state) == (KEPT, True, State.WAITING)
    assert [child.job.config["url"] for child in children] == URLS
    assert all(KEPT.items() <= child.job.metadata.items() for child in children)
    assert rig.monitored() == [1, 1]
    assert read(path, clock, lambda queries: queries.definition(2)) is None


def test_taking_up_leaves_finished_runs_alone(rig: ExecutorRig) -> None:
    """Only what is unfinished is gone on with."""
    rig.manager.ask(CancelRun(job_id=rig.start(WIKI)))
    unfinished = rig.start(OTHER)
    rig.tape.clear()

    assert rig.take_up() == 1
    assert rig.monitored() == [unfinished]


def test_restarted_executor_can_be_told_to_go_on(rig: ExecutorRig) -> None:
    """The supervisor, which waits for no answer, tells it."""
    run_id = rig.start(WIKI)

    rig.executor.tell(TakeUpRuns())
    rig.take_up()

    assert rig.monitored() == [run_id] * 3


# Runs that cannot go on


def spoil(store: Store, definition_id: int) -> None:
    """Make a stored definition one that this release does not read."""
    with store.group():
        store._database.run("""UPDATE definition SET body_json = '{"nam": "x"}' WHERE id = ?""", (definition_id,))


def test_run_whose_definition_cannot_be_read_fails_alone(
    rig: ExecutorRig, store: Store, path: Path, clock: ManualClock
) -> None:
    """A run that can never make its pages ends with the reason, and those beside it go on."""
    rig.taped.before[SpawnChildren] = failing(StoreError("disk full"))
    rig.start(WIKI)
    del rig.taped.before[SpawnChildren]
    other = rig.start(OTHER)
    spoil(store, 1)
    rig.tape.clear()

    assert rig.take_up() == 2

    (failed, _), _ = read(path, clock, runs_in)
    assert failed.job.state is State.FAILED
    assert failed.job.error is not None
    assert failed.job.error.type == "definition"
    assert "definition 'wiki' of run 1: nam: unknown key" in failed.job.error.message
    assert rig.monitored() == [other]


def test_run_that_names_no_definition_fails(rig: ExecutorRig, store: Store, path: Path, clock: ManualClock) -> None:
    """A parent that somebody else made, without a recipe, is ended and not met again at every start."""
    rig.manager.ask(CreateJob(job=NewJob(kind="crawl", state=State.WAITING)))

    assert [rig.take_up() for _ in range(2)] == [1, 0]

    ((parent, _),) = read(path, clock, runs_in)
    assert parent.job.error is not None
    assert parent.job.error.message == "run 1 names no definition, so it cannot go on"


def test_sealed_run_needs_its_definition_no_more(rig: ExecutorRig, store: Store) -> None:
    """Once its pages are there a run is judged by them, and an engine starts beside it."""
    run_id = rig.start(WIKI)
    spoil(store, 1)
    rig.tape.clear()

    assert rig.take_up() == 1
    assert rig.monitored() == [run_id]
    assert rig.steps() == ["ListOpenRuns", "StartMonitoring"]


def test_run_that_cannot_go_on_ends_with_the_children_that_it_has(
    rig: ExecutorRig, store: Store, path: Path, clock: ManualClock
) -> None:
    """Children that are there are not passed over by failing their parent; it is sealed and judged by them (I9)."""
    rig.manager.ask(CreateJob(job=NewJob(kind="crawl", state=State.WAITING)))
    rig.manager.ask(SpawnChildren(parent_id=1, jobs=(NewJob(kind="page"),)))

    assert rig.take_up() == 1

    ((parent, _),) = read(path, clock, runs_in)
    assert (parent.job.sealed, parent.job.state) == (True, State.WAITING)
    assert rig.monitored() == [1]


def test_error_of_one_run_ends_the_taking_up(rig: ExecutorRig) -> None:
    """What is no fault of the run, such as a full disk, is for whoever starts the engine."""
    rig.start(WIKI)
    rig.taped.before[GetDefinition] = failing(StoreError("disk full"))
    rig.taped.before[SpawnChildren] = failing(StoreError("disk full"))

    assert isinstance(rig.start(OTHER), StoreError)
    assert isinstance(rig.take_up(), StoreError)
    assert not issubclass(StoreError, DefinitionError)


def after_a_crash(rig: ExecutorRig) -> None:
    """Leave run 1 without its children, as a crash would."""
    rig.manager.ask(CreateJob(job=NewJob(kind="crawl", state=State.WAITING), definition=WIKI))


@pytest.mark.parametrize("step", [GetDefinition, UpdateJobMetadata, SpawnChildren])
@pytest.mark.parametrize("ends", [CancelRun(job_id=1), DeleteJob(job_id=1)], ids=["cancelled", "deleted"])
def test_run_that_ends_while_it_is_taken_up_harms_nobody(rig: ExecutorRig, step: type[Any], ends: Request) -> None:
    """A person who cancels or deletes it at that moment brings no executor down, and no child begins (I10)."""
    after_a_crash(rig)
    rig.taped.before[step] = lambda: rig.manager.ask(ends)
    rig.executor.tell(GoOn(parent_ids=(1,)))

    assert rig.take_up() == 0
    assert rig.manager.watch.errors == []
    assert rig.manager.ask(ListJobs(parent_id=1)) == []


def test_run_that_is_gone_needs_no_next_step(rig: ExecutorRig) -> None:
    """It was deleted after the manager had told of it; those told of with it go on."""
    after_a_crash(rig)

    rig.executor.tell(GoOn(parent_ids=(99, 1)))

    assert rig.take_up() == 1
    assert rig.manager.watch.errors == []
    assert len(rig.manager.ask(ListJobs(parent_id=1))) == len(URLS)


def test_refusal_of_a_run_that_is_open_is_no_end_of_it(rig: ExecutorRig) -> None:
    """What cannot be explained by its end crashes the executor, and is tried again by the next."""
    after_a_crash(rig)
    rig.taped.before[SpawnChildren] = failing(TransitionError("for no reason"))

    rig.executor.tell(GoOn(parent_ids=(1,)))

    assert isinstance(rig.manager.watch.wait_for_crash(), TransitionError)
