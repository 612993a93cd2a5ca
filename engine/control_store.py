"""Owns what people do to jobs that exist: retry, delete, pause and resume. All methods run inside the store's group.

A retry is the one way out of a final state (I2). It opens the parents of what it retries again, so that none of them is
final above a job that is not (I9).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from .changes import Changes, Move
from .crawl_jobs import RUN
from .damaged_rows import made_of_row
from .database import Database, Row
from .errors import TransitionError
from .filters import JobFilter, condition_of
from .job_inserts import KEY_HOLDS, JobInserts
from .job_rows import FIRST_FINAL, MOVED_COLUMNS, NUMBER_OF
from .parent_store import TREE, ParentStore, unknown_job
from .pauses import Pause, PauseScope
from .records import State
from .revivals import Revival, TreeRow, revival_of
from .run_steps import RETRIES_USED

LINE = (
    "WITH RECURSIVE line (id) AS (SELECT parent_id FROM job WHERE id = ?1"
    " UNION SELECT job.parent_id FROM job JOIN line ON job.id = line.id WHERE job.parent_id IS NOT NULL)"
)
REVIVED_COLUMNS = (  # of a TreeRow
    f"{MOVED_COLUMNS}, state, key, own_step, made_waiting, on_failure,"
    " EXISTS (SELECT 1 FROM job AS child WHERE child.parent_id = job.id)"
)
# What had a time to end in has it anew; what may have more to spawn goes on unsealed. None waits for a time to begin.
WAIT_AGAIN = """
    UPDATE job SET state = 2, finished_at = NULL, error_json = NULL, own_step = iif(own_step >= 2, 1, own_step),
                   sealed = iif(id IN (SELECT value FROM json_each(?2)), 0, sealed), run_at = min(run_at, created_at),
                   deadline_at = ?3 + run_timeout_s
    WHERE id IN (SELECT value FROM json_each(?1)) RETURNING deadline_at
"""
MAKE_DUE = """
    UPDATE job SET state = 0, is_due = 1, attempts = 0, run_at = ?2, finished_at = NULL, waits_for = NULL,
                   progress_json = NULL, result_json = NULL, deadline_at = ?2 + run_timeout_s,
                   own_step = iif(own_step >= 1, 2, 0), sealed = iif(own_step >= 1, sealed, 0)
    WHERE id IN (SELECT value FROM json_each(?1)) RETURNING deadline_at
"""
TAKEN = f"""
    SELECT asked.value ->> 0, job.id FROM json_each(?) AS asked CROSS JOIN job
    WHERE job.lane = asked.value ->> 1 AND job.key = asked.value ->> 2 AND job.id <> asked.value ->> 0 AND ({KEY_HOLDS})
    LIMIT 1
"""


class ControlStore:
    """The controls of the store."""

    def __init__(self, database: Database, changes: Changes, inserts: JobInserts, parents: ParentStore) -> None:
        self._database = database
        self._changes = changes
        self._inserts = inserts
        self._parents = parents

    def retry(self, job_id: int) -> int:
        """Bring back a final job with all its attempts, or of a parent what did not succeed below it.

        Return how many jobs have something to be done again. Where nothing below a parent failed it takes its own step
        again, if it has one. Of a run with steps the first part that failed is done again, and the run goes on from
        there. Raises ``JobNotFoundError``, and ``TransitionError`` for a job that is not final, for one that has
        nothing to retry, for one whose key another job has taken since, and for one whose parent would fail at once.
        """
        state = self._state(job_id)
        if state < FIRST_FINAL:
            raise TransitionError(f"asked to retry job {job_id}, found that it has not ended; cancel it first")
        tree = self._tree_rows(f"{TREE} SELECT {REVIVED_COLUMNS} FROM job WHERE id IN (SELECT id FROM tree)", job_id)
        revival = revival_of(tree, job_id)
        if not revival.size:
            raise TransitionError(f"asked to retry job {job_id}, found that nothing below it failed")
        self._check_keys(revival)
        above = self._tree_rows(
            f"{LINE} SELECT {REVIVED_COLUMNS} FROM job WHERE id IN (SELECT id FROM line) AND state >= 3", job_id
        )
        self._wait_again((*revival.waiting, *above))
        self._make_due(revival.due)
        if any(row.job_id == job_id and row.kind == RUN for row in tree):
            self._forget_retries(job_id)
        self._check_parents(job_id, above)
        return revival.size

    def delete(self, job_id: int) -> int:
        """Delete a job with its descendants, and all that belongs to them; return how many jobs.

        What runs of them is cancelled, its result refused. Raises ``JobNotFoundError``.
        """
        self._state(job_id)
        self._parents.cancel(job_id)
        rows = self._database.rows(
            f"{TREE} SELECT {MOVED_COLUMNS}, state FROM job WHERE id IN (SELECT id FROM tree)", (job_id,)
        )
        self._database.run("DELETE FROM job WHERE id = ?", (job_id,))
        self._database.run(
            "DELETE FROM pause WHERE scope = 'run' AND name + 0 IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode([row[0] for row in rows]).decode(),),
        )
        self._changes.move(Move(row[0], row[1], row[2], row[3], row[4], None) for row in rows)
        return len(rows)

    def matching(self, job_filter: JobFilter, limit: int, *, after_id: int = 0) -> list[int]:
        """Return the ids of up to *limit* unfinished jobs that match, oldest first."""
        condition = condition_of(job_filter)
        rows = self._database.rows(
            f"SELECT id FROM job WHERE {condition.sql} AND state < 3 AND id > ? ORDER BY id LIMIT ?",
            (*condition.values, after_id, limit),
        )
        return [row[0] for row in rows]

    def pause(self, pause: Pause) -> None:
        """Start no job of that scope until it is resumed; raises ``JobNotFoundError`` for a run that is none."""
        if pause.scope is PauseScope.RUN:
            self._state(int(pause.name))
        self._database.run(
            "INSERT INTO pause VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (pause.scope, pause.name, self._database.now)
        )

    def resume(self, pause: Pause) -> bool:
        """Let jobs of that scope start again; return whether it was paused."""
        count = self._database.run("DELETE FROM pause WHERE scope = ? AND name = ?", (pause.scope, pause.name))
        self._changes.has_due_work = True
        return count > 0

    def pauses(self) -> list[Pause]:
        """Return what is paused."""
        rows = self._database.rows("SELECT scope, name, paused_at FROM pause ORDER BY paused_at, scope, name")
        return [Pause(scope=PauseScope(scope), name=name, paused_at=at) for scope, name, at in rows]

    def _state(self, job_id: int) -> int:
        """Return a job's state; one that a run left behind which is being pruned is not there any more."""
        row = self._database.row(
            f"{LINE} SELECT state, EXISTS (SELECT 1 FROM line WHERE id IN (SELECT job_id FROM pruned))"
            " FROM job WHERE id = ?1",
            (job_id,),
        )
        if row is None or row[1]:
            raise unknown_job(job_id)
        return state_from(row)

    def _tree_rows(self, sql: str, job_id: int) -> list[TreeRow]:
        return [TreeRow(*row) for row in self._database.rows(sql, (job_id,))]

    def _check_keys(self, revival: Revival) -> None:
        rows = sorted((*revival.due, *revival.waiting), reverse=True)
        keyed = [(row.job_id, row.parent_id or 0, row.key) for row in rows if row.key]
        self._inserts.let_lapse([(lane, key) for _, lane, key in keyed])
        taken = self._database.row(TAKEN, (msgspec.json.encode(keyed).decode(),))
        if taken is None:
            holders: dict[tuple[int, str | None], int] = {}
            alike = [(one, holders.setdefault((lane, key), one)) for one, lane, key in keyed]  # the newest first
            taken = next((pair for pair in alike if pair[0] != pair[1]), None)
        if taken is not None:
            raise TransitionError(f"asked to retry job {taken[0]}, found that job {taken[1]} has its key by now")

    def _check_parents(self, job_id: int, above: list[TreeRow]) -> None:
        for row in above:
            if self._parents.is_failing(row.job_id):
                raise TransitionError(
                    f"asked to retry job {job_id}, found that its parent {row.job_id} would fail again at once, for"
                    f" other children of it failed; retry job {row.job_id}, which brings back all of them"
                )

    def _wait_again(self, rows: tuple[TreeRow, ...]) -> None:
        unsealed = [row for row in rows if row.goes_on_unsealed]
        self._note_deadlines(self._database.rows(WAIT_AGAIN, (ids_of(rows), ids_of(unsealed), self._database.now)))
        self._changes.move(Move(*row[:5], NUMBER_OF[State.WAITING]) for row in rows)
        self._changes.parents.update(row.job_id for row in rows)

    def _forget_retries(self, run_id: int) -> None:
        """Let the steps of a run be done again as often as at first."""
        self._database.run(
            "UPDATE job SET metadata_json = json_remove(metadata_json, ?2)"
            " WHERE parent_id = ?1 AND metadata_json ->> ?2 IS NOT NULL",
            (run_id, f"$.{RETRIES_USED}"),
        )

    def _make_due(self, rows: tuple[TreeRow, ...]) -> None:
        self._note_deadlines(self._database.rows(MAKE_DUE, (ids_of(rows), self._database.now)))
        self._changes.move(Move(*row[:5], NUMBER_OF[State.PENDING]) for row in rows)
        self._changes.has_due_work = True

    def _note_deadlines(self, rows: Sequence[Row]) -> None:
        self._changes.wake_at = min(self._changes.wake_at, *(row[0] for row in rows if row[0] is not None), math.inf)


def ids_of(rows: Sequence[TreeRow]) -> str:
    """Return the ids of *rows* as JSON."""
    return msgspec.json.encode([row.job_id for row in rows]).decode()


@made_of_row
def state_from(row: Row) -> int:
    """Return the state that a row begins with."""
    return int(row[0])
