"""Owns pruning as rows: how a run whose time is over leaves the database, in transactions of bounded size.

A run goes whole and from its root down. First its root leaves the job table, and with it the run is gone for everybody;
then, a bounded number at a time, what was below. A job that has left stands in the table ``pruned`` until what
belonged to it is archived and deleted, and nothing about it changes in that time; so a crash between two of these
transactions leaves nothing half done that the next pruning does not go on with. The transactions are loose groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .archive import Archived
from .changes import Changes, Move
from .database import Database
from .errors import TransitionError
from .job_rows import JOB_COLUMNS, NUMBER_OF, job_from
from .parent_store import unknown_job
from .prune_queries import OVER, PruneQueries, due_json
from .records import STATES, Job
from .retention import Retention, due

BELOW = """
    SELECT job.id, pruned.archive FROM pruned CROSS JOIN job ON job.parent_id = pruned.job_id
    WHERE job.state >= 3 ORDER BY pruned.job_id DESC, job.id LIMIT ?
"""  # the newest first, so that few wait for what is below them
IDS = "(SELECT value FROM json_each(?))"
NOTHING_LEFT = """
    job_json IS NULL AND NOT EXISTS (SELECT 1 FROM job WHERE parent_id = pruned.job_id)
    AND NOT EXISTS (SELECT 1 FROM job_log WHERE job_log.job_id = pruned.job_id)
    AND NOT EXISTS (SELECT 1 FROM job_error WHERE job_error.job_id = pruned.job_id)
"""


class PruneStore:
    """The pruning of the store."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        self._queries = PruneQueries(database)

    def take_below(self, limit: int) -> int:
        """Have up to *limit* jobs leave whose parent has left; return how many."""
        return self._take({job_id: archive for job_id, archive in self._database.rows(BELOW, (limit,))})

    def take_over(self, retention: Retention, now: float, limit: int) -> int:
        """Have up to *limit* roots leave that *retention* is over for at *now*; return how many."""
        given = due_json(due(retention, now, self._queries.kinds()))
        rows = self._database.rows(f"SELECT job.id {OVER} LIMIT ?3", (given, self._database.now, limit))
        return self._take({row[0]: retention.archive for row in rows})

    def take_run(self, job_id: int, archive: str) -> None:
        """Have a root leave for *archive* that has ended; raises ``JobNotFoundError`` and ``TransitionError``."""
        row = self._database.row("SELECT state, parent_id, root_id FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise unknown_job(job_id)
        state, parent_id, root_id = row
        if parent_id is not None:
            raise TransitionError(f"asked to archive job {job_id}, found that it is a part of run {root_id}")
        if not STATES[state].is_final:
            raise TransitionError(f"asked to archive job {job_id}, found it {STATES[state]}; wait, or cancel it first")
        self._take({job_id: archive})

    def delete(self, archived: Sequence[Archived]) -> None:
        """Delete what belonged to jobs that have left; those of which nothing is left are forgotten."""
        given = msgspec.json.encode([(one.job_id, one.last_error_id, one.last_log_id) for one in archived]).decode()
        for table, place in (("job_error", 1), ("job_log", 2)):
            self._database.run(
                f"DELETE FROM {table} WHERE id IN (SELECT {table}.id FROM json_each(?) AS given CROSS JOIN {table}"
                f" ON {table}.job_id = given.value ->> 0 AND {table}.id <= given.value ->> {place})",
                (given,),
            )
        ids = msgspec.json.encode([one.job_id for one in archived]).decode()
        self._database.run(f"DELETE FROM document WHERE job_id IN {IDS}", (ids,))
        self._database.run(f"UPDATE pruned SET job_json = NULL WHERE job_id IN {IDS}", (ids,))
        self._database.run(f"DELETE FROM pruned WHERE {NOTHING_LEFT}")

    def _take(self, archives: Mapping[int, str | None]) -> int:
        if not archives:
            return 0
        given = msgspec.json.encode(list(archives)).decode()
        rows = self._database.rows(f"SELECT {JOB_COLUMNS} FROM job WHERE id IN {IDS} ORDER BY id", (given,))
        jobs = list(map(job_from, rows))
        kept = [(job.id, archives[job.id], msgspec.json.encode(job).decode()) for job in jobs]
        self._database.run(
            "INSERT INTO pruned SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)",
            (msgspec.json.encode(kept).decode(),),
        )
        self._database.run(f"DELETE FROM tally WHERE parent_id IN {IDS}", (given,))
        self._database.run(f"DELETE FROM pause WHERE scope = 'run' AND CAST(name AS INTEGER) IN {IDS}", (given,))
        self._database.run(f"DELETE FROM job WHERE id IN {IDS}", (given,))
        self._changes.move(map(gone, jobs))
        return len(jobs)


def gone(job: Job) -> Move:
    """Return the move of a job that leaves."""
    return Move(job.id, job.parent_id, job.queue, job.kind, NUMBER_OF[job.state], None)
