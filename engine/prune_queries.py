"""Owns the reads of pruning: what a retention is over for, and what is to be archived of the jobs that were pruned."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import groupby

import msgspec

from .archive import Part
from .damaged_rows import made_of_row, stored_json
from .database import Database, Row
from .job_rows import NUMBER_OF
from .records import AttemptError, Document, JobError, Record, State
from .retention import Due, Retention, due

# Roots whose time has passed (?1, as JSON); one that holds its key for a period (?2 is now) stays until it has passed.
OVER = """
    FROM json_each(?1) AS due CROSS JOIN job
    WHERE job.parent_id IS NULL AND job.state >= 3
      AND job.kind = due.value ->> 0 AND job.state = due.value ->> 1 AND job.finished_at <= due.value ->> 2
      AND (job.key_scope <> 3 OR job.key_until <= ?2)
      AND NOT EXISTS (SELECT 1 FROM tally WHERE parent_id = job.id AND pending + running + waiting > 0)
"""
TO_ARCHIVE = """
    SELECT job_id, archive, job_json FROM pruned
    WHERE job_json IS NOT NULL OR EXISTS (SELECT 1 FROM job_log WHERE job_log.job_id = pruned.job_id)
       OR EXISTS (SELECT 1 FROM job_error WHERE job_error.job_id = pruned.job_id)
    ORDER BY job_id LIMIT ?
"""
# What belongs to those from ?1 to ?2; between them none is left out that has any. In the order of the rows on disk.
SIZES = """
    SELECT pruned.job_id, octet_length(document.markdown)
    FROM pruned CROSS JOIN document ON document.job_id = pruned.job_id
    WHERE pruned.job_id BETWEEN ?1 AND ?2 ORDER BY pruned.job_id
"""
DOCUMENTS = """
    SELECT document.job_id, url, url_key, status, title, markdown, depth, auth_id, fetched_at
    FROM pruned CROSS JOIN document ON document.job_id = pruned.job_id WHERE pruned.job_id BETWEEN ?1 AND ?2
"""
ERRORS = """
    SELECT job_error.job_id, job_error.id, attempt, at, error_json
    FROM pruned CROSS JOIN job_error ON job_error.job_id = pruned.job_id
    WHERE pruned.job_id BETWEEN ?1 AND ?2 ORDER BY pruned.job_id, job_error.id LIMIT ?3
"""
LOGS = """
    SELECT job_log.job_id, job_log.id, at, level, message, fields_json
    FROM pruned CROSS JOIN job_log ON job_log.job_id = pruned.job_id
    WHERE pruned.job_id BETWEEN ?1 AND ?2 ORDER BY pruned.job_id, job_log.id LIMIT ?3
"""
JOBS_A_TIME = 200
ROWS_A_TIME = 1000  # of logs, and of errors
DOCUMENT_BYTES_A_TIME = 2 * 1024**2


class Prunable(Record, frozen=True, kw_only=True):
    """What of one kind and state a retention is over for."""

    kind: str
    state: State
    runs: int  # jobs without a parent
    jobs: int  # these and all below them


class PruneQueries:
    """Reads over one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def kinds(self) -> list[str]:
        """Return the kinds that there are or were jobs of."""
        return [kind for (kind,) in self._database.rows("SELECT DISTINCT kind FROM stat ORDER BY kind")]

    def prunable(self, retention: Retention, now: float) -> list[Prunable]:
        """Return what *retention* is over for, by kind and state."""
        found = []
        for one in due(retention, now, self.kinds()):
            row = self._database.row(
                f"WITH RECURSIVE tree (id, is_root) AS (SELECT job.id, 1 {OVER} UNION"
                " SELECT job.id, 0 FROM job JOIN tree ON job.parent_id = tree.id)"
                " SELECT sum(is_root), count(*) FROM tree",
                (due_json([one]), now),
            )
            if row is not None and row[1]:
                found.append(Prunable(kind=one.kind, state=one.state, runs=row[0], jobs=row[1]))
        return found

    def parts(self) -> list[Part]:
        """Return the next lines of the archive, of jobs that were pruned, as many as are read at a time.

        What they hold never changes any more. Without any left the answer is empty.
        """
        heads = self._fitting(list(map(head_of, self._database.rows(TO_ARCHIVE, (JOBS_A_TIME,)))))
        if not heads:
            return []
        first, last = heads[0][0], heads[-1][0]
        errors = self._database.rows(ERRORS, (first, last, ROWS_A_TIME))
        logs = self._database.rows(LOGS, (first, last, ROWS_A_TIME))
        for rows in (errors, logs):
            if len(rows) == ROWS_A_TIME:  # the last job may have more, and those after it were not looked at
                last = min(last, rows[-1][0])
        documents = {row[0]: document_from(row) for row in self._database.rows(DOCUMENTS, (first, last))}
        errors_of, logs_of = by_job(errors), by_job(logs)
        return [
            Part(
                job_id=job_id,
                archive=archive,
                job=None if job_json is None else msgspec.Raw(job_json.encode()),
                document=documents.get(job_id),
                errors=tuple(map(error_from, errors_of.get(job_id, ()))),
                logs=tuple(map(log_from, logs_of.get(job_id, ()))),
                last_error_id=max((row[1] for row in errors_of.get(job_id, ())), default=0),
                last_log_id=max((row[1] for row in logs_of.get(job_id, ())), default=0),
            )
            for job_id, archive, job_json in heads
            if job_id <= last
        ]

    def _fitting(self, heads: list[Row]) -> list[Row]:
        """Return those of *heads*, at least the first, whose documents are no larger than is read at a time."""
        if not heads:
            return heads
        left = DOCUMENT_BYTES_A_TIME
        for job_id, size in self._database.rows(SIZES, (heads[0][0], heads[-1][0])):
            left -= size
            if left < 0:
                return [head for head in heads if head[0] < job_id] or heads[:1]
        return heads


@made_of_row
def head_of(row: Row) -> Row:
    """Return a row of ``TO_ARCHIVE``, whose archive is a path or none, for a file may be made there."""
    return row[0], None if row[1] is None else os.fspath(row[1]), row[2]


def due_json(dues: Iterable[Due]) -> str:
    """Return the first parameter of ``OVER``."""
    return msgspec.json.encode([(one.kind, NUMBER_OF[one.state], one.ended_by) for one in dues]).decode()


def by_job(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Return rows by their first column, the job, in the order of which they are."""
    return {job_id: list(group) for job_id, group in groupby(rows, key=lambda row: int(row[0]))}


def error_from(row: Row) -> AttemptError:
    """Make the record of a row of ``ERRORS``."""
    return AttemptError(attempt=row[2], at=row[3], error=stored_json(row[4], JobError))


def log_from(row: Row) -> dict[str, object]:
    """Return what the archive has of a row of ``LOGS``."""
    return {
        "number": row[1],
        "at": row[2],
        "level": row[3],
        "message": row[4],
        "fields": msgspec.Raw(row[5].encode()),
    }


def document_from(row: Row) -> Document:
    """Make the record of a row of ``DOCUMENTS``."""
    return Document(
        url=row[1],
        url_key=row[2],
        status=row[3],
        title=row[4],
        markdown=row[5],
        depth=row[6],
        auth_id=row[7],
        fetched_at=row[8],
    )
