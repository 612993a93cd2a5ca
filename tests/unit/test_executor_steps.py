"""A run with steps that was retried: its executor takes up what the store says is to go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from actor_rig import ExecutorRig

from bequest import Definition
from bequest.actors.control_messages import DeleteJob, RetryJob
from bequest.actors.executor_messages import GoOn
from bequest.actors.messages import CancelRun
from bequest.actors.query_messages import ListJobs
from bequest.engine.records import Job
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

SEED = "http://h/"


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
    (page,) = children(rig, crawl.id)
    rig.manager.ask(CancelRun(job_id=run_id))
    rig.manager.ask(DeleteJob(job_id=page.id))
    rig.manager.ask(RetryJob(job_id=run_id))

    rig.executor.tell(GoOn(parent_ids=(crawl.id,)))
    rig.start(Definition.crawl("after it", start_urls=[SEED]))

    (again,) = children(rig, crawl.id)
    assert (again.config["url"], again.id > page.id) == (SEED, True)
