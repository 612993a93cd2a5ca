"""Owns jobs as rows: making them, changing what may change, and reading them back.

Holds I2 and I9 with the schema's triggers behind it, I8 (metadata merges key by key) and I11 (keys). All methods run
inside the store's group.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from .changes import Changes
from .crawl_jobs import RUN_KINDS
from .damaged_rows import stored_json
from .database import Database, Row
from .errors import InvalidJobError, KeyTakenError, LeaseLostError, MetadataError, TransitionError
from .job_inserts import KEY_HOLDS, JobInserts, deadline_of
from .job_rows import JOB_COLUMNS, NUMBER_OF, job_from, json_of
from .json_values import encode_json, encode_object
from .parent_store import ParentStore, move_of, unknown_job
from .records import (
    KEY_SCOPES,
    TRANSITIONS,
    Created,
    Job,
    JobError,
    Json,
    KeyScope,
    NewJob,
    OnClash,
    OwnStep,
    Progress,
    State,
)


class JobStore:
    """The jobs of the store."""

    def __init__(self, database: Database, changes: Changes, inserts: JobInserts, parents: ParentStore) -> None:
        self._inserts = inserts
        self._parents = parents
        self._database = database
        self._changes = changes
        self._has_follow_ups: bool | None = None  # whether there may be any; None until it is looked up

    def create(self, jobs: Sequence[NewJob]) -> list[Created]:
        """Make jobs that have no parent; where a key is taken, each job's ``on_clash`` says what becomes of it.

        Raises ``InvalidJobError``, ``MetadataError`` and ``KeyTakenError``; then none of *jobs* is made (I12).
        """
        if any(job.parent_id is not None for job in jobs):
            raise InvalidJobError("a job with a parent is made by SpawnChildren, which checks the parent")
        ids = self._inserts.insert(jobs)
        return [
            Created(job_id=job_id, is_new=True) if job_id is not None else self._clashed(job)
            for job, job_id in zip(jobs, ids, strict=True)
        ]

    def create_alike(self, job: NewJob, configs: Sequence[Json]) -> range:
        """Make one job like *job*, which has no parent and no key, with each of *configs*; return their ids.

        Raises ``InvalidJobError`` and ``MetadataError``; then none of them is made (I12).
        """
        if job.parent_id is not None or job.key is not None:
            raise InvalidJobError("many jobs that are alike have no parent and no key; make them one by one")
        return self._inserts.insert_alike(job, configs)

    def create_free(self, jobs: Sequence[NewJob]) -> list[Created | None]:
        """Make jobs as ``create`` does, but for those whose key a job of another kind has.

        Of several jobs each has a key, which makes it safe to ask again for what was made before one that cannot be.
        """
        try:
            return list(self.create(jobs))
        except KeyTakenError:
            if len(jobs) == 1:
                return [None]
            return [self.create_free([job])[0] for job in jobs]

    def follow_up(self) -> None:
        """Make the jobs that were to come after one that has ended."""
        if self._has_follow_ups is None:
            row = self._database.row("SELECT EXISTS (SELECT 1 FROM job WHERE follow_up_json IS NOT NULL)")
            self._has_follow_ups = row is not None and bool(row[0])
        if not self._has_follow_ups:
            return
        rows = self._database.rows(
            "SELECT id, follow_up_json FROM job WHERE follow_up_json IS NOT NULL AND state >= 3 ORDER BY id"
        )
        if rows:
            self._database.run("UPDATE job SET follow_up_json = NULL WHERE follow_up_json IS NOT NULL AND state >= 3")
            jobs = [stored_json(row[1], NewJob) for row in rows]
            for job, created in zip(jobs, self.create_free(jobs), strict=True):
                if created is None:  # by a job that came in this very group
                    self._put_behind(job)

    def get(self, job_id: int) -> Job:
        """Return one job; raises ``JobNotFoundError``."""
        row = self._database.row(f"SELECT {JOB_COLUMNS} FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise unknown_job(job_id)
        return job_from(row)

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
            self._parents.cancel(job_id)
            return
        now = self._database.now
        self._database.run(
            "UPDATE job SET state = ?2, lease_until = NULL, waits_for = NULL, is_due = 1,"
            " run_at = iif(?2 = 0, ?3, run_at), finished_at = iif(?2 >= 3, ?3, NULL),"
            " error_json = coalesce(?4, error_json) WHERE id = ?1",
            (job_id, NUMBER_OF[state], now, json_of(error)),
        )
        self._changes.move([move_of(job, state)])
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
        if job.token or self._parents.counts(job_id).total or job.state.is_final:
            raise TransitionError(
                f"asked for another config of job {job_id}, found that it was claimed, has a child or ended"
            )
        text = encode_json(config, owner=f"config of job {job_id}")
        self._database.run("UPDATE job SET config_json = ? WHERE id = ?", (text, job_id))

    def update_metadata(self, job_id: int, changes: Mapping[str, Json], *, token: int | None = None) -> None:
        """Merge *changes* into a job's metadata, key by key (I8); a holder of a lease gives its *token* (I4).

        Raises ``JobNotFoundError``, ``LeaseLostError``, and ``MetadataError`` naming job and key for what JSON cannot
        hold.
        """
        self.merge_metadata([(job_id, changes, token)])

    def merge_metadata(self, merges: Sequence[tuple[int, Mapping[str, Json], int | None]]) -> None:
        """Merge changes into the metadata of jobs in turn, each with a token or None; each job is written once.

        When it raises, which it does as ``update_metadata``, nothing is written.
        """
        holders: dict[int, Row] = {}
        merged: dict[int, dict[str, Json]] = {}
        for job_id, changes, token in merges:
            encode_object(changes, owner=f"metadata of job {job_id}")
            if job_id not in merged:
                holders[job_id] = self._metadata_row(job_id)
                merged[job_id] = stored_json(holders[job_id][0], dict[str, Json])
            check_holder(job_id, holders[job_id], token)
            merged[job_id].update(changes)
        for job_id, metadata in merged.items():
            self._write_metadata(job_id, metadata)

    def increment_metadata(self, job_id: int, key: str, by: int, *, token: int | None = None) -> int:
        """Add *by* to the counter under *key*, 0 where there is none, and return the sum; *token* as above."""
        metadata = self._metadata_of(job_id, token)
        found = metadata.get(key, 0)
        if isinstance(found, bool) or not isinstance(found, int):
            raise MetadataError(f"metadata of job {job_id}: key {key!r} holds no integer, so it cannot be incremented")
        self._write_metadata(job_id, {**metadata, key: found + by})
        return found + by

    def _clashed(self, job: NewJob) -> Created:
        ((holder_id, kind, state, token, scope),) = self._database.rows(
            f"SELECT id, kind, state, token, key_scope FROM job WHERE lane = 0 AND key = ? AND ({KEY_HOLDS})",
            (job.key,),
        )
        if kind != job.kind and not {kind, job.kind} <= RUN_KINDS:
            raise KeyTakenError(
                f"asked for a new {job.kind} job, found its key taken by job {holder_id} of another kind, {kind};"
                " all kinds share their keys, so put the kind's name into them"
            )
        is_untouched = token == 0 and state == NUMBER_OF[State.PENDING]
        match job.on_clash:
            case OnClash.RAISE:
                raise KeyTakenError(f"asked for a new {job.kind} job, found its key taken by job {holder_id}")
            case OnClash.REPLACE if is_untouched:
                self._replace(holder_id, job)
            case OnClash.AFTER if not is_untouched and KEY_SCOPES[scope] is not KeyScope.UNFINISHED:
                raise KeyTakenError(
                    f"asked for a {job.kind} job after the one with its key, found job {holder_id}, which keeps the key"
                    f" beyond its end ({KEY_SCOPES[scope]}); give both the key scope 'unfinished'"
                )
            case OnClash.AFTER if not is_untouched:
                self._has_follow_ups = True
                follow_up = msgspec.structs.replace(job, on_clash=OnClash.EXISTING)
                self._database.run("UPDATE job SET follow_up_json = ?2 WHERE id = ?1", (holder_id, json_of(follow_up)))
        return Created(job_id=holder_id, is_new=False)

    def _put_behind(self, job: NewJob) -> None:
        """Have a job made when the one that has its key has ended."""
        self._database.run(
            f"UPDATE job SET follow_up_json = ?2 WHERE lane = 0 AND key = ?1 AND state < 3 AND ({KEY_HOLDS})",
            (job.key, json_of(job)),
        )

    def _replace(self, job_id: int, job: NewJob) -> None:
        now = self._database.now
        run_at = now if job.run_at is None else job.run_at
        config_json, deadline_at = encode_json(job.config, owner=f"config of job {job_id}"), deadline_of(job, now)
        self._database.run(
            "UPDATE job SET config_json = ?2, priority = ?3, run_at = ?4, is_due = ?5, run_timeout_s = ?6,"
            " deadline_at = ?7 WHERE id = ?1",
            (job_id, config_json, job.priority, run_at, run_at <= now, job.run_timeout_s, deadline_at),
        )
        self._changes.note_due(run_at, now)
        self._changes.wake_at = min(self._changes.wake_at, math.inf if deadline_at is None else deadline_at)

    def _check_transition(self, job: Job, state: State) -> None:
        asked = f"asked to move job {job.id} from {job.state} to {state}"
        if job.state.is_final:
            raise TransitionError(f"{asked}; {job.state} is final, and only a retry leaves it")
        if state not in TRANSITIONS[job.state]:
            allowed = ", ".join(TRANSITIONS[job.state])
            raise TransitionError(f"{asked}; from {job.state} it can go to {allowed}")
        if state is State.RUNNING or (job.state is State.RUNNING and state is not State.CANCELLED):
            raise TransitionError(f"{asked}; a lease begins with ClaimJobs and ends with CompleteJobs of its holder")
        if job.state is State.PENDING and state is State.FAILED:
            raise TransitionError(f"{asked}; one that has not begun fails by its time or its children alone")
        if job.state is State.WAITING and state is State.PENDING and job.waits_for is None:
            raise TransitionError(f"{asked}, found that it waits for children, not for a credential")
        if job.state is State.WAITING and state in (State.COMPLETED, State.FAILED):
            if not job.sealed:
                raise TransitionError(f"{asked}, found that it is not sealed: more children may come")
            if job.own_step is OwnStep.AFTER_CHILDREN and state is State.COMPLETED:
                raise TransitionError(f"{asked}, found that its own step is still to come")
            unfinished = self._parents.counts(job.id).unfinished
            if unfinished:
                raise TransitionError(f"{asked}, found {unfinished} unfinished children")

    def _metadata_of(self, job_id: int, token: int | None) -> dict[str, Json]:
        row = self._metadata_row(job_id)
        check_holder(job_id, row, token)
        metadata: dict[str, Json] = stored_json(row[0], dict[str, Json])
        return metadata

    def _metadata_row(self, job_id: int) -> Row:
        row = self._database.row("SELECT metadata_json, state, token FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise unknown_job(job_id)
        return row

    def _write_metadata(self, job_id: int, metadata: Mapping[str, Json]) -> None:
        text = encode_object(metadata, owner=f"metadata of job {job_id}")
        self._database.run("UPDATE job SET metadata_json = ? WHERE id = ?", (text, job_id))


def check_holder(job_id: int, row: Row, token: int | None) -> None:
    """Raise ``LeaseLostError`` where *token* is not that of the lease; *row* has state and token after its metadata."""
    if token is not None and row[1:] != (NUMBER_OF[State.RUNNING], token):
        raise LeaseLostError(f"asked to change job {job_id}, found its lease with somebody else or ended")
