"""The executor's steps: in one order and no other, each of them done again after a crash, and none of them twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from actor_rig import ExecutorRig, answer_of, failing, read, runs_in

from bequest import Definition
from bequest.actors.messages import (
    CancelRun,
    CreateJob,
    GetDefinition,
    GetJob,
    GetParentMetadata,
    SpawnChildren,
    UpdateJobMetadata,
)
from bequest.engine.crawl_jobs import METADATA_LOST
from bequest.engine.definitions import definition_from
from bequest.engine.errors import (
    CommitInDoubtError,
    EngineError,
    InvalidJobError,
    StoreError,
)
from bequest.engine.inheritance import AuthSource, choose_session
from bequest.engine.records import State
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


# The order


def test_executor_takes_its_steps_in_one_order(rig: ExecutorRig) -> None:
    """Create, metadata, children, monitoring: each is asked for after the one before was acknowledged (I6)."""
    rig.start(WIKI)

    steps = [step for step in rig.steps() if not step.startswith("Get")]
    assert steps == ["CreateJob", "UpdateJobMetadata", "SpawnChildren", "StartMonitoring"]


def test_metadata_is_durable_before_a_child_is_visible(rig: ExecutorRig, path: Path, clock: ManualClock) -> None:
    """When the children are asked for the file holds the whole metadata, and no child yet (I6)."""
    found: list[tuple[dict[str, Any], int]] = []

    def look() -> None:
        ((parent, children),) = read(path, clock, runs_in)
        found.append((parent.job.metadata, len(children)))

    rig.taped.before[SpawnChildren] = look
    rig.start(WIKI)

    assert found == [(KEPT, 0)]


def test_parent_is_made_whole_in_one_write(rig: ExecutorRig, path: Path, clock: ManualClock) -> None:
    """From its first moment the parent waits, so that nothing claims it, and names its definition by its column."""
    rig.taped.after[CreateJob] = failing(StoreError("stop here"))

    rig.start(WIKI)

    ((parent, _),) = read(path, clock, runs_in)
    stored = read(path, clock, lambda queries: queries.definition(parent.job.definition_id or 0))
    assert (parent.job.state, parent.job.sealed, parent.job.metadata) == (State.WAITING, False, {})
    assert stored is not None
    assert definition_from(stored.body, source="test") == WIKI


def test_children_inherit_and_the_parent_is_sealed_with_them(rig: ExecutorRig, path: Path, clock: ManualClock) -> None:
    """The first pages carry their parent's metadata and their own keys, and no more will come from the executor."""
    run_id = rig.start(WIKI)

    ((parent, children),) = read(path, clock, runs_in)
    assert (parent.job.id, parent.job.sealed) == (run_id, True)
    assert [child.job.config["url"] for child in children] == URLS
    assert [child.job.metadata for child in children] == [
        {**KEPT, "discovered_by": "definition", "link_index": index} for index in range(3)
    ]


def test_written_metadata_is_noted_with_the_number_of_its_keys(
    rig: ExecutorRig, caplog: pytest.LogCaptureFixture
) -> None:
    """A debug record says how many keys were written, and names none of their values."""
    caplog.set_level(logging.DEBUG, "bequest.actors.executor")

    run_id = rig.start(WIKI)

    (record,) = [record for record in caplog.records if record.levelname == "DEBUG"]
    assert (record.message, record.__dict__["parent_id"], record.__dict__["keys"]) == (
        "parent metadata written",
        run_id,
        len(KEPT),
    )


# Steps that fail


@pytest.mark.parametrize("error", [StoreError("disk full"), CommitInDoubtError(), EngineError("crashed")])
def test_run_goes_on_without_its_metadata(
    rig: ExecutorRig, path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """When the metadata is not written a warning names parent and cause, in the log and in the job's own log."""
    rig.taped.before[UpdateJobMetadata] = failing(error)

    run_id = rig.start(WIKI)
    rig.manager.ask(GetJob(job_id=run_id))

    ((parent, children),) = read(path, clock, runs_in)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    ((_, line),) = read(path, clock, lambda queries: queries.logs(run_id))
    assert (parent.job.metadata, len(children), rig.monitored()) == ({}, 3, [run_id])
    assert (record.message, record.__dict__["parent_id"], record.__dict__["cause"]) == (
        METADATA_LOST,
        run_id,
        str(error),
    )
    assert (line.level, line.message, line.fields) == (
        "WARNING",
        METADATA_LOST,
        {"parent_id": run_id, "cause": str(error)},
    )
    assert "auth may not work for child jobs" in METADATA_LOST


def test_children_without_metadata_find_the_session_through_the_definition(rig: ExecutorRig) -> None:
    """The definition is named by a column, which the loss of the metadata does not touch."""
    rig.taped.before[UpdateJobMetadata] = failing(StoreError("disk full"))

    run_id = rig.start(WIKI)

    inheritance = rig.manager.ask(GetParentMetadata(parent_id=run_id))
    stored = rig.manager.ask(GetDefinition(definition_id=inheritance.definition_id))
    choice = choose_session(inheritance.metadata, definition_from(stored.body, source="test"))
    assert (choice.auth_id, choice.source) == ("wiki", AuthSource.DEFINITION)


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_run_that_cannot_be_created_leaves_nothing(rig: ExecutorRig, path: Path, clock: ManualClock, key: str) -> None:
    """If the first step fails there is no run, no definition, and who asked is told why."""
    error = rig.start(WIKI, key=key)

    assert isinstance(error, InvalidJobError)
    assert read(path, clock, lambda queries: (queries.jobs(), queries.definition(1))) == ([], None)
    assert rig.steps() == ["CreateJob"]


def test_run_whose_children_were_refused_is_taken_up_again(rig: ExecutorRig, path: Path, clock: ManualClock) -> None:
    """Who asked is told that the children could not be made; the same key goes on with that very run."""
    rig.taped.before[SpawnChildren] = failing(StoreError("disk full"))
    error = rig.start(WIKI, key="wiki")
    del rig.taped.before[SpawnChildren]

    run_id = rig.start(WIKI, key="wiki")

    ((parent, children),) = read(path, clock, runs_in)
    assert str(error) == "disk full"
    assert (parent.job.id, parent.job.sealed, len(children)) == (run_id, True, 3)


def test_step_that_fails_unexpectedly_is_told_to_who_asked(rig: ExecutorRig) -> None:
    """A bug ends the actor, which its supervisor starts again, and nobody waits for it."""
    rig.taped.before[SpawnChildren] = failing(ZeroDivisionError())

    error = rig.start(WIKI)

    assert "ExecutorActor crashed on this call (ZeroDivisionError)" in str(error)
    assert isinstance(rig.manager.watch.wait_for_crash(), ZeroDivisionError)


def test_executor_refuses_what_it_does_not_know(rig: ExecutorRig) -> None:
    """Another message is refused, and the next run is started all the same."""
    rig.ref.tell("hello")
    error = answer_of(rig.executor.ask_later("hello"))

    assert isinstance(error, EngineError)
    assert rig.start(WIKI) == 1


# Keys


def test_unfinished_run_under_a_key_is_taken_up(rig: ExecutorRig, path: Path, clock: ManualClock) -> None:
    """A second start under one key makes no second run and no second children, and has the first one judged (I11)."""
    first = rig.start(WIKI, key="wiki")

    second = rig.start(WIKI, key="wiki")

    ((_, children),) = read(path, clock, runs_in)
    assert first == second
    assert len(children) == 3
    assert rig.monitored() == [first, first]


def test_finished_run_under_a_key_makes_room_for_a_new_one(rig: ExecutorRig) -> None:
    """A key names a run while it is unfinished."""
    first = rig.start(WIKI, key="wiki")
    rig.manager.ask(CancelRun(job_id=first))

    assert rig.start(WIKI, key="wiki") != first


def test_run_that_is_taken_up_keeps_its_own_definition(rig: ExecutorRig, path: Path, clock: ManualClock) -> None:
    """A run that was cut short goes on with the definition that it was made with, whatever comes under its key."""
    rig.taped.before[SpawnChildren] = failing(StoreError("disk full"))
    rig.start(WIKI, key="wiki")
    del rig.taped.before[SpawnChildren]

    rig.start(OTHER, key="wiki")

    ((parent, children),) = read(path, clock, runs_in)
    assert [child.job.config["url"] for child in children] == URLS
    assert parent.job.metadata == KEPT
