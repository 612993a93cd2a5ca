"""Owns jobs as rows: making them, changing what may change, and reading them back.

Holds I2 and I9 with the schema's triggers behind it, I6 (children come only by ``spawn``), I8 (metadata merges key by
key), I10 (``cancel``), I11 and I15 (keys) and I14 (``child_limit``). All methods run inside the store's group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from .changes import Changes
from .database import Database
from .errors import InvalidJobError, JobNotFoundError, LeaseLostError, MetadataError, TransitionError
from .job_inserts import JobInserts
from .job_rows import JOB_COLUMNS, NUMBER_OF, TALLY_COLUMNS, counts_from, job_from, json_of
from .json_values import decode_json, encode_json, encode_object, encode_record
from .records import (
    STATES,
    TRANSITIONS,
    Counts,
    Created,
    Inheritance,
    Job,
    JobError,
    Json,
    NewJob,
    Progress,
    State,
)


class ParentRow(NamedTuple):
    """What is looked at before a job gets children."""

    state: int
    sealed: int
    waits_for: str | None
    metadata_json: str
    child_limit: int | None

    @property
    def why_closed(self) -> str | None:
        """Why it gets no new children, or None; a job that is claimed or can be has none, so that I9 holds."""
        if self.sealed:
            return "is sealed"
        if self.state != NUMBER_OF[State.WAITING] or self.waits_for is not None:
            return f"is {STATES[self.state]} and does not wait for children"
        return None


class JobStore:
    """The jobs of the store."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self.inserts = JobInserts(database, changes)
        self._database = database
        self._changes = changes

    def create(self, jobs: Sequence[NewJob]) -> list[Created]:
        """Make jobs that have no parent; where a key names one that is there, that one is the answer.

        Raises ``InvalidJobError`` and ``MetadataError``; then none of *jobs* is made (I12).
        """
        if any(job.parent_id is not None for job in jobs):
            raise InvalidJobError("a job with a parent is made by SpawnChildren, which checks the parent")
        ids = self.inserts.insert(jobs)
        return [
            Created(job_id=job_id, is_new=True)
            if job_id is not None
            else Created(job_id=self._known(job), is_new=False)
            for job, job_id in zip(jobs, ids, strict=True)
        ]

    def spawn(self, parent_id: int, jobs: Sequence[NewJob], *, seal: bool = False) -> list[int | None]:
        """Make children of a job, up to its ``child_limit``; they inherit its metadata. Seal it if asked to.

        Return the new ids, None where a key is taken or the limit is reached; so doing it again does nothing. Raises
        ``JobNotFoundError``, and ``TransitionError`` for a new child of a parent that is sealed or final.
        """
        row = self._parent_row(parent_id)
        if row.why_closed is not None and not self._has_all(parent_id, jobs):
            raise TransitionError(f"asked for children of job {parent_id}, found that it {row.why_closed}")
        ids = self._insert_children(parent_id, jobs, row)
        if seal and not row.sealed:
            self._database.run("UPDATE job SET sealed = 1 WHERE id = ?", (parent_id,))
            self._changes.parents.add(parent_id)
        return ids

    def add_links(self, parent_id: int, jobs: Sequence[NewJob]) -> None:
        """Make more children of a parent that is not final because the child that found them is not."""
        self._insert_children(parent_id, jobs, self._parent_row(parent_id))

    def get(self, job_id: int) -> Job:
        """Return one job; raises ``JobNotFoundError``."""
        row = self._database.row(f"SELECT {JOB_COLUMNS} FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise _unknown(job_id)
        return job_from(row)

    def counts(self, parent_id: int) -> Counts:
        """Return how many children a job has in each state."""
        return counts_from(self._database.row(f"SELECT {TALLY_COLUMNS} FROM tally WHERE parent_id = ?", (parent_id,)))

    def inheritance(self, parent_id: int) -> Inheritance:
        """Return what a child of that parent inherits, as acknowledged last (I7); raises ``JobNotFoundError``."""
        line = self._database.rows(
            "WITH RECURSIVE line (id, parent_id, metadata_json, definition_id, height) AS ("
            " SELECT id, parent_id, metadata_json, definition_id, 0 FROM job WHERE id = ?"
            " UNION ALL SELECT job.id, job.parent_id, job.metadata_json, job.definition_id, height + 1"
            " FROM job JOIN line ON job.id = line.parent_id)"
            " SELECT id, metadata_json, definition_id FROM line ORDER BY height",
            (parent_id,),
        )
        if not line:
            raise _unknown(parent_id)
        metadata = decode_json(line[0][1])
        root_id, root_metadata_json, _ = line[-1]
        root_auth_id = decode_json(root_metadata_json).get("auth_id")
        if root_auth_id is not None:
            metadata["auth_id"] = root_auth_id
        definition_id = next((row[2] for row in line if row[2] is not None), None)
        return Inheritance(parent_id=parent_id, root_id=root_id, metadata=metadata, definition_id=definition_id)

    def update_status(self, job_id: int, state: State, *, error: JobError | None = None) -> None:
        """Move a job that nobody runs to *state*; to the state that it is in, do nothing.

        To cancel a job cancels its descendants with it (I10). Raises ``JobNotFoundError`` and ``TransitionError``: a
        running job is ended by its lease's holder or cancelled, and a parent ends only when it is sealed and its
        children are final (I9).
        """
        job = self.get(job_id)
        if job.state is state:
            return
        self._check_transition(job, state)
        if state is State.CANCELLED:
            self.cancel(job_id)
            return
        now = self._database.now
        self._database.run(
            "UPDATE job SET state = ?2, lease_until = NULL, waits_for = NULL, is_due = 1,"
            " run_at = iif(?2 = 0, ?3, run_at), finished_at = iif(?2 >= 3, ?3, NULL),"
            " error_json = coalesce(?4, error_json) WHERE id = ?1",
            (job_id, NUMBER_OF[state], now, json_of(error)),
        )
        self._changes.touch(job_id, job.parent_id)
        if state is State.PENDING:
            self._changes.note_due(now, now)

    def update_progress(self, job_id: int, progress: Progress, *, token: int | None = None) -> None:
        """Note how far a job is; a holder of a lease gives its *token*, and raises ``LeaseLostError`` without it."""
        changed = self._database.run(
            "UPDATE job SET progress_json = ?2 WHERE id = ?1"
            " AND (?3 IS NULL AND state <> 1 OR token = ?3 AND state = 1)",
            (job_id, json_of(progress), token),
        )
        if not changed:
            self.get(job_id)
            raise LeaseLostError(f"asked for progress of job {job_id}, found its lease with somebody else or ended")
        self._changes.jobs.add(job_id)

    def update_config(self, job_id: int, config: Json) -> None:
        """Replace the config of a job that was never claimed and has no child; else raises ``TransitionError``."""
        job = self.get(job_id)
        if job.token or self.counts(job_id).total or job.state.is_final:
            raise TransitionError(
                f"asked for another config of job {job_id}, found that it was claimed, has a child or ended"
            )
        text = encode_json(config, owner=f"config of job {job_id}")
        self._database.run("UPDATE job SET config_json = ? WHERE id = ?", (text, job_id))

    def update_metadata(self, job_id: int, changes: Mapping[str, Json]) -> None:
        """Merge *changes* into a job's metadata, key by key (I8).

        Raises ``JobNotFoundError``, and ``MetadataError`` naming job and key for what JSON cannot hold.
        """
        encode_object(changes, owner=f"metadata of job {job_id}")
        self._write_metadata(job_id, {**self._metadata_of(job_id), **changes})

    def increment_metadata(self, job_id: int, key: str, by: int) -> int:
        """Add *by* to the counter under *key*, 0 where there is none, and return the sum."""
        metadata = self._metadata_of(job_id)
        found = metadata.get(key, 0)
        if isinstance(found, bool) or not isinstance(found, int):
            raise MetadataError(f"metadata of job {job_id}: key {key!r} holds no integer, so it cannot be incremented")
        self._write_metadata(job_id, {**metadata, key: found + by})
        return found + by

    def cancel(self, job_id: int) -> int:
        """Cancel a job and all its descendants that are not final, and return how many (I10)."""
        self.get(job_id)
        rows = self._database.rows(
            "WITH RECURSIVE tree (id) AS ("
            "SELECT ?1 UNION ALL SELECT job.id FROM job JOIN tree ON job.parent_id = tree.id)"
            " UPDATE job SET state = 5, sealed = 1, lease_until = NULL, waits_for = NULL, finished_at = ?2"
            " WHERE id IN (SELECT id FROM tree) AND state < 3 RETURNING id, parent_id",
            (job_id, self._database.now),
        )
        for cancelled_id, parent_id in rows:
            self._changes.touch(cancelled_id, parent_id)
        if rows:
            self._changes.has_due_work = True  # a place under a parent's child_concurrency may have come free
        return len(rows)

    def settled_parents(self, job_ids: set[int]) -> list[int]:
        """Return which of *job_ids* are sealed and wait for nothing any more: they can be judged (I9)."""
        if not job_ids:
            return []
        rows = self._database.rows(
            "SELECT job.id FROM json_each(?) AS asked JOIN job ON job.id = asked.value"
            " LEFT JOIN tally ON tally.parent_id = job.id"
            " WHERE job.state = 2 AND job.sealed = 1 AND ifnull(tally.pending + tally.running + tally.waiting, 0) = 0"
            " AND job.waits_for IS NULL ORDER BY job.id",
            (encode_record(sorted(job_ids)),),
        )
        return [row[0] for row in rows]

    def open_parents(self, kind: str) -> list[Job]:
        """Return the unfinished jobs of that kind that have no parent, oldest first."""
        rows = self._database.rows(
            f"SELECT {JOB_COLUMNS} FROM job WHERE parent_id IS NULL AND state = 2 AND kind = ? ORDER BY id", (kind,)
        )
        return [job_from(row) for row in rows]

    def _parent_row(self, parent_id: int) -> ParentRow:
        row = self._database.row(
            "SELECT state, sealed, waits_for, metadata_json, child_limit FROM job WHERE id = ?", (parent_id,)
        )
        if row is None:
            raise _unknown(parent_id)
        return ParentRow(*row)

    def _insert_children(self, parent_id: int, jobs: Sequence[NewJob], row: ParentRow) -> list[int | None]:
        if not jobs:
            return []
        limit = None if row.child_limit is None else row.child_limit - self.counts(parent_id).total
        children = [msgspec.structs.replace(job, parent_id=parent_id) for job in jobs]
        ids = self.inserts.insert(children, inherited=decode_json(row.metadata_json), limit=limit)
        self._changes.parents.add(parent_id)
        return ids

    def _has_all(self, parent_id: int, jobs: Sequence[NewJob]) -> bool:
        """Return whether every one of *jobs* is a child already."""
        if any(job.key is None for job in jobs):
            return False
        keys = sorted({job.key for job in jobs if job.key is not None})
        row = self._database.row(
            "SELECT count(*) FROM json_each(?2) AS asked WHERE EXISTS (SELECT 1 FROM job"
            " WHERE ifnull(parent_id, 0) = ?1 AND job.key = asked.value AND (key_scope = 0 OR state < 3))",
            (parent_id, encode_record(keys)),
        )
        return row is not None and row[0] == len(keys)

    def _known(self, job: NewJob) -> int:
        ((job_id,),) = self._database.rows(
            "SELECT id FROM job WHERE ifnull(parent_id, 0) = 0 AND key = ? AND (key_scope = 0 OR state < 3)", (job.key,)
        )
        return int(job_id)

    def _check_transition(self, job: Job, state: State) -> None:
        asked = f"asked to move job {job.id} from {job.state} to {state}"
        if state not in TRANSITIONS[job.state]:
            allowed = ", ".join(TRANSITIONS[job.state]) or "nothing"
            raise TransitionError(f"{asked}; from {job.state} it can go to {allowed}")
        if state is State.RUNNING or (job.state is State.RUNNING and state is not State.CANCELLED):
            raise TransitionError(f"{asked}; a lease begins with ClaimJobs and ends with CompleteJobs of its holder")
        if job.state is State.WAITING and state is State.PENDING and job.waits_for is None:
            raise TransitionError(f"{asked}, found that it waits for children, not for a credential")
        if job.state is State.WAITING and state in (State.COMPLETED, State.FAILED):
            if not job.sealed:
                raise TransitionError(f"{asked}, found that it is not sealed: more children may come")
            unfinished = self.counts(job.id).unfinished
            if unfinished:
                raise TransitionError(f"{asked}, found {unfinished} unfinished children")

    def _metadata_of(self, job_id: int) -> dict[str, Json]:
        row = self._database.row("SELECT metadata_json FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise _unknown(job_id)
        metadata: dict[str, Json] = decode_json(row[0])
        return metadata

    def _write_metadata(self, job_id: int, metadata: Mapping[str, Json]) -> None:
        text = encode_object(metadata, owner=f"metadata of job {job_id}")
        self._database.run("UPDATE job SET metadata_json = ? WHERE id = ?", (text, job_id))


def _unknown(job_id: int) -> JobNotFoundError:
    return JobNotFoundError(f"asked for job {job_id}, found none with that id; `bequest jobs` lists them")
