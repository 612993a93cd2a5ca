"""Owns the shape of a job's row: which columns are read, and the record that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from .changes import Move
from .damaged_rows import made_of_row
from .database import Row
from .json_values import encode_record
from .records import ON_FAILURE, STATES, Counts, Job, JobError, Lease, OwnStep, Progress, State

NUMBER_OF = {state: number for number, state in enumerate(STATES)}
OWN_STEPS = tuple(OwnStep)
FIRST_FINAL = NUMBER_OF[State.COMPLETED]

JOB_COLUMNS = (
    "job.id, job.kind, job.queue, job.state, job.config_json, job.metadata_json, job.tags_json, job.parent_id,"
    " job.root_id, job.definition_id, job.key, job.partition, job.priority, job.attempts, job.max_attempts,"
    " job.sealed, job.own_step, job.on_failure, job.max_child_failures, job.token, job.waits_for, job.result_json,"
    " job.error_json, job.progress_json, job.child_limit, job.child_concurrency, job.timeout_s, job.deadline_at,"
    " job.created_at, job.run_at, job.lease_until, job.started_at, job.finished_at"
)
LEASE_COLUMNS = (
    "id, token, lease_until, kind, config_json, metadata_json, parent_id, attempts, max_attempts, own_step, timeout_s,"
    " priority"
)
MOVED_COLUMNS = "id, parent_id, queue, kind"  # what a move is made of
TALLY_COLUMNS = (
    "tally.pending, tally.running, tally.waiting, tally.completed, tally.failed, tally.cancelled, tally.ignored,"
    " tally.fatal, tally.passed"
)

T = TypeVar("T")
_decode = msgspec.json.decode


@made_of_row
def job_from(row: Row) -> Job:
    """Make the record of a row of ``JOB_COLUMNS``."""
    return Job(
        id=row[0],
        kind=row[1],
        queue=row[2],
        state=STATES[row[3]],
        config=_decode(row[4]),
        metadata=_decode(row[5]),
        tags=() if row[6] is None else tuple(_decode(row[6])),
        parent_id=row[7],
        root_id=row[8] or None,
        definition_id=row[9],
        key=row[10],
        partition=row[11],
        priority=row[12],
        attempts=row[13],
        max_attempts=row[14],
        sealed=bool(row[15]),
        own_step=OWN_STEPS[row[16]],
        on_failure=ON_FAILURE[row[17]],
        max_child_failures=row[18],
        token=row[19],
        waits_for=row[20],
        result=None if row[21] is None else _decode(row[21]),
        error=_optional(row[22], JobError),
        progress=_optional(row[23], Progress),
        child_limit=row[24],
        child_concurrency=row[25],
        timeout_s=row[26],
        deadline_at=row[27],
        created_at=row[28],
        run_at=row[29],
        lease_until=row[30],
        started_at=row[31],
        finished_at=row[32],
    )


@made_of_row
def lease_from(row: Row) -> Lease:
    """Make the record of a row of ``LEASE_COLUMNS``."""
    return Lease(
        job_id=row[0],
        token=row[1],
        lease_until=row[2],
        kind=row[3],
        config=_decode(row[4]),
        metadata=_decode(row[5]),
        parent_id=row[6],
        attempts=row[7],
        max_attempts=row[8],
        own_step=OWN_STEPS[row[9]],
        timeout_s=row[10],
    )


def moves_from(rows: Iterable[Row], old: State | None, new: State | None) -> Iterator[Move]:
    """Yield the moves of rows that begin with ``MOVED_COLUMNS``."""
    numbers = (None if old is None else NUMBER_OF[old]), (None if new is None else NUMBER_OF[new])
    return (Move(row[0], row[1], row[2], row[3], *numbers) for row in rows)


def counts_from(row: Row | None) -> Counts:
    """Make the record of a row of ``TALLY_COLUMNS``; a job without children has none."""
    return Counts() if row is None or row[0] is None else _counts_of(row)


@made_of_row
def _counts_of(row: Row) -> Counts:
    sum(row)  # of numbers alone
    pending, running, waiting, completed, failed, cancelled, ignored, fatal, passed = row
    return Counts(
        pending=pending,
        running=running,
        waiting=waiting,
        completed=completed,
        failed=failed,
        cancelled=cancelled,
        ignored=ignored,
        fatal=fatal,
        passed=passed,
    )


def json_of(record: msgspec.Struct | None) -> str | None:
    """Return the text that a column keeps of a small record."""
    return None if record is None else encode_record(record)


def _optional(text: str | None, type_: type[T]) -> T | None:
    return None if text is None else msgspec.json.decode(text, type=type_)
