"""Pruning against a model: for any forest of jobs, any retention and any interruptions, what is over goes, whole."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bequest import Keep, Retention
from bequest.engine import prune_queries
from bequest.engine.archive import Archived, Part, append, line_of
from bequest.engine.limits import KindTerms
from bequest.engine.records import FINAL_STATES, Completion, Document, JobError, LogEntry, NewJob, State
from bequest.engine.retention import due
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

NOW = 1_000_000_000.0
KINDS = ("page", "crawl", "job")
LEFT_BEHIND = ("tally", "job_error", "job_log", "document", "pruned")
ENDS = st.sampled_from([State.COMPLETED, State.FAILED, State.CANCELLED, State.PENDING])
AGES = st.sampled_from([0.0, 1.0, 10.0, 100.0])
SECONDS = st.sampled_from([0.0, 1.0, 10.0, 50.0, math.inf])
RETENTIONS = st.builds(
    Retention,
    completed_s=SECONDS,
    failed_s=SECONDS,
    cancelled_s=SECONDS,
    kinds=st.dictionaries(
        st.sampled_from(KINDS),
        st.builds(Keep, completed_s=st.none() | SECONDS, failed_s=st.none() | SECONDS, cancelled_s=st.none() | SECONDS),
        max_size=2,
    ),
)


class Tree(NamedTuple):
    """A job with what is below it, and how long ago it ended, if it did."""

    kind: str
    end: State  # PENDING for what has not ended
    age: float
    below: tuple[int, ...] = ()  # for each child how many children it has
    logs: int = 0


TREES = st.builds(
    Tree,
    kind=st.sampled_from(KINDS),
    end=ENDS,
    age=AGES,
    below=st.lists(st.integers(0, 3), max_size=3).map(tuple),
    logs=st.integers(0, 5),
)


class Forest:
    """A store with trees in it, and a plain list of which jobs make up which tree."""

    def __init__(self, folder: Path, trees: Sequence[Tree]) -> None:
        self.clock = ManualClock(NOW)
        self.path = folder / "jobs.db"
        self.archive = folder / "old.jsonl"
        self.store = self.open()
        self.jobs_of: list[list[int]] = [self.grow(tree) for tree in trees]
        self.logs = {number: job_id for number, job_id in self.rows("SELECT id, job_id FROM job_log")}
        self.clock.jump(NOW)

    def open(self) -> Store:
        return Store.open(self.path, clock=self.clock, durability="relaxed")

    def rows(self, sql: str) -> list[tuple[int, ...]]:
        with self.store.group():
            return self.store._database.rows(sql)

    def grow(self, tree: Tree) -> list[int]:
        """Make a tree at the time that it ended, and return its jobs, the root first."""
        self.clock.jump(NOW - tree.age)
        store = self.store
        with store.group():
            state = State.WAITING if tree.below else State.PENDING
            (root,) = (created.job_id for created in store.jobs.create([NewJob(kind=tree.kind, state=state)]))
            jobs = [root, *self.spawn(root, tree.below)]
            store.logs.add(
                [
                    LogEntry(job_id=job_id, at=1.0, level="INFO", message="m")
                    for job_id in jobs
                    for _ in range(tree.logs)
                ]
            )
        self.end(root, tree)
        return jobs

    def spawn(self, root: int, below: Sequence[int]) -> list[int]:
        """Make children, and theirs, and end those that are to be done before their parents."""
        if not below:
            return []
        store = self.store
        new = [NewJob(kind="page", state=State.WAITING if count else State.PENDING) for count in below]
        children = [child for child in store.parents.spawn(root, new, seal=True) if child is not None]
        leaves: list[int] = []
        for child, count in zip(children, below, strict=True):
            if count:
                leaves += [
                    leaf for leaf in store.parents.spawn(child, [NewJob(kind="page")] * count, seal=True) if leaf
                ]
        return [*children, *leaves]

    def end(self, root: int, tree: Tree) -> None:
        """End a tree as it is to end; one that is to go on keeps an unfinished root."""
        store = self.store
        with store.group():
            if tree.end is State.CANCELLED:
                store.parents.cancel(root)
                return
            if tree.end is State.PENDING:
                return
            leases = store.claims.claim("default", [KindTerms(kind=kind) for kind in KINDS], 100, 60.0)
            store.completions.complete(
                [
                    Completion(
                        job_id=lease.job_id,
                        token=lease.token,
                        state=tree.end if lease.parent_id is None else State.COMPLETED,
                        error=JobError(type="odd", message="m"),
                        document=None if lease.parent_id is None else document(lease.job_id),
                    )
                    for lease in leases
                    if lease.job_id in self.line(root)
                ]
            )
        with store.group():
            store.leases.reclaim()
            for child in self.parents_below(root):
                store.jobs.update_status(child, State.COMPLETED)
            if tree.below:
                store.jobs.update_status(root, tree.end)

    def line(self, root: int) -> list[int]:
        rows = self.store._database.rows("SELECT id FROM job WHERE id = ?1 OR root_id = ?1", (root,))
        return [row[0] for row in rows]

    def parents_below(self, root: int) -> list[int]:
        rows = self.store._database.rows("SELECT id FROM job WHERE root_id = ? AND state = 2 ORDER BY id DESC", (root,))
        return [row[0] for row in rows]

    def prune(self, retention: Retention, at_once: int, crashes: Iterator[bool]) -> None:
        """Prune to the end; where *crashes* says so it is interrupted, between any two of its steps."""
        while True:
            with self.store.group():
                parts = self.store.queries.prunes.parts()
            if parts:
                append(self.archive, [line_of(part, NOW) for part in parts])
                if next(crashes):
                    self.crash()
                    continue
                self.delete(parts)
            elif not self.leave(retention, at_once):
                return
            if next(crashes):
                self.crash()
            with self.store.group():
                assert self.store.queries.integrity(is_quick=True) == []

    def leave(self, retention: Retention, at_once: int) -> int:
        with self.store.loose_group():
            taken = self.store.prunes.take_below(at_once) or self.store.prunes.take_over(retention, NOW, at_once)
        assert taken <= at_once
        return taken

    def delete(self, parts: Sequence[Part]) -> None:
        with self.store.loose_group():
            self.store.prunes.delete(
                [
                    Archived(job_id=part.job_id, last_error_id=part.last_error_id, last_log_id=part.last_log_id)
                    for part in parts
                ]
            )

    def crash(self) -> None:
        """End without a word, and come back."""
        self.store.close()
        self.store = self.open()


def document(job_id: int) -> Document:
    return Document(
        url="https://h/",
        url_key=str(job_id),
        status=200,
        title="",
        markdown="x" * 10,
        depth=0,
        auth_id=None,
        fetched_at=1.0,
    )


def is_over(tree: Tree, rules: Mapping[State, float], kinds: Mapping[str, Keep]) -> bool:
    """Say the same as the retention, in other words."""
    if tree.end is State.PENDING:
        return False
    seconds = rules[tree.end]
    if tree.kind in kinds:
        own = {
            State.COMPLETED: kinds[tree.kind].completed_s,
            State.FAILED: kinds[tree.kind].failed_s,
            State.CANCELLED: kinds[tree.kind].cancelled_s,
        }[tree.end]
        seconds = seconds if own is None else own
    return tree.age >= seconds


@settings(max_examples=60, deadline=None)
@given(
    trees=st.lists(TREES, min_size=1, max_size=4),
    retention=RETENTIONS,
    at_once=st.integers(1, 4),
    rows_a_time=st.integers(1, 4),
    crashes=st.lists(st.booleans(), max_size=30),
)
@example(
    trees=[Tree("crawl", State.COMPLETED, 10.0, (0, 2), 3)],
    retention=Retention(completed_s=10.0),
    at_once=1,
    rows_a_time=1,
    crashes=[True] * 30,
)
def test_pruning_agrees_with_the_model(
    trees: list[Tree], retention: Retention, at_once: int, rows_a_time: int, crashes: list[bool]
) -> None:
    """What is over is gone with all that belonged to it and is archived, and the rest is as it was."""
    rules = {
        State.COMPLETED: retention.completed_s,
        State.FAILED: retention.failed_s,
        State.CANCELLED: retention.cancelled_s,
    }
    with tempfile.TemporaryDirectory() as folder, bounded(rows_a_time):
        forest = Forest(Path(folder), trees)
        before = {row[0]: row for row in forest.rows("SELECT * FROM job")}
        over = [jobs for tree, jobs in zip(trees, forest.jobs_of, strict=True) if is_over(tree, rules, retention.kinds)]
        gone = {job_id for jobs in over for job_id in jobs}

        forest.prune(retention, at_once, iter([*crashes, *[False] * 10_000]))

        left = {row[0]: row for row in forest.rows("SELECT * FROM job")}
        assert left == {job_id: row for job_id, row in before.items() if job_id not in gone}
        if not left:
            assert all(forest.rows(f"SELECT count(*) FROM {table}") == [(0,)] for table in LEFT_BEHIND)
        check_archive(forest, gone)
        forest.store.close()


def check_archive(forest: Forest, gone: set[int]) -> None:
    """All that is gone is in the archive, each line whole; without a crash each is there once."""
    text = forest.archive.read_text("utf-8") if forest.archive.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["job_id"] for line in lines if line["job"] is not None} == gone
    archived = {(log["number"], line["job_id"]) for line in lines for log in line["logs"]}
    assert archived == {(number, job_id) for number, job_id in forest.logs.items() if job_id in gone}


@contextmanager
def bounded(rows: int) -> Iterator[None]:
    """Let so few rows be read at a time."""
    before = prune_queries.ROWS_A_TIME
    prune_queries.ROWS_A_TIME = rows
    try:
        yield
    finally:
        prune_queries.ROWS_A_TIME = before


@given(retention=RETENTIONS, now=st.floats(0, 1e10), kinds=st.lists(st.sampled_from(KINDS), unique=True))
def test_due_lists_no_more_than_the_rules(retention: Retention, now: float, kinds: list[str]) -> None:
    """Each kind and state is there at most once, never for ever, and never later than now."""
    found = due(retention, now, kinds)

    assert len({(one.kind, one.state) for one in found}) == len(found)
    assert all(one.kind in kinds and one.state in FINAL_STATES for one in found)
    assert all(one.ended_by == now - retention.keep_s(one.kind, one.state) <= now for one in found)
    missing = len(kinds) * len(FINAL_STATES) - len(found)
    assert missing == sum(math.isinf(retention.keep_s(kind, state)) for kind in kinds for state in FINAL_STATES)
