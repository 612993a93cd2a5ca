"""Owns the reads of logs: of one job with all below it, in one order that every reader sees alike.

A line's number is given at its commit and only grows, in the order of the commits, so the number of the last line read
is a cursor: what is read after it is all that came later, also after a restart.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from .damaged_rows import stored_json
from .database import Database, Value
from .log_levels import LEVELS, levels_from
from .records import LogEntry

# A leaf's lines by its own index; a run's by its root's, and what is below a job inside a run from among those.
OF_LEAF = "job_id = ?1"
OF_RUN = "root_id = ?1"
OF_BRANCH = (
    "root_id = ?5 AND job_id IN (WITH RECURSIVE tree (id) AS (SELECT ?1 UNION"
    " SELECT job.id FROM job JOIN tree ON job.parent_id = tree.id) SELECT id FROM tree)"
)
LINES = "SELECT id, job_id, at, level, message, fields_json FROM job_log WHERE {} AND id > ?2{} ORDER BY id LIMIT ?3"
OF_LEVELS = " AND level IN (SELECT value FROM json_each(?4))"


class LogLine(NamedTuple):
    """One line of a log with its number, which is the cursor to what came later."""

    number: int
    entry: LogEntry


class LogQueries:
    """Reads over one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lines(self, job_id: int, *, level: str = "DEBUG", after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Return up to *limit* lines of a job and all below it, of *level* or above, numbered above *after*.

        Of a job that is not there, there are none. Raises ``LogLevelError``.
        """
        levels = levels_from(level)
        row = self._database.row(
            "SELECT root_id, EXISTS (SELECT 1 FROM job AS child WHERE child.parent_id = job.id) FROM job WHERE id = ?",
            (job_id,),
        )
        if row is None:
            return []
        root_id, has_children = row
        which = OF_LEAF if not has_children else OF_BRANCH if root_id else OF_RUN
        is_filtered = levels != LEVELS
        values: tuple[Value, ...] = (job_id, after, limit, msgspec.json.encode(levels).decode(), root_id)
        used = 5 if which == OF_BRANCH else 4 if is_filtered else 3
        rows = self._database.rows(LINES.format(which, OF_LEVELS if is_filtered else ""), values[:used])
        return [
            LogLine(
                row[0], LogEntry(job_id=row[1], at=row[2], level=row[3], message=row[4], fields=stored_json(row[5]))
            )
            for row in rows
        ]
