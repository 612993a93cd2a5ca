"""Owns the shape of a job's row: which columns are read, and the record that they make."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from .database import Row
from .json_values import encode_record
from .records import STATES, Counts, Job, JobError, Lease, Progress

NUMBER_OF = {state: number for number, state in enumerate(STATES)}

JOB_COLUMNS = (
    "job.id, job.kind, job.state, job.config_json, job.metadata_json, job.parent_id, job.definition_id, job.key,"
    " job.priority, job.attempts, job.max_attempts, job.sealed, job.token, job.waits_for, job.error_json,"
    " job.progress_json, job.child_limit, job.child_concurrency, job.created_at, job.run_at, job.lease_until,"
    " job.started_at, job.finished_at"
)
LEASE_COLUMNS = "id, token, lease_until, kind, config_json, metadata_json, parent_id, attempts, max_attempts, priority"
TALLY_COLUMNS = "tally.pending, tally.running, tally.waiting, tally.completed, tally.failed, tally.cancelled"

T = TypeVar("T")
_decode = msgspec.json.decode


def job_from(row: Row) -> Job:
    """Make the record of a row of ``JOB_COLUMNS``."""
    return Job(
        id=row[0],
        kind=row[1],
        state=STATES[row[2]],
        config=_decode(row[3]),
        metadata=_decode(row[4]),
        parent_id=row[5],
        definition_id=row[6],
        key=row[7],
        priority=row[8],
        attempts=row[9],
        max_attempts=row[10],
        sealed=bool(row[11]),
        token=row[12],
        waits_for=row[13],
        error=_optional(row[14], JobError),
        progress=_optional(row[15], Progress),
        child_limit=row[16],
        child_concurrency=row[17],
        created_at=row[18],
        run_at=row[19],
        lease_until=row[20],
        started_at=row[21],
        finished_at=row[22],
    )


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
    )


def counts_from(row: Row | None) -> Counts:
    """Make the record of a row of ``TALLY_COLUMNS``; a job without children has none."""
    if row is None or row[0] is None:
        return Counts()
    pending, running, waiting, completed, failed, cancelled = row
    return Counts(
        pending=pending, running=running, waiting=waiting, completed=completed, failed=failed, cancelled=cancelled
    )


def json_of(record: msgspec.Struct | None) -> str | None:
    """Return the text that a column keeps of a small record."""
    return None if record is None else encode_record(record)


def _optional(text: str | None, type_: type[T]) -> T | None:
    return None if text is None else msgspec.json.decode(text, type=type_)
