"""Owns how new jobs get into the table: many rows in one statement (I12), none twice under one key (I11, I15).

Each SQLite call gives up the GIL and may wait 5 ms for it beside a busy thread, so rows of one shape go in together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from .changes import Changes
from .database import Database, Value
from .errors import InvalidJobError
from .job_rows import NUMBER_OF
from .json_values import encode_json, encode_object
from .records import Json, KeyScope, NewJob, State

MAX_KEY_LENGTH = 255

_INTO = (
    "INSERT INTO job (id, parent_id, definition_id, kind, state, is_due, priority, attempts, max_attempts, token,"
    " sealed, key_scope, key, child_limit, child_concurrency, run_at, created_at, config_json, metadata_json)"
    " SELECT ?1 + d.key, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, 0, 0, ?9, d.value ->> 0, ?10, ?11, ?12, ?13,"
    " d.value ->> 1, d.value ->> 2 FROM json_each(?14) d"
)
INSERT_UNKEYED = f"{_INTO} LIMIT ?15 RETURNING id"
INSERT_KEYED = (
    f"{_INTO} WHERE NOT EXISTS (SELECT 1 FROM job WHERE ifnull(parent_id, 0) = ifnull(?2, 0)"
    " AND job.key = d.value ->> 0 AND (key_scope = 0 OR state < 3)) ORDER BY d.key LIMIT ?15 RETURNING id"
)
NO_LIMIT = -1


class Shape(NamedTuple):
    """What the rows of one statement have in common."""

    is_keyed: bool
    parent_id: int | None
    definition_id: int | None
    kind: str
    state: int
    priority: int
    max_attempts: int
    key_scope: int
    child_limit: int | None
    child_concurrency: int | None
    run_at: float | None


class JobInserts:
    """Inserts jobs; a part of the store."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        self._next_id: tuple[int, int] | None = None  # with the number of rollbacks that it is good for

    def insert(
        self, jobs: Sequence[NewJob], *, inherited: Mapping[str, Json] | None = None, limit: int | None = None
    ) -> list[int | None]:
        """Insert at most *limit* of *jobs* in their order; return each one's id, None where its key or the limit
        refused it.

        *inherited* is the metadata that a parent leaves them. Raises ``InvalidJobError`` and ``MetadataError`` before
        anything is written.
        """
        inherited = inherited or {}
        rows = [_row_of(job, inherited) for job in jobs]
        left = NO_LIMIT if limit is None else max(0, limit)
        ids: list[int | None] = [None] * len(jobs)
        for shape, run in groupby(_fresh_indexes(jobs), key=lambda index: _shape_of(jobs[index])):
            indexes = list(run)
            placed = self._insert_shape(shape, [rows[index] for index in indexes], left)
            for index, job_id in zip(indexes, placed, strict=True):
                ids[index] = job_id
            if left != NO_LIMIT:
                left -= sum(job_id is not None for job_id in placed)
        return ids

    def _insert_shape(self, shape: Shape, rows: list[list[str | None]], limit: int) -> list[int | None]:
        now = self._database.now
        first = self._first_id()
        run_at = now if shape.run_at is None else shape.run_at
        is_due = shape.state != NUMBER_OF[State.PENDING] or run_at <= now
        values: tuple[Value, ...] = (
            first,
            *shape[1:5],
            is_due,
            *shape[5:10],
            run_at,
            now,
            msgspec.json.encode(rows).decode(),
            limit,
        )
        found = self._database.rows(INSERT_KEYED if shape.is_keyed else INSERT_UNKEYED, values)
        ids: list[int | None] = [None] * len(rows)
        for (job_id,) in found:
            ids[job_id - first] = job_id
        if found:
            self._next_id = (self._database.rollbacks, max(job_id for (job_id,) in found) + 1)
            self._note(shape, run_at)
        return ids

    def _note(self, shape: Shape, run_at: float) -> None:
        if shape.parent_id is not None:
            self._changes.parents.add(shape.parent_id)
        if shape.state == NUMBER_OF[State.PENDING]:
            self._changes.note_due(run_at, self._database.now)

    def _first_id(self) -> int:
        """Return the next id; read from the file once, and again after every rollback."""
        if self._next_id is None or self._next_id[0] != self._database.rollbacks:
            row = self._database.row("SELECT seq FROM sqlite_sequence WHERE name = 'job'")
            self._next_id = (self._database.rollbacks, (row[0] if row else 0) + 1)
        return self._next_id[1]


def check_job(job: NewJob) -> None:
    """Raise ``InvalidJobError`` for what no row can hold."""
    if job.state not in (State.PENDING, State.WAITING):
        raise InvalidJobError(f"a job begins as pending or waiting, not as {job.state}")
    if job.key is not None and (not 0 < len(job.key) <= MAX_KEY_LENGTH or not job.key.isprintable()):
        raise InvalidJobError(f"a key has 1 to {MAX_KEY_LENGTH} printable characters; hash what is longer")
    if job.key is None and job.key_scope is KeyScope.UNFINISHED:
        raise InvalidJobError("a key scope was given without a key; give both or neither")
    if not job.kind:
        raise InvalidJobError("a job needs a kind, found an empty one")
    if job.run_at is not None and not math.isfinite(job.run_at):
        raise InvalidJobError(f"run_at is seconds since the epoch, found {job.run_at}")
    if job.max_attempts < 1:
        raise InvalidJobError(f"max_attempts is at least 1, found {job.max_attempts}")
    if job.child_limit is not None and job.child_limit < 0:
        raise InvalidJobError(f"child_limit is at least 0, found {job.child_limit}")
    if job.child_concurrency is not None and job.child_concurrency < 1:
        raise InvalidJobError(f"child_concurrency is at least 1, found {job.child_concurrency}")


def _row_of(job: NewJob, inherited: Mapping[str, Json]) -> list[str | None]:
    check_job(job)
    named = f"a new {job.kind} job"
    metadata = {**inherited, **job.metadata}
    return [
        job.key,
        encode_json(job.config, owner=f"config of {named}"),
        encode_object(metadata, owner=f"metadata of {named}") if metadata else "{}",
    ]


def _fresh_indexes(jobs: Sequence[NewJob]) -> Iterator[int]:
    """Yield the indexes of *jobs* in order; of two with one key only the first."""
    seen: set[tuple[int | None, str]] = set()
    for index, job in enumerate(jobs):
        if job.key is None:
            yield index
        elif (job.parent_id, job.key) not in seen:
            seen.add((job.parent_id, job.key))
            yield index


def _shape_of(job: NewJob) -> Shape:
    return Shape(  # by position: by name it takes twice the time, and this is done for each job
        job.key is not None,
        job.parent_id,
        job.definition_id,
        job.kind,
        NUMBER_OF[job.state],
        job.priority,
        job.max_attempts,
        int(job.key_scope is KeyScope.UNFINISHED),
        job.child_limit,
        job.child_concurrency,
        job.run_at,
    )
