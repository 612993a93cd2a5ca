"""A run with steps that was retried: its executor takes up what the store says is to go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from actor_rig import PATIENCE_S, ExecutorRig, SiteEngine, failing, page

from bequest import Definition, State
from bequest.actors.control_messages import DeleteJob, RetryJob
from bequest.actors.executor_messages import GoOn
from bequest.actors.messages import CancelRun, GetDefinition, GetJob, GetParentMetadata, SpawnChildren, UpdateJobStatus
from bequest.actors.query_messages import ListJobs
from bequest.engine.errors import TransitionError
from bequest.engine.records import Job, JobError
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

SEED = "http://h/"
CRAWL = {"kind": "crawl", "config": {"start_urls": [SEED]}}


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[ExecutorRig]:
    """Give an executor, stopped in the end."""
    made = ExecutorRig(store, clock)
    yield made
    made.stop()


def children(rig: ExecutorRig, parent_id: int) -> list[Job]:
    return [view.job for view in rig.manager.ask(ListJobs(parent_id=parent_id))]


def test_crawl_of_a_run_that_was_cancelled_before_its_seeds_gets_them(rig: ExecutorRig) -> None:
    """It is the crawl that goes on; its run knows how."""
    run_id = rig.start(Definition.crawl("d", steps=[{"kind": "crawl", "config": {"start_urls": [SEED]}}]))
    (crawl,) = children(rig, run_id)
    (seed,) = children(rig, crawl.id)
    rig.manager.ask(CancelRun(job_id=run_id))
    rig.manager.ask(DeleteJob(job_id=seed.id))
    rig.manager.ask(RetryJob(job_id=run_id))

    rig.executor.tell(GoOn(parent_ids=(crawl.id,)))
    rig.start(Definition.crawl("after it", start_urls=[SEED]))

    (again,) = children(rig, crawl.id)
    assert (again.config["url"], again.id > seed.id) == (SEED, True)


def test_pages_of_a_crawl_that_is_a_step_go_by_its_own_definition(rig: ExecutorRig) -> None:
    """What they inherit names it, in the column and in the metadata, and not that of the run without seeds (I6)."""
    own = {"start_urls": [SEED], "max_depth": 7, "auth_policy": "require"}
    run_id = rig.start(Definition.crawl("d", steps=[{"kind": "crawl", "config": own}], auth_id="wiki"))

    (crawl,) = children(rig, run_id)
    (seed,) = children(rig, crawl.id)
    inherited = rig.manager.ask(GetParentMetadata(parent_id=crawl.id))
    stored = rig.manager.ask(GetDefinition(definition_id=inherited.definition_id))
    assert {key: stored.body[key] for key in own} == own
    assert seed.definition_id == inherited.definition_id == inherited.metadata["job_definition_id"]


def test_crawl_that_is_a_step_follows_links_up_to_its_own_limits(tmp_path: Path, clock: ManualClock) -> None:
    """It reads as many pages as it may of a site that has more (I14), though its run has neither seeds nor limits."""
    step = {"kind": "crawl", "config": {"start_urls": [SEED], "max_pages": 5, "max_depth": 2}}

    with SiteEngine(
        tmp_path / "jobs.db", lambda asked: page(asked.url, "/a", "/b", f"{asked.url}c"), clock=clock
    ) as engine:
        run = engine.run(Definition.crawl("d", steps=[step]))
        run.wait(PATIENCE_S)
        (crawl,) = engine.jobs(parent_id=run.id)

    assert (crawl.job.state, crawl.children.completed, crawl.children.total) == (State.COMPLETED, 5, 5)


def fail_step(rig: ExecutorRig, run_id: int) -> Job:
    """Have the newest step of a run fail, and return it."""
    step = children(rig, run_id)[-1]
    for child in children(rig, step.id):
        rig.manager.ask(DeleteJob(job_id=child.id))
    failed = JobError(type="test", message="failed")
    rig.manager.ask(UpdateJobStatus(job_id=step.id, state=State.FAILED, error=failed))
    return step


def go_on(rig: ExecutorRig, run_id: int) -> None:
    """Tell the executor that the steps so far have ended, and wait until it has done what there was to do."""
    rig.executor.tell(GoOn(parent_ids=(run_id,)))
    rig.take_up()


def test_step_that_cannot_be_done_again_has_used_up_its_retries(rig: ExecutorRig) -> None:
    """The store may refuse a retry, as where another job has the key of a child by now; the run ends all the same."""
    run_id = rig.start(Definition.crawl("d", steps=[{**CRAWL, "on_error": "retry", "retries": 3}, CRAWL]))
    fail_step(rig, run_id)
    rig.taped.before[RetryJob] = failing(TransitionError("the key is taken"))

    go_on(rig, run_id)

    assert rig.manager.watch.errors == []
    assert rig.manager.ask(GetJob(job_id=run_id)).sealed
    assert len(children(rig, run_id)) == 1


def test_run_that_is_gone_is_not_gone_on_with(rig: ExecutorRig) -> None:
    """It was deleted after the manager had told of it, which is no reason to crash."""
    run_id = rig.start(Definition.crawl("d", steps=[CRAWL]))
    (crawl,) = children(rig, run_id)
    rig.manager.ask(DeleteJob(job_id=run_id))

    go_on(rig, run_id)
    go_on(rig, crawl.id)

    assert rig.manager.watch.errors == []


def test_run_that_is_cancelled_between_two_of_the_executors_steps_gets_no_more(rig: ExecutorRig) -> None:
    """The store refuses its next step, and the executor goes on with others."""
    run_id = rig.start(Definition.crawl("d", steps=[{**CRAWL, "on_error": "continue"}, CRAWL]))
    fail_step(rig, run_id)
    rig.taped.before[SpawnChildren] = lambda: rig.manager.ask(CancelRun(job_id=run_id))

    go_on(rig, run_id)

    assert rig.manager.watch.errors == []
    assert rig.manager.ask(GetJob(job_id=run_id)).state is State.CANCELLED
    assert len(children(rig, run_id)) == 1
