"""Owns how new jobs get into the table: many rows in one statement (I12), none twice under one key (I11, I15).

Each SQLite call gives up the GIL and may wait 5 ms for it beside a busy thread, so rows of one shape go in together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from .changes import Changes, Move
from .database import Database, Value
from .job_rows import NUMBER_OF
from .job_rules import check_job, check_key
from .json_values import encode_json, encode_object
from .records import KEY_SCOPES, ON_FAILURE, Json, KeyScope, NewJob, State

LAPSED = len(KEY_SCOPES)  # the scope of a key whose period has passed

KEY_HOLDS = (
    "job.key_scope = 0 OR job.key_scope = 1 AND job.state < 3"
    " OR job.key_scope = 2 AND job.token = 0 AND job.state < 3 OR job.key_scope = 3"
)
INSERT_TERMS = (
    "INSERT INTO job (id, parent_id, root_id, definition_id, queue, kind, partition, state, is_due, priority, attempts,"
    " max_attempts, token, sealed, made_waiting, own_step, on_failure, key_scope, key_until, child_limit,"
    " child_concurrency, max_child_failures, timeout_s, run_timeout_s, deadline_at, run_at, tags_json, created_at, key,"
    " config_json, metadata_json) SELECT ?1 + d.key, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, 0, 0, ?8 = 2, ?12,"
    " ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,"
)
INSERT_ALIKE = f"{INSERT_TERMS} NULL, d.value, ?26 FROM json_each(?25) d"
INSERT = f"{INSERT_TERMS} d.value ->> 0, d.value ->> 1, d.value ->> 2 FROM json_each(?25) d"
INSERT_UNKEYED = f"{INSERT} LIMIT ?26"
INSERT_KEYED = (
    f"{INSERT} WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.lane = ifnull(?2, 0) AND job.key = d.value ->> 0"
    f" AND ({KEY_HOLDS})) ORDER BY d.key LIMIT ?26"
)
LAPSE = (
    "UPDATE job SET key_scope = ?2 WHERE id IN (SELECT job.id FROM json_each(?1) AS asked CROSS JOIN job"
    " WHERE job.lane = asked.value ->> 0 AND job.key = asked.value ->> 1 AND job.key_scope = 3 AND job.key_until <= ?3)"
)
NO_LIMIT = -1
OWN = frozenset({"config", "metadata", "key"})  # what rows of one statement need not have in common
_terms_of = attrgetter(*(name for name in NewJob.__struct_fields__ if name not in OWN))


class Shape(NamedTuple):
    """What the rows of one statement have in common, in the order of its parameters."""

    parent_id: int | None
    root_id: int
    definition_id: int | None
    queue: str
    kind: str
    partition: str
    state: int
    is_due: bool
    priority: int
    max_attempts: int
    own_step: int
    on_failure: int
    key_scope: int
    key_until: float | None
    child_limit: int | None
    child_concurrency: int | None
    max_child_failures: int | float | None
    timeout_s: float | None
    run_timeout_s: float | None
    deadline_at: float | None
    run_at: float
    tags_json: str | None


class JobInserts:
    """Inserts jobs; a part of the store."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        self._next_id: tuple[int, int] | None = None  # with the number of rollbacks that it is good for
        self._has_periods: bool | None = None  # whether any key may be held for a period; None until it is looked up

    def insert(
        self,
        jobs: Sequence[NewJob],
        *,
        root_id: int = 0,
        inherited: Mapping[str, Json] | None = None,
        limit: int | None = None,
    ) -> list[int | None]:
        """Insert at most *limit* of *jobs* in their order; return each one's id, None where its key or the limit
        refused it.

        They share one parent, whose root is *root_id* and which leaves them *inherited* as metadata. Raises
        ``InvalidJobError`` and ``MetadataError`` before anything is written.
        """
        now = self._database.now
        reader = Reader(inherited or {}, root_id, now)
        rows = [reader.read(job) for job in jobs]
        if reader.has_periods:
            self._has_periods = True
        self.let_lapse(sorted({(job.parent_id or 0, job.key) for job in jobs if job.key is not None}))
        left = NO_LIMIT if limit is None else max(0, limit)
        ids: list[int | None] = [None] * len(jobs)
        shapes = reader.shapes
        for _, run in groupby(_fresh_indexes(jobs), key=lambda index: id(shapes[index])):
            indexes = list(run)
            shape = shapes[indexes[0]]
            statement = INSERT_UNKEYED if jobs[indexes[0]].key is None else INSERT_KEYED
            placed = self._insert_shape(statement, shape, [rows[index] for index in indexes], left)
            for index, job_id in zip(indexes, placed, strict=True):
                ids[index] = job_id
            if left != NO_LIMIT:
                left -= sum(job_id is not None for job_id in placed)
        return ids

    def insert_alike(self, job: NewJob, configs: Sequence[Json]) -> range:
        """Insert a job like *job*, which has no key, with each of *configs*; return their ids, which are in a row.

        Raises ``InvalidJobError`` and ``MetadataError`` before anything is written.
        """
        check_job(job)
        owner = f"config of a new {job.kind} job"
        texts = [encode_json(config, owner=owner) for config in configs]
        metadata_json = encode_object(job.metadata, owner=f"metadata of a new {job.kind} job")
        shape = _shape_of(job, 0, self._database.now)
        first = self._first_id()
        values = (first, *shape, self._database.now, msgspec.json.encode(texts).decode(), metadata_json)
        count = self._database.run(INSERT_ALIKE, values)
        ids = range(first, first + count)
        if ids:
            self._note(shape, ids)
        return ids

    def let_lapse(self, keys: Sequence[tuple[int, str]]) -> None:
        """Free those of *keys*, each with its lane, that were held for a period which has passed."""
        if not keys:
            return
        if self._has_periods is None:
            row = self._database.row("SELECT EXISTS (SELECT 1 FROM job WHERE key_scope = 3)")
            self._has_periods = row is not None and bool(row[0])
        if self._has_periods:
            self._database.run(LAPSE, (msgspec.json.encode(keys).decode(), LAPSED, self._database.now))

    def _insert_shape(self, statement: str, shape: Shape, rows: list[list[str | None]], limit: int) -> list[int | None]:
        first = self._first_id()
        values: tuple[Value, ...] = (first, *shape, self._database.now, msgspec.json.encode(rows).decode(), limit)
        count = self._database.run(statement, values)
        placed: Sequence[int] = range(first, first + count)
        if 0 < count < len(rows) and statement is INSERT_KEYED:
            placed = [row[0] for row in self._database.rows("SELECT id FROM job WHERE id >= ? ORDER BY id", (first,))]
        ids: list[int | None] = [None] * len(rows)
        for job_id in placed:
            ids[job_id - first] = job_id
        if count:
            self._note(shape, placed)
        return ids

    def _note(self, shape: Shape, ids: Sequence[int]) -> None:
        self._next_id = (self._database.rollbacks, ids[-1] + 1)
        self._changes.move(Move(job_id, shape.parent_id, shape.queue, shape.kind, None, shape.state) for job_id in ids)
        if shape.deadline_at is not None:
            self._changes.wake_at = min(self._changes.wake_at, shape.deadline_at)
        if shape.state == NUMBER_OF[State.PENDING]:
            self._changes.note_due(shape.run_at, self._database.now)

    def _first_id(self) -> int:
        """Return the next id; read from the file once, and again after every rollback."""
        if self._next_id is None or self._next_id[0] != self._database.rollbacks:
            row = self._database.row("SELECT seq FROM sqlite_sequence WHERE name = 'job'")
            self._next_id = (self._database.rollbacks, (row[0] if row else 0) + 1)
        return self._next_id[1]


class Reader:
    """Reads jobs in turn: checks them and finds their rows and *shapes*, one object for neighbours of one shape.

    What a job has in common with the one before it is looked at once.
    """

    def __init__(self, inherited: Mapping[str, Json], root_id: int, now: float) -> None:
        self.shapes: list[Shape] = []
        self.has_periods = False  # whether a key is held for a period
        self._inherited = inherited
        self._root_id = root_id
        self._now = now
        self._terms: object = None
        self._config: Json = self  # no job's
        self._config_json = ""
        self._bare_json: str | None = None  # the metadata of a job that has none of its own

    def read(self, job: NewJob) -> list[str | None]:
        """Return the row of *job*, as ``INSERT`` takes it; raises ``InvalidJobError`` and ``MetadataError``."""
        key = job.key
        terms = (_terms_of(job), type(job.max_child_failures), key is None)  # 1 is a count, and 1.0 a share
        if terms == self._terms:
            check_key(key)
            self.shapes.append(self.shapes[-1])
        else:
            check_job(job)
            self.shapes.append(_shape_of(job, self._root_id, self._now))
            self._terms = terms
            self.has_periods = self.has_periods or job.key_scope is KeyScope.PERIOD
        if job.config is not self._config:
            self._config_json = encode_json(job.config, owner=f"config of a new {job.kind} job")
            self._config = job.config
        return [key, self._config_json, self._metadata_of(job)]

    def _metadata_of(self, job: NewJob) -> str:
        owner = f"metadata of a new {job.kind} job"
        if job.metadata:
            return encode_object({**self._inherited, **job.metadata}, owner=owner)
        if self._bare_json is None:
            self._bare_json = encode_object(self._inherited, owner=owner) if self._inherited else "{}"
        return self._bare_json


def deadline_of(job: NewJob, now: float) -> float | None:
    """Return when a job that is made now must have ended with all below it; a later start gives it as much time."""
    if job.run_timeout_s is None:
        return None
    starts_at = now if job.run_at is None or job.state is State.WAITING else max(now, job.run_at)
    return starts_at + job.run_timeout_s


def _fresh_indexes(jobs: Sequence[NewJob]) -> Iterator[int]:
    """Yield the indexes of *jobs* in order; of two with one key only the first."""
    seen: set[tuple[int | None, str]] = set()
    for index, job in enumerate(jobs):
        if job.key is None:
            yield index
        elif (job.parent_id, job.key) not in seen:
            seen.add((job.parent_id, job.key))
            yield index


def _shape_of(job: NewJob, root_id: int, now: float) -> Shape:
    run_at = now if job.run_at is None else job.run_at
    return Shape(
        parent_id=job.parent_id,
        root_id=root_id,
        definition_id=job.definition_id,
        queue=job.queue,
        kind=job.kind,
        partition=job.partition,
        state=NUMBER_OF[job.state],
        is_due=job.state is not State.PENDING or run_at <= now,
        priority=job.priority,
        max_attempts=job.max_attempts,
        own_step=job.own_step,
        on_failure=ON_FAILURE.index(job.on_failure),
        key_scope=KEY_SCOPES.index(job.key_scope),
        key_until=None if job.key_period_s is None else now + job.key_period_s,
        child_limit=job.child_limit,
        child_concurrency=job.child_concurrency,
        max_child_failures=job.max_child_failures,
        timeout_s=job.timeout_s,
        run_timeout_s=job.run_timeout_s,
        deadline_at=deadline_of(job, now),
        run_at=run_at,
        tags_json=msgspec.json.encode(job.tags).decode() if job.tags else None,
    )
