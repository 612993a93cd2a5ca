"""The counters by queue, kind and state: what counting would give, written once for each group (I13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

import pytest
from store_rig import Worker, judge, make, parent, work

from bequest.engine.database import Row, Value
from bequest.engine.records import STATES, KindCounts, NewJob, State
from bequest.engine.store import Store


def counted(store: Store) -> dict[tuple[str, str], Counter[str]]:
    """Return the counters, without what is 0."""
    with store.group():
        found: list[KindCounts] = store.stats.counts()
    sums = {(one.queue, one.kind): Counter({str(state): getattr(one.jobs, state) for state in STATES}) for one in found}
    return {names: +sum_ for names, sum_ in sums.items() if +sum_}


def recounted(store: Store) -> dict[tuple[str, str], Counter[str]]:
    """Count the rows."""
    rows = store._database.rows("SELECT queue, kind, state, count(*) FROM job GROUP BY 1, 2, 3")
    sums: dict[tuple[str, str], Counter[str]] = {}
    for queue, kind, state, count in rows:
        sums.setdefault((queue, kind), Counter())[str(STATES[state])] = count
    return sums


def test_counters_are_kept_by_queue_and_kind(store: Store) -> None:
    """Each by itself."""
    make(store)
    make(store)
    make(store, "mail")
    make(store, queue="slow")

    assert counted(store) == {
        ("default", "work"): {"pending": 2},
        ("default", "mail"): {"pending": 1},
        ("slow", "work"): {"pending": 1},
    }


def test_counters_follow_whatever_becomes_of_jobs(store: Store) -> None:
    """Through every state, a retry and a deletion (I13)."""
    root, first, second, third = parent(store, work(), work(), work())
    worker = Worker(store)

    def look() -> None:
        assert counted(store) == recounted(store)

    worker.take()
    look()
    worker.end(first)
    worker.fail(second)
    look()
    worker.end(third, state=State.WAITING, waits_for="wiki")
    look()
    with store.group():
        store.parents.cancel(third)
    judge(store)
    look()
    with store.group():
        store.control.retry(root)
    look()
    with store.group():
        store.control.delete(root)
    look()
    assert counted(store) == {}


def test_group_that_is_undone_counts_nothing(store: Store) -> None:
    """The counters are written with what they count (I12)."""
    with suppress(KeyError), store.group():
        store.jobs.create([NewJob(kind="work")])
        raise KeyError

    assert counted(store) == {}


def test_moves_that_cancel_out_write_no_counter(store: Store) -> None:
    """A job that came and went in one group leaves no row."""
    with store.group():
        (created,) = store.jobs.create([NewJob(kind="work")])
        store.control.delete(created.job_id)

    assert store._database.rows("SELECT * FROM stat") == []


def test_group_writes_its_counters_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many jobs it moves: one row for each kind, in one statement."""
    statements: list[str] = []
    rows = store._database.rows

    def spy(sql: str, values: Iterable[Value] = ()) -> list[Row]:
        statements.append(sql)
        return rows(sql, values)

    monkeypatch.setattr(store._database, "rows", spy)
    with store.group():
        store.jobs.create([NewJob(kind="work")] * 100 + [NewJob(kind="mail")])
        store.jobs.create([NewJob(kind="work")])

    assert len([sql for sql in statements if "INTO stat" in sql]) == 1
    assert counted(store) == {("default", "work"): {"pending": 101}, ("default", "mail"): {"pending": 1}}
