"""Owns the logs of jobs: fixed sentences with fields, in one order for all jobs."""

from __future__ import annotations

from collections.abc import Sequence

from .database import Database
from .json_values import encode_object, encode_record
from .records import LogEntry


class LogStore:
    """The logs of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entries: Sequence[LogEntry]) -> None:
        """Add entries in their order; those of jobs that are not there are left out."""
        self.add_under([(entry, None) for entry in entries])

    def add_under(self, lines: Sequence[tuple[LogEntry, int | None]]) -> None:
        """Add entries, each with the token of the lease that it is written under; a stale one adds nothing (I4)."""
        if not lines:
            return
        rows = [
            [
                entry.job_id,
                entry.at,
                entry.level,
                entry.message,
                encode_object(entry.fields, owner="fields of a log entry"),
                token,
            ]
            for entry, token in lines
        ]
        self._database.run(
            "INSERT INTO job_log (job_id, root_id, at, level, message, fields_json)"
            " SELECT job.id, iif(job.root_id = 0, job.id, job.root_id), given.value ->> 1, given.value ->> 2,"
            " given.value ->> 3, given.value ->> 4"
            " FROM json_each(?) AS given CROSS JOIN job ON job.id = given.value ->> 0"
            " WHERE given.value ->> 5 IS NULL OR (job.token = given.value ->> 5 AND job.state = 1) ORDER BY given.key",
            (encode_record(rows),),
        )
