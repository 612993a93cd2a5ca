"""Owns leases: who runs which job until when, and how an attempt ends.

Holds I3 (a job has one lease, and its token only grows), I4 (a stale token changes nothing), I5 (attempts are counted
at the claim, given back when the attempt did not count) and I12. All methods run inside the store's group.
"""

from __future__ import annotations

from collections.abc import Sequence

from .allotment import Claimable, allot
from .changes import Changes
from .database import Database, Row, Value
from .document_store import DocumentStore
from .errors import InvalidJobError, TransitionError
from .job_rows import LEASE_COLUMNS, NUMBER_OF, json_of, lease_from
from .job_store import JobStore
from .json_values import encode_record
from .log_store import LogStore
from .records import Completion, JobError, Lease, LeaseRef, NewJob, State

CLAIM = (
    "UPDATE job SET state = 1, attempts = attempts + 1, token = token + 1, lease_until = ?1, started_at = ?2"
    " WHERE id IN (SELECT id FROM job WHERE parent_id IS ?3 AND kind = ?4 AND state = 0 AND is_due = 1"
    f" ORDER BY priority DESC, id LIMIT ?5) RETURNING {LEASE_COLUMNS}"
)
OFFERS = (
    "SELECT tally.parent_id, tally.pending, tally.running, job.child_concurrency"
    " FROM tally CROSS JOIN job ON job.id = tally.parent_id WHERE tally.pending > 0"
)
# A retry that has no attempt left is a failure (I5); what waits for a credential that is newer by now does not wait.
COMPLETE = """
    UPDATE job SET
        state = d.state, lease_until = NULL, attempts = attempts - d.refund, waits_for = d.waits_for,
        run_at = d.run_at, is_due = d.is_due, finished_at = d.finished_at, error_json = d.error
    FROM (
        SELECT given.id, given.token, given.refund, given.error,
               iif(given.state = 0 AND given.refund = 0 AND held.attempts >= held.max_attempts, 4, given.state) AS
               state, iif(given.state = 2, given.waits_for, NULL) AS waits_for, iif(given.state = 0, given.run_at,
               held.run_at) AS run_at, given.state <> 0 OR given.run_at <= ?2 AS is_due, iif(given.state >= 3 OR
               given.state = 0 AND given.refund = 0 AND held.attempts >= held.max_attempts, ?2, NULL) AS finished_at
               FROM ( SELECT value ->> 0 AS id, value ->> 1 AS token, value ->> 2 AS state, value ->> 3 AS refund,
               value ->> 4 AS error, value ->> 5 AS run_at, value ->> 6 AS waits_for FROM json_each(?1) ) AS given
               CROSS JOIN job AS held ON held.id = given.id ) AS d WHERE job.id = d.id AND job.token = d.token AND
               job.state = 1 RETURNING id, token, parent_id, state, run_at
"""
LEASE_EXPIRED = JobError(type="lease_expired", message="its worker did not report before the lease ended")


class LeaseStore:
    """The leases of the store."""

    def __init__(
        self, database: Database, changes: Changes, jobs: JobStore, documents: DocumentStore, logs: LogStore
    ) -> None:
        self._database = database
        self._changes = changes
        self._jobs = jobs
        self._documents = documents
        self._logs = logs
        self._offered: frozenset[int] | None = None  # parents; None is all, and jobs without one

    def offer_only(self, parent_ids: Sequence[int]) -> None:
        """Have children of these parents claimed and no other job, until the store is closed."""
        self._offered = frozenset(parent_ids)
        self._changes.has_due_work = True

    def claim(self, kind: str, limit: int, lease_s: float) -> list[Lease]:
        """Claim up to *limit* due jobs of *kind* for *lease_s* seconds, highest priority first, parents in turn."""
        self.promote()
        rows = self._claim_children(kind, limit, lease_s)
        if len(rows) < limit and self._offered is None:
            rows += self._claim(None, kind, limit - len(rows), lease_s)
        if rows:
            self._changes.wake_at = min(self._changes.wake_at, self._database.now + lease_s)
            for row in rows:
                self._changes.touch(row[0], row[6])
        return [lease_from(row) for row in rows]

    def complete(self, completions: Sequence[Completion]) -> list[int]:
        """End attempts, with their documents, links and logs; return the ids of the jobs whose lease was lost.

        Of those nothing is written (I4). Raises ``InvalidJobError`` for a state that ends no attempt.
        """
        first: dict[tuple[int, int], Completion] = {}  # by lease: a stale one hides no other
        refused: list[int] = []
        for completion in completions:
            _check(completion)
            if first.setdefault((completion.job_id, completion.token), completion) is not completion:
                refused.append(completion.job_id)
        versions = self._versions_waited_for(completions)
        given = [self._values_of(completion, versions) for completion in first.values()]
        rows = self._database.rows(COMPLETE, (encode_record(given), self._database.now))
        parents: dict[tuple[int, int], int | None] = {}
        for job_id, token, parent_id, state, run_at in rows:
            parents[job_id, token] = parent_id
            self._note(job_id, parent_id, state, run_at)
        self._write_what_came_with([(one, parents[lease]) for lease, one in first.items() if lease in parents])
        return refused + [lease[0] for lease in first if lease not in parents]

    def renew(self, leases: Sequence[LeaseRef], lease_s: float) -> list[int]:
        """Let leases last *lease_s* seconds from now; return the ids of the jobs whose lease was lost."""
        until = self._database.now + lease_s
        self._changes.wake_at = min(self._changes.wake_at, until)
        return self._over(leases, "UPDATE job SET lease_until = ?2", until)

    def release(self, leases: Sequence[LeaseRef]) -> list[int]:
        """Give leases back unused: the attempt does not count; return the ids of the jobs whose lease was lost."""
        now = self._database.now
        self._changes.note_due(now, now)
        return self._over(
            leases,
            "UPDATE job SET state = 0, is_due = 1, lease_until = NULL, attempts = attempts - 1, run_at = ?2",
            now,
        )

    def reclaim(self) -> int:
        """Put back every job that a former owner of the database was running; return how many.

        The end of a process says nothing about the jobs in it, so their attempts do not count.
        """
        rows = self._database.rows(
            "UPDATE job SET state = 0, is_due = 1, lease_until = NULL, attempts = attempts - 1, run_at = ?1"
            " WHERE state = 1 RETURNING id, parent_id",
            (self._database.now,),
        )
        self._note_put_back(rows)
        return len(rows)

    def expire(self) -> int:
        """End every lease whose deadline has passed: its job is due again, or failed at its last attempt."""
        now = self._database.now
        rows = self._database.rows(
            "UPDATE job SET state = iif(attempts < max_attempts, 0, 4), is_due = 1, lease_until = NULL, run_at = ?1,"
            " finished_at = iif(attempts < max_attempts, NULL, ?1), error_json = ?2"
            " WHERE state = 1 AND lease_until <= ?1 RETURNING id, parent_id",
            (now, json_of(LEASE_EXPIRED)),
        )
        self._note_put_back(rows)
        return len(rows)

    def promote(self) -> int:
        """Make claimable what has fallen due; return how many jobs."""
        promoted = self._database.run(
            "UPDATE job SET is_due = 1 WHERE state = 0 AND is_due = 0 AND run_at <= ?", (self._database.now,)
        )
        if promoted:
            self._changes.has_due_work = True
        return promoted

    def next_wake(self) -> float | None:
        """Return when the next job falls due or lease ends, in seconds since the epoch, or None."""
        row = self._database.row(
            "SELECT min(at) FROM (SELECT min(run_at) AS at FROM job WHERE state = 0 AND is_due = 0"
            " UNION ALL SELECT min(lease_until) FROM job WHERE state = 1)"
        )
        return None if row is None else row[0]

    def _claim_children(self, kind: str, limit: int, lease_s: float) -> list[Row]:
        rows: list[Row] = []
        offers = {row[0]: Claimable(*row) for row in self._database.rows(OFFERS) if self._is_offered(row[0])}
        while offers and len(rows) < limit:
            before = len(offers)
            for parent_id, share in allot(list(offers.values()), limit - len(rows)):
                claimed = self._claim(parent_id, kind, share, lease_s)
                rows += claimed
                offers[parent_id] = offers[parent_id].after(len(claimed))
                if len(claimed) < share:
                    del offers[parent_id]  # of this kind nothing is left that is due
            if len(offers) == before:
                break
        return rows

    def _is_offered(self, parent_id: int) -> bool:
        return self._offered is None or parent_id in self._offered

    def _claim(self, parent_id: int | None, kind: str, limit: int, lease_s: float) -> list[Row]:
        now = self._database.now
        rows = self._database.rows(CLAIM, (now + lease_s, now, parent_id, kind, limit))
        return sorted(rows, key=lambda row: (-row[9], row[0]))

    def _values_of(self, completion: Completion, versions: dict[str, int]) -> list[Value]:
        state, run_at = completion.state, completion.run_at
        if state is State.WAITING and versions.get(completion.waits_for or "", 0) > completion.credential_version:
            state, run_at = State.PENDING, None  # the credential was put right while the page was tried
        return [
            completion.job_id,
            completion.token,
            NUMBER_OF[state],
            int(not completion.counts or _waits_for_credential(completion)),
            json_of(completion.error),
            self._database.now if run_at is None else run_at,
            completion.waits_for,
        ]

    def _versions_waited_for(self, completions: Sequence[Completion]) -> dict[str, int]:
        names = sorted({completion.waits_for for completion in completions if completion.waits_for is not None})
        if not names:
            return {}
        rows = self._database.rows(
            "SELECT auth_id, version FROM credential WHERE auth_id IN (SELECT value FROM json_each(?))",
            (encode_record(names),),
        )
        return {auth_id: version for auth_id, version in rows}

    def _write_what_came_with(self, kept: Sequence[tuple[Completion, int | None]]) -> None:
        links: dict[int, list[NewJob]] = {}
        for completion, parent_id in kept:
            if completion.document is None and not completion.children:
                continue
            if parent_id is None:
                raise TransitionError(
                    f"job {completion.job_id} has no parent, so it leaves no document and finds no pages"
                )
            if completion.document is not None:
                self._documents.insert(completion.job_id, parent_id, completion.document)
            if completion.children:
                links.setdefault(parent_id, []).extend(completion.children)
        for parent_id, children in links.items():
            self._jobs.add_links(parent_id, children)
        self._logs.add([entry for completion, _ in kept for entry in completion.logs])

    def _note(self, job_id: int, parent_id: int | None, state: int, run_at: float) -> None:
        self._changes.touch(job_id, parent_id)
        if state == NUMBER_OF[State.PENDING]:
            self._changes.note_due(run_at, self._database.now)
        if parent_id is not None:
            self._changes.has_due_work = True  # a place under the parent's child_concurrency came free

    def _note_put_back(self, rows: Sequence[Row]) -> None:
        for job_id, parent_id in rows:
            self._changes.touch(job_id, parent_id)
        if rows:
            self._changes.has_due_work = True

    def _over(self, leases: Sequence[LeaseRef], update: str, at: float) -> list[int]:
        held = [[lease.job_id, lease.token] for lease in leases]
        rows = self._database.rows(
            f"{update} FROM (SELECT value ->> 0 AS id, value ->> 1 AS token FROM json_each(?1)) AS d"
            " WHERE job.id = d.id AND job.token = d.token AND job.state = 1 RETURNING id, token, parent_id",
            (encode_record(held), at),
        )
        kept = set()
        for job_id, token, parent_id in rows:
            self._changes.touch(job_id, parent_id)
            kept.add((job_id, token))
        return [lease.job_id for lease in leases if (lease.job_id, lease.token) not in kept]


def _check(completion: Completion) -> None:
    if completion.state in (State.RUNNING, State.CANCELLED):
        raise InvalidJobError(
            f"an attempt does not end as {completion.state}; it is completed, failed, pending or waiting"
        )
    if completion.document is not None and completion.state is not State.COMPLETED:
        raise InvalidJobError(f"a document comes with a completed page, not with a {completion.state} one")


def _waits_for_credential(completion: Completion) -> bool:
    return completion.state is State.WAITING and completion.waits_for is not None
