"""The plans of the statements that run for every job: each finds its rows by an index, however many jobs there are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from store_rig import Worker, make, parent, spawn, work

from bequest.engine.claim_store import LEASED, due_source
from bequest.engine.control_store import TAKEN
from bequest.engine.database import Row, Value
from bequest.engine.due_lanes import DUE_LANES, ENDS, LOOK_AT_MANY, LOOK_AT_ONE
from bequest.engine.job_inserts import INSERT_KEYED, LAPSE
from bequest.engine.limits import KindTerms, Rate
from bequest.engine.parent_store import RIPE
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.queries import GOING_ON
from bequest.engine.records import KeyScope, LeaseRef, State
from bequest.engine.store import Store


def plan(store: Store, sql: str) -> list[str]:
    """Return the steps of a statement's plan."""
    numbers = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    values = [None] * max(numbers, default=sql.count("?"))
    return [row[3] for row in store._database.rows(f"EXPLAIN QUERY PLAN {sql}", values)]


def of_job(steps: Iterable[str]) -> list[str]:
    """Return the steps that go to the table of jobs, under any of its names there."""
    names = ("job", "here", "parent", "held", "child", "step")
    return [step for step in steps if step.startswith(("SCAN", "SEARCH")) and step.split()[1] in names]


def test_claim_reads_the_index_of_what_is_due_in_its_order(store: Store) -> None:
    """Each kind's first jobs of a lane by priority and age, without sorting, and then the rows by id."""
    steps = of_job(plan(store, f"SELECT {LEASED} {due_source(2, has_pauses=False)}"))

    ready = "SEARCH job USING INDEX job_ready (queue=? AND kind=? AND lane=? AND partition=?)"
    assert steps == ["SEARCH job USING INTEGER PRIMARY KEY (rowid=?)", ready, ready]


def test_due_lanes_are_probes_of_the_index_of_what_is_due(store: Store) -> None:
    """A lane costs two at most, whatever is due in it."""
    steps = of_job(plan(store, DUE_LANES))

    probes = [step for step in steps if "job_ready" in step]
    assert (
        probes
        == [
            "SEARCH job USING INDEX job_ready (queue=? AND kind=? AND lane=? AND partition>?)",
            "SEARCH job USING INDEX job_ready (queue=? AND kind=? AND lane>?)",
        ]
        * 2
    )
    assert all("INTEGER PRIMARY KEY" in step for step in steps if step not in probes)


@pytest.mark.parametrize("sql", [ENDS, LOOK_AT_ONE, LOOK_AT_MANY])
def test_first_look_of_a_claim_goes_to_both_ends_of_what_is_due(store: Store, sql: str) -> None:
    """Nothing is sorted or scanned to find the first and the last lane, and whether something has fallen due."""
    steps = plan(store, sql)

    jobs = [step for step in steps if step.split()[1] in ("job", "low", "high")]
    assert set(jobs) <= {
        "SEARCH job USING COVERING INDEX job_scheduled (run_at<?)",
        "SEARCH job USING INDEX job_ready (queue=? AND kind=?)",
        "SEARCH low USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH low USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
        "SEARCH high USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH high USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
    }
    assert jobs.count("SEARCH job USING INDEX job_ready (queue=? AND kind=?)") == 2
    assert not any("TEMP B-TREE" in step for step in steps)


@pytest.mark.parametrize("sql", [INSERT_KEYED, LAPSE, TAKEN])
def test_key_is_looked_up_in_its_index(store: Store, sql: str) -> None:
    """By its lane and itself: when a job is made, when a period has passed, and when a job is retried."""
    assert "SEARCH job USING INDEX job_key (lane=? AND key=?)" in plan(store, sql)


def test_ripe_parents_are_looked_up_by_their_ids(store: Store) -> None:
    """With their counters, without a look at any child."""
    steps = [step for step in plan(store, RIPE) if step.startswith("SEARCH")]

    assert steps == [
        "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH tally USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
    ]


def test_stalled_flow_is_looked_at_by_its_parents_alone(store: Store) -> None:
    """Its pages, which may be a million, are read from the counters."""
    steps = of_job(plan(store, GOING_ON))

    assert steps == ["SEARCH job USING INDEX job_waiting (parent_id=?)"] * 2


def test_nothing_that_runs_for_every_job_reads_all_jobs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all statements between making a job and the end of its parent none goes through the table."""
    seen: dict[str, list[str]] = {}
    rows = store._database.rows

    def explained(sql: str, values: Iterable[Value] = ()) -> list[Row]:
        given = tuple(values)
        if sql not in seen:
            seen[sql] = [row[3] for row in rows(f"EXPLAIN QUERY PLAN {sql}", given)]
        return rows(sql, given)

    monkeypatch.setattr(store._database, "rows", explained)
    live_a_life(store)

    scans = [(step, sql) for sql, steps in seen.items() for step in of_job(steps) if step.startswith("SCAN")]
    assert len(seen) > 40
    assert [(step, sql) for step, sql in scans if " USING " not in step] == []
    partial = {step.rpartition(" ")[2] for step, _ in scans}  # indexes of few jobs, or read up to the first one
    assert partial <= {"job_lease", "job_waiting", "job_follow_up", "job_ready", "job_period"}


def live_a_life(store: Store) -> None:
    """Do whatever is done for jobs, their leases, parents, keys and counters."""
    limited: dict[str, Any] = {"concurrency": 5, "partition_rate": Rate(jobs=50)}
    root, first, second, nested = parent(
        store, work(key="a"), work(), work(state=State.WAITING), child_concurrency=3, run_timeout_s=60.0
    )
    spawn(store, nested, work(key="b", key_scope=KeyScope.PERIOD, key_period_s=5.0))
    for scope in KeyScope:
        period_s = 5.0 if scope is KeyScope.PERIOD else None
        make(store, key=str(scope), key_scope=scope, key_period_s=period_s)
        make(store, key=str(scope))
    worker = Worker(store, KindTerms(kind="work", **limited))
    with store.group():
        store.control.pause(Pause(scope=PauseScope.RUN, name=str(make_in(store))))
    worker.take(3)
    worker.fail(first)
    worker.end(second, children=(work(),))
    taken = worker.take(99)
    with store.group():
        refs = [LeaseRef(job_id=one, token=worker.leases[one].token) for one in taken]
        store.leases.renew(refs[:1], 60.0)
        store.leases.release(refs[1:2])
        store.leases.expire()
        store.leases.next_wake()
        store.parents.end_overdue()
        store.parents.inheritance(nested)
        store.parents.judge(store.parents.waiting())
        store.parents.open_parents(["flow"])
        store.jobs.follow_up()
        store.jobs.update_metadata(root, {"a": 1})
        store.is_idle()
        store.stats.counts()
        store.queries.job(root)
        store.queries.jobs(parent_id=root)
        store.queries.attempt_errors(first)
    with store.group():
        store.parents.cancel(root)
    with store.group():
        store.control.retry(root)
        store.control.delete(root)
        store.leases.reclaim()


def make_in(store: Store) -> int:
    """Make a job inside a group that is open."""
    (created,) = store.jobs.create([work()])
    return created.job_id
