"""Owns ``JobFilter``: which jobs are meant, as a person says it."""

from __future__ import annotations

from typing import NamedTuple

from .job_rows import NUMBER_OF
from .records import Record, State


class JobFilter(Record, frozen=True, kw_only=True):
    """Jobs that match all that is given."""

    kind: str | None = None
    queue: str | None = None
    state: State | None = None
    tag: str | None = None
    partition: str | None = None
    parent_id: int | None = None
    key: str | None = None
    finished_before: float | None = None  # seconds since the epoch


class Condition(NamedTuple):
    """A filter as SQL, with its values."""

    sql: str
    values: tuple[str | int | float, ...]


def condition_of(job_filter: JobFilter) -> Condition:
    """Return the SQL that *job_filter* stands for, true for every job when it is empty."""
    state = None if job_filter.state is None else NUMBER_OF[job_filter.state]
    terms: list[tuple[str, str | int | float | None]] = [
        ("job.kind = ?", job_filter.kind),
        ("job.queue = ?", job_filter.queue),
        ("job.state = ?", state),
        ("EXISTS (SELECT 1 FROM json_each(job.tags_json) AS tag WHERE tag.value = ?)", job_filter.tag),
        ("job.partition = ?", job_filter.partition),
        ("job.parent_id = ?", job_filter.parent_id),
        ("job.key = ?", job_filter.key),
        ("job.finished_at < ?", job_filter.finished_before),
    ]
    given = [(sql, value) for sql, value in terms if value is not None]
    return Condition(" AND ".join(sql for sql, _ in given) or "1", tuple(value for _, value in given))
