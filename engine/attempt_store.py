"""Owns what all ends of attempts have in common: the row of one, what follows from it, and the error that is kept.

All methods run inside the store's group.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from .changes import Changes, Move
from .claim_store import ClaimStore
from .crawl_jobs import PAGE
from .database import Database, Row
from .job_rows import FIRST_FINAL, MOVED_COLUMNS, NUMBER_OF, json_of
from .parent_store import ParentStore
from .records import JobError, OwnStep, State

ENDED_COLUMNS = f"{MOVED_COLUMNS}, state, run_at, attempts, own_step, root_id, token"  # of an Ended
TAKEN, COMPLETED = NUMBER_OF[State.RUNNING], NUMBER_OF[State.COMPLETED]


class Ended(NamedTuple):
    """A job whose attempt has ended, from a row of ``ENDED_COLUMNS``."""

    job_id: int
    parent_id: int | None
    queue: str
    kind: str
    state: int
    run_at: float
    attempts: int
    own_step: int
    root_id: int
    token: int


class AttemptStore:
    """The ends of attempts."""

    def __init__(self, database: Database, changes: Changes, parents: ParentStore, claims: ClaimStore) -> None:
        self._database = database
        self._changes = changes
        self._parents = parents
        self._claims = claims

    def note(self, ended: Collection[Row]) -> None:
        """Note that these attempts have ended, and what follows from that."""
        self._changes.move([Move(row[0], row[1], row[2], row[3], TAKEN, row[4]) for row in ended])
        if ended and self._claims.has_held_back:
            self._changes.has_due_work = True  # a place came free
        for row in ended:
            if row[3] == PAGE:
                self._changes.page_roots.add(row[8])
            if row[4] != COMPLETED:
                self._note_other(Ended._make(row))

    def _note_other(self, ended: Ended) -> None:
        """Note what follows where an attempt did not end as completed."""
        if ended.state == NUMBER_OF[State.PENDING]:
            self._changes.note_due(ended.run_at, self._database.now)
        if ended.state == NUMBER_OF[State.FAILED] and ended.own_step != OwnStep.NONE:
            self._parents.cancel_below(ended.job_id)
        if ended.own_step != OwnStep.NONE and ended.state < FIRST_FINAL:
            self._changes.parents.add(ended.job_id)
        if ended.state == NUMBER_OF[State.WAITING]:
            self._changes.jobs.add(ended.root_id)  # its run may be stalled by now

    def keep_errors(self, errors: Sequence[tuple[int, int, JobError]]) -> None:
        """Keep why attempts did not succeed: the job, the number of its attempt, and the error."""
        if errors:
            rows = [(job_id, attempt, json_of(error)) for job_id, attempt, error in errors]
            self._database.run(
                "INSERT INTO job_error (job_id, attempt, at, error_json)"
                " SELECT value ->> 0, value ->> 1, ?2, value ->> 2 FROM json_each(?1)",
                (msgspec.json.encode(rows).decode(), self._database.now),
            )
