"""Owns parents and their children as rows: how children come, what a parent inherits them, and how it ends.

Holds I6 (children come only by ``spawn`` and with a completion), I9 with the schema's triggers behind it, I10
(``cancel``), I14 (``child_limit``) and I15 (keys). All methods run inside the store's group.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from .changes import Changes, Move, Ripe
from .damaged_rows import stored_json
from .database import Database, Row
from .errors import JobNotFoundError, TransitionError
from .job_inserts import KEY_HOLDS, JobInserts
from .job_rows import JOB_COLUMNS, MOVED_COLUMNS, NUMBER_OF, TALLY_COLUMNS, counts_from, job_from, json_of, moves_from
from .policies import ParentMove, judge_parent
from .records import CHILDREN_FAILED, STATES, Counts, Inheritance, Job, JobError, NewJob, OwnStep, State

TREE = "WITH RECURSIVE tree (id) AS (SELECT ?1 UNION SELECT job.id FROM job JOIN tree ON job.parent_id = tree.id)"
MOST_ABOVE = 100_000  # jobs; in a damaged file a job may be its own ancestor, so trees are walked with UNION
FAILS_AT_ONCE = """(tally.fatal > 0 OR typeof(job.max_child_failures) = 'integer'
    AND tally.failed - tally.ignored - tally.passed > job.max_child_failures)"""
# Parents that wait for their children, of which all have ended, or some in a way that ends the waiting; and those whose
# own step was made due by a child, and another has failed before it began.
RIPE = f"""
    SELECT job.id, job.sealed FROM json_each(?) AS asked CROSS JOIN job ON job.id = asked.value
    LEFT JOIN tally ON tally.parent_id = job.id
    WHERE job.state = 2 AND job.waits_for IS NULL
      AND (ifnull(tally.pending + tally.running + tally.waiting, 0) = 0
           OR job.sealed = 1 AND (tally.passed > 0 AND job.own_step = 1 OR {FAILS_AT_ONCE}))
      OR job.state = 0 AND job.own_step = 2 AND {FAILS_AT_ONCE}
    ORDER BY job.id
"""
RUN_TIMED_OUT = JobError(type="run_timeout", message="not everything had ended when its time was over")


class ParentRow(NamedTuple):
    """What is looked at before a job gets children."""

    state: int
    sealed: int
    waits_for: str | None
    metadata_json: str
    child_limit: int | None
    root_id: int

    @property
    def why_closed(self) -> str | None:
        """Why it gets no new children, or None; a job that is claimed or can be has none, so that I9 holds."""
        if self.sealed:
            return "is sealed"
        if self.state != NUMBER_OF[State.WAITING] or self.waits_for is not None:
            return f"is {STATES[self.state]} and does not wait for children"
        return None


class ParentStore:
    """The parents of the store."""

    def __init__(self, database: Database, changes: Changes, inserts: JobInserts) -> None:
        self._database = database
        self._changes = changes
        self._inserts = inserts

    def spawn(self, parent_id: int, jobs: Sequence[NewJob], *, seal: bool = False) -> list[int | None]:
        """Make children of a job, up to its ``child_limit``; they inherit its metadata. Seal it if asked to.

        Return the new ids, None where a key is taken or the limit is reached; so doing it again does nothing. Raises
        ``JobNotFoundError``, and ``TransitionError`` for a new child of a parent that is sealed or final.
        """
        row = self._row(parent_id)
        ids: list[int | None]
        if row.why_closed is None:
            ids = self._insert(parent_id, jobs, row)
        elif self._has_all(parent_id, jobs):
            ids = [None] * len(jobs)
        else:
            raise TransitionError(f"asked for children of job {parent_id}, found that it {row.why_closed}")
        if seal and not row.sealed:
            self._database.run("UPDATE job SET sealed = 1 WHERE id = ?", (parent_id,))
            self._changes.parents.add(parent_id)
        return ids

    def add_children(self, parent_id: int, jobs: Sequence[NewJob]) -> None:
        """Make children of a parent that is known not to be final, because a child of it is not or it ended so."""
        self._insert(parent_id, jobs, self._row(parent_id))

    def counts(self, parent_id: int) -> Counts:
        """Return how many children a job has in each state."""
        return counts_from(self._database.row(f"SELECT {TALLY_COLUMNS} FROM tally WHERE parent_id = ?", (parent_id,)))

    def inheritance(self, parent_id: int) -> Inheritance:
        """Return what a child of that parent inherits, as acknowledged last (I7); raises ``JobNotFoundError``."""
        return self.inheritances([parent_id])[0]

    def inheritances(self, parent_ids: Sequence[int]) -> list[Inheritance]:
        """Return what ``inheritance`` does for each parent, which is read once: a record for each who asks."""
        lines = {parent_id: self._line_of(parent_id) for parent_id in set(parent_ids)}
        return [inheritance_of(lines[parent_id]) for parent_id in parent_ids]

    def _line_of(self, job_id: int) -> list[Row]:
        """Return a job and those above it."""
        line = self._database.rows(
            "WITH RECURSIVE line (id, parent_id, metadata_json, definition_id, height) AS ("
            " SELECT id, parent_id, metadata_json, definition_id, 0 FROM job WHERE id = ?"
            " UNION ALL SELECT job.id, job.parent_id, job.metadata_json, job.definition_id, height + 1"
            f" FROM job JOIN line ON job.id = line.parent_id LIMIT {MOST_ABOVE})"
            " SELECT id, metadata_json, definition_id FROM line ORDER BY height",
            (job_id,),
        )
        if not line:
            raise unknown_job(job_id)
        return line

    def waiting(self) -> list[int]:
        """Return the jobs that wait for their children."""
        rows = self._database.rows("SELECT id FROM job WHERE state = 2 AND waits_for IS NULL")
        return [row[0] for row in rows]

    def ripe(self, job_ids: Collection[int]) -> Ripe:
        """Return which of *job_ids* are parents that can be judged (I9), or whose next step can be taken."""
        if not job_ids:
            return Ripe((), ())
        rows = self._database.rows(RIPE, (msgspec.json.encode(sorted(job_ids)).decode(),))
        return Ripe(tuple(row[0] for row in rows if row[1]), tuple(row[0] for row in rows if not row[1]))

    def end_overdue(self) -> list[int]:
        """Fail the jobs whose time is over, and cancel what is unfinished below them; return their ids."""
        rows = self._database.rows(
            f"SELECT {MOVED_COLUMNS}, state, EXISTS (SELECT 1 FROM tally WHERE tally.parent_id = job.id) FROM job"
            " WHERE deadline_at IS NOT NULL AND state < 3 AND deadline_at <= ? ORDER BY id DESC",
            (self._database.now,),
        )
        if not rows:
            return []
        self._run_out_of_time([row[0] for row in rows if not row[5]])  # in one go, for they may be many
        for job_id in [row[0] for row in rows if row[5]]:  # what is below another one first
            self.cancel_below(job_id)
            self._run_out_of_time([job_id])
        self._changes.move([Move(row[0], row[1], row[2], row[3], row[4], NUMBER_OF[State.FAILED]) for row in rows])
        self._changes.lost_leases.update(row[0] for row in rows if row[4] == NUMBER_OF[State.RUNNING])
        self._changes.has_due_work = True  # places under limits may have come free
        return [row[0] for row in rows]

    def judge(self, job_ids: Collection[int]) -> dict[int, State]:
        """End the parents among *job_ids* that are to end, or make their own step due; return what each came to (I9).

        One that fails before all its children have ended takes those with it (I10).
        """
        moved: dict[int, State] = {}
        for job_id in self.ripe(job_ids).to_judge:
            job = self._get(job_id)
            counts = self.counts(job_id)
            move = move_due(job, counts)
            if move is not None and not job.state.is_final:  # not taken along by one that has just failed
                moved[job_id] = self._apply(job, move, counts)
        return moved

    def is_failing(self, job_id: int) -> bool:
        """Return whether a parent that waits would fail if it were judged now."""
        job = self._get(job_id)
        return job.sealed and move_due(job, self.counts(job_id)) is ParentMove.FAIL

    def cancel(self, job_id: int) -> int:
        """Cancel a job and all its descendants that are not final, and return how many (I10)."""
        self._row(job_id)
        return self._cancel("SELECT id FROM tree", job_id)

    def cancel_below(self, job_id: int) -> int:
        """Cancel all descendants of a job that are not final, and return how many (I10)."""
        return self._cancel("SELECT id FROM tree WHERE id <> ?1", job_id)

    def open_parents(self, kinds: Sequence[str]) -> list[Job]:
        """Return the unfinished jobs of those kinds that have no parent and wait for children, oldest first."""
        rows = self._database.rows(
            f"SELECT {JOB_COLUMNS} FROM job WHERE parent_id IS NULL AND state = 2 AND waits_for IS NULL"
            " AND kind IN (SELECT value FROM json_each(?)) ORDER BY id",
            (msgspec.json.encode(kinds).decode(),),
        )
        return [job_from(row) for row in rows]

    def _apply(self, job: Job, move: ParentMove, counts: Counts) -> State:
        now = self._database.now
        if move is ParentMove.OWN_STEP:
            run_at = max(job.run_at, now) if has_time_to_begin(job) else now
            self._database.run(
                "UPDATE job SET state = 0, is_due = ?2, own_step = 2, run_at = ?3, attempts = 0 WHERE id = ?1",
                (job.id, int(run_at <= now), run_at),
            )
            self._changes.move([move_of(job, State.PENDING)])
            self._changes.note_due(run_at, now)
            return State.PENDING
        state = State.FAILED if move is ParentMove.FAIL else State.COMPLETED
        error = None
        if state is State.FAILED:
            error = JobError(type=CHILDREN_FAILED, message=f"{counts.failed} of {counts.total} children failed")
            if counts.unfinished:
                self.cancel_below(job.id)
        self._end([job.id], state, error)
        self._changes.move([move_of(job, state)])
        return state

    def _run_out_of_time(self, job_ids: Sequence[int]) -> None:
        """Fail jobs with no unfinished children."""
        ids = msgspec.json.encode(job_ids).decode()
        self._database.run("UPDATE job SET sealed = 1 WHERE id IN (SELECT value FROM json_each(?))", (ids,))
        self._end(job_ids, State.FAILED, RUN_TIMED_OUT)

    def _end(self, job_ids: Sequence[int], state: State, error: JobError | None) -> None:
        ids = msgspec.json.encode(job_ids).decode()
        self._database.run(
            "UPDATE job SET state = ?2, lease_until = NULL, waits_for = NULL, finished_at = ?3, error_json = ?4"
            " WHERE id IN (SELECT value FROM json_each(?1))",
            (ids, NUMBER_OF[state], self._database.now, json_of(error)),
        )

    def _get(self, job_id: int) -> Job:
        return job_from(self._database.rows(f"SELECT {JOB_COLUMNS} FROM job WHERE id = ?", (job_id,))[0])

    def _cancel(self, which: str, job_id: int) -> int:
        rows = self._database.rows(
            f"{TREE} SELECT {MOVED_COLUMNS}, state FROM job WHERE id IN ({which}) AND state < 3", (job_id,)
        )
        ids = msgspec.json.encode([row[0] for row in rows]).decode()
        self._database.run(
            "UPDATE job SET state = 5, sealed = 1, lease_until = NULL, waits_for = NULL, finished_at = ?2"
            " WHERE id IN (SELECT value FROM json_each(?1))",
            (ids, self._database.now),
        )
        for state in (State.PENDING, State.RUNNING, State.WAITING):
            of_state = [row for row in rows if row[4] == NUMBER_OF[state]]
            self._changes.move(moves_from(of_state, state, State.CANCELLED))
            if state is State.RUNNING:
                self._changes.lost_leases.update(row[0] for row in of_state)
        if rows:
            self._changes.has_due_work = True  # places under limits may have come free
        return len(rows)

    def _row(self, parent_id: int) -> ParentRow:
        row = self._database.row(
            "SELECT state, sealed, waits_for, metadata_json, child_limit, root_id FROM job WHERE id = ?", (parent_id,)
        )
        if row is None:
            raise unknown_job(parent_id)
        return ParentRow(*row)

    def _insert(self, parent_id: int, jobs: Sequence[NewJob], row: ParentRow) -> list[int | None]:
        if not jobs:
            return []
        limit = None if row.child_limit is None else row.child_limit - self.counts(parent_id).total
        children = [msgspec.structs.replace(job, parent_id=parent_id) for job in jobs]
        inherited: Mapping[str, object] = stored_json(row.metadata_json, dict)
        ids = self._inserts.insert(children, root_id=row.root_id or parent_id, inherited=inherited, limit=limit)
        self._changes.parents.add(parent_id)
        return ids

    def _has_all(self, parent_id: int, jobs: Sequence[NewJob]) -> bool:
        """Return whether every one of *jobs* is a child already."""
        if any(job.key is None for job in jobs):
            return False
        keys = sorted({job.key for job in jobs if job.key is not None})
        row = self._database.row(
            "SELECT count(*) FROM json_each(?2) AS asked WHERE EXISTS (SELECT 1 FROM job"
            f" WHERE job.lane = ?1 AND job.key = asked.value AND ({KEY_HOLDS}))",
            (parent_id, msgspec.json.encode(keys).decode()),
        )
        return row is not None and row[0] == len(keys)


def move_due(job: Job, counts: Counts) -> ParentMove | None:
    """Return what becomes of a sealed parent whose children stand as *counts* says."""
    has_own_step = job.own_step is OwnStep.AFTER_CHILDREN
    return judge_parent(counts, has_own_step=has_own_step, max_failures=job.max_child_failures)


def has_time_to_begin(job: Job) -> bool:
    """Return whether a parent was made to begin at a time, and has not; one that was set by a former clock is none."""
    return job.token == 0 and job.run_at > job.created_at


def move_of(job: Job, new: State) -> Move:
    """Return the move of *job* to another state."""
    return Move(job.id, job.parent_id, job.queue, job.kind, NUMBER_OF[job.state], NUMBER_OF[new])


def unknown_job(job_id: int) -> JobNotFoundError:
    """Return the error for an id that is none."""
    return JobNotFoundError(f"asked for job {job_id}, found none with that id; `bequest jobs` lists them")


def inheritance_of(line: Sequence[Row]) -> Inheritance:
    """Return what a child of the first of *line* inherits; what is above it comes after it, the root last."""
    parent_id, metadata_json, _ = line[0]
    metadata = stored_json(metadata_json, dict)
    root_id, root_metadata_json, _ = line[-1]
    root_auth_id = stored_json(root_metadata_json, dict).get("auth_id")
    if root_auth_id is not None:
        metadata["auth_id"] = root_auth_id
    definition_id = next((row[2] for row in line if row[2] is not None), None)
    return Inheritance(parent_id=parent_id, root_id=root_id, metadata=metadata, definition_id=definition_id)
