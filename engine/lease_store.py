"""Owns leases: how long they last, and how an attempt ends.

Holds I3 (a job has one lease, and its token only grows), I4 (a stale token changes nothing), I5 (attempts are counted
at the claim, given back when the attempt did not count) and I12. All methods run inside the store's group.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from .changes import Changes, Move
from .claim_store import ClaimStore
from .crawl_jobs import PAGE
from .database import Database, Row, Value
from .document_store import DocumentStore
from .errors import InvalidJobError, TransitionError
from .job_rows import FIRST_FINAL, MOVED_COLUMNS, NUMBER_OF, json_of, moves_from
from .json_values import encode_json, encode_record
from .log_store import LogStore
from .parent_store import ParentStore
from .records import Completion, JobError, LeaseRef, NewJob, OwnStep, State

ENDED_COLUMNS = f"{MOVED_COLUMNS}, state, run_at, attempts, own_step, root_id, token"  # of an Ended

# The end of most: completed, and nothing is to be decided. What these pass over COMPLETE looks at in full.
PLAINLY = "state = 3, lease_until = NULL, waits_for = NULL, is_due = 1, finished_at = ?2, error_json = NULL"
IS_PLAIN = f"state = 1 AND own_step <> 2 RETURNING {ENDED_COLUMNS}"
COMPLETE_ONE = (
    f"UPDATE job SET {PLAINLY}, result_json = coalesce(?4, result_json) WHERE id = ?1 AND token = ?3 AND {IS_PLAIN}"
)
COMPLETE_ALIKE = (  # of one token, without results
    f"UPDATE job SET {PLAINLY} WHERE id IN (SELECT value FROM json_each(?1)) AND token = ?3 AND {IS_PLAIN}"
)
COMPLETE_PLAIN = (
    f"UPDATE job SET {PLAINLY}, result_json = coalesce(given_result, result_json) FROM ("
    " SELECT value ->> 0 AS given_id, value ->> 1 AS given_token, value ->> 2 AS given_result FROM json_each(?1)"
    f") WHERE id = given_id AND token = given_token AND {IS_PLAIN}"
)

# A retry that has no attempt left is a failure (I5); what waits for a credential that is newer by now does not wait;
# a parent whose own step is done waits for children that are not, and to be judged where one has failed (I9).
COMPLETE = f"""
    UPDATE job SET
        state = d.state, lease_until = NULL, attempts = attempts - d.refund, waits_for = d.waits_for,
        run_at = d.run_at, is_due = d.is_due, finished_at = iif(d.state >= 3, ?2, NULL), error_json = d.error,
        result_json = coalesce(d.result, result_json), own_step = d.own_step, sealed = max(sealed, d.seals)
    FROM (
        SELECT given.id, given.token, given.refund, given.error, given.result, given.seals,
               CASE WHEN given.state = 0 AND given.refund = 0 AND held.attempts >= held.max_attempts THEN 4
                    WHEN given.state = 3 AND held.own_step = 2 AND EXISTS (
                        SELECT 1 FROM tally WHERE parent_id = given.id
                        AND (pending + running + waiting > 0 OR failed > ignored + passed)) THEN 2
                    ELSE given.state END AS state,
               iif(given.state = 2, given.waits_for, NULL) AS waits_for,
               iif(given.state = 0, given.run_at, held.run_at) AS run_at,
               given.state <> 0 OR given.run_at <= ?2 AS is_due,
               CASE WHEN given.own_step > 0 THEN given.own_step
                    WHEN (given.state = 3 OR given.seals) AND held.own_step = 2 THEN 3
                    ELSE held.own_step END AS own_step
        FROM (
            SELECT value ->> 0 AS id, value ->> 1 AS token, value ->> 2 AS state, value ->> 3 AS refund,
                   value ->> 4 AS error, value ->> 5 AS run_at, value ->> 6 AS waits_for, value ->> 7 AS result,
                   value ->> 8 AS own_step, value ->> 9 AS seals
            FROM json_each(?1)
        ) AS given CROSS JOIN job AS held ON held.id = given.id
    ) AS d
    WHERE job.id = d.id AND job.token = d.token AND job.state = 1
    RETURNING {ENDED_COLUMNS}
"""
TAKEN, COMPLETED = NUMBER_OF[State.RUNNING], NUMBER_OF[State.COMPLETED]
PUT_BACK = "state = 0, is_due = 1, lease_until = NULL, attempts = attempts - 1"
# A page is read in the browser's processes, so it is not what ended the program.
IS_FORGIVEN = (
    f"(kind = '{PAGE}' OR ?3 > (SELECT count(*) FROM job_error"
    " WHERE job_id = job.id AND error_json ->> 'type' = 'program_ended'))"
)
TAKE_OVER = f"""
    UPDATE job SET attempts = attempts - {IS_FORGIVEN}, is_due = 1, lease_until = NULL, run_at = ?1,
        state = iif({IS_FORGIVEN} OR attempts < max_attempts, 0, 4),
        finished_at = iif({IS_FORGIVEN} OR attempts < max_attempts, NULL, ?1),
        error_json = iif(kind = '{PAGE}', error_json, ?2)
    WHERE state = 1 RETURNING {ENDED_COLUMNS}, {IS_FORGIVEN}
"""
ENDS_FORGIVEN = 3  # of the whole program while one job ran; from then on they count against it
PROGRAM_ENDED = JobError(type="program_ended", message="the program that ran it ended before it did")
LEAST_JUMP_S = 1.0  # of the clock; less is how it is kept right
LEASE_EXPIRED = JobError(type="lease_expired", message="its worker did not report before the lease ended")


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


Plain = tuple[int, int, str | None]  # a job's id, its token, and its result as JSON


class LeaseStore:
    """The leases of the store."""

    def __init__(
        self,
        database: Database,
        changes: Changes,
        parents: ParentStore,
        claims: ClaimStore,
        documents: DocumentStore,
        logs: LogStore,
    ) -> None:
        self._database = database
        self._changes = changes
        self._parents = parents
        self._claims = claims
        self._documents = documents
        self._logs = logs
        self._clock_lead = database.clock_lead

    def complete(self, completions: Sequence[Completion]) -> list[int]:
        """End attempts, with all that they left; return the ids of the jobs whose lease was lost.

        Of those nothing is written (I4). Raises ``InvalidJobError`` for a state that ends no attempt, and
        ``MetadataError`` for a result that JSON cannot hold, before anything is written.
        """
        first: dict[tuple[int, int], Completion] = {}  # by lease: a stale one hides no other
        refused: list[int] = []
        plain: list[Plain] = []
        for completion in completions:
            is_quick = is_plain(completion)
            if not is_quick:
                _check(completion)
            lease = completion.job_id, completion.token
            if first.setdefault(lease, completion) is not completion:
                refused.append(completion.job_id)
            elif is_quick:
                plain.append((*lease, _result_json(completion)))
        ended = self._end_plainly(plain)
        left = [completion for lease, completion in first.items() if lease not in ended]
        if left:
            ended |= self._end(left)
        self._note(ended.values())
        self._write_what_came_with(
            [(first[lease], Ended._make(row)) for lease, row in ended.items() if comes_with_more(first[lease])]
        )
        return refused + [lease[0] for lease in first if lease not in ended]

    def renew(self, leases: Sequence[LeaseRef], lease_s: float) -> list[int]:
        """Let leases last *lease_s* seconds from now; return the ids of the jobs whose lease was lost."""
        until = self._database.now + lease_s
        self._changes.wake_at = min(self._changes.wake_at, until)
        return refused(leases, self._over(leases, "lease_until = ?2", until))

    def release(self, leases: Sequence[LeaseRef]) -> list[int]:
        """Give leases back unused: the attempt does not count; return the ids of the jobs whose lease was lost."""
        rows = self._over(leases, f"{PUT_BACK}, run_at = ?2", self._database.now)
        self._note_put_back(rows)
        return refused(leases, rows)

    def take_over(self) -> int:
        """Put back every job that a former owner of the database was running when its program ended; return how many.

        That says little about the jobs in it, so their attempts do not count, until a job has been running at
        ``ENDS_FORGIVEN`` such ends: it may be what ended the program, and is not to do so for ever.
        """
        rows = self._database.rows(TAKE_OVER, (self._database.now, json_of(PROGRAM_ENDED), ENDS_FORGIVEN))
        self._note([Ended(*row[:-1]) for row in rows])
        self._keep_errors([(row[0], row[6] + row[-1], PROGRAM_ENDED) for row in rows if row[3] != PAGE])
        return len(rows)

    def reclaim(self) -> int:
        """Put back every job that runs, because who ran it is being ended; return how many. No attempt counts."""
        rows = self._database.rows(
            f"UPDATE job SET {PUT_BACK}, run_at = ?1 WHERE state = 1 RETURNING {MOVED_COLUMNS}", (self._database.now,)
        )
        self._note_put_back(rows)
        return len(rows)

    def expire(self) -> int:
        """End every lease whose deadline has passed: its job is due again, or failed at its last attempt."""
        self._forgive_jump()
        now = self._database.now
        rows = self._database.rows(
            "UPDATE job SET state = iif(attempts < max_attempts, 0, 4), is_due = 1, lease_until = NULL, run_at = ?1,"
            " finished_at = iif(attempts < max_attempts, NULL, ?1), error_json = ?2"
            f" WHERE state = 1 AND lease_until <= ?1 RETURNING {ENDED_COLUMNS}",
            (now, json_of(LEASE_EXPIRED)),
        )
        self._note(rows)
        self._changes.lost_leases.update(row[0] for row in rows)
        self._keep_errors([(row[0], row[6], LEASE_EXPIRED) for row in rows])
        return len(rows)

    def _forgive_jump(self) -> None:
        """Let leases last on over which the clock has jumped, as after a sleep: their holders have had no such time."""
        before, self._clock_lead = self._clock_lead, self._database.clock_lead
        jumped_s = self._clock_lead - before
        if jumped_s > LEAST_JUMP_S:
            self._database.run(
                "UPDATE job SET lease_until = lease_until + ?2 WHERE state = 1 AND lease_until <= ?1",
                (self._database.now, jumped_s),
            )

    def next_wake(self) -> float | None:
        """Return when the next job falls due or lease ends, in seconds since the epoch, or None."""
        row = self._database.row(
            "SELECT min(at) FROM (SELECT min(run_at) AS at FROM job WHERE state = 0 AND is_due = 0"
            " UNION ALL SELECT min(lease_until) FROM job WHERE state = 1"
            " UNION ALL SELECT min(deadline_at) FROM job WHERE deadline_at IS NOT NULL AND state < 3)"
        )
        return None if row is None else row[0]

    def _end_plainly(self, given: Sequence[Plain]) -> dict[tuple[int, int], Row]:
        """End what ends as most do, as far as it can be; return it by lease."""
        if not given:
            return {}
        now = self._database.now
        job_id, token, result_json = given[0]
        if len(given) == 1:
            rows = self._database.rows(COMPLETE_ONE, (job_id, now, token, result_json))
        elif all(one[1] == token and one[2] is None for one in given):
            rows = self._database.rows(COMPLETE_ALIKE, (encode_record([one[0] for one in given]), now, token))
        else:
            rows = self._database.rows(COMPLETE_PLAIN, (encode_record(given), now))
        return ended_by_lease(rows)

    def _end(self, completions: Sequence[Completion]) -> dict[tuple[int, int], Row]:
        versions = self._versions_waited_for(completions)
        values = [self._values_of(completion, versions) for completion in completions]
        return ended_by_lease(self._database.rows(COMPLETE, (encode_record(values), self._database.now)))

    def _values_of(self, completion: Completion, versions: dict[str, int]) -> list[Value]:
        state, run_at = completion.state, completion.run_at
        if _is_parent(completion):
            state = State.WAITING
        elif state is State.WAITING and versions.get(completion.waits_for or "", 0) > completion.credential_version:
            state, run_at = State.PENDING, None  # the credential was put right while the page was tried
        return [
            completion.job_id,
            completion.token,
            NUMBER_OF[state],
            int(_is_refunded(completion)),
            json_of(completion.error),
            self._database.now if run_at is None else run_at,
            None if _is_parent(completion) else completion.waits_for,
            _result_json(completion),
            completion.own_step,
            int(_is_parent(completion)),
        ]

    def _versions_waited_for(self, completions: Sequence[Completion]) -> dict[str, int]:
        names = sorted({completion.waits_for for completion in completions if completion.waits_for is not None})
        if not names:
            return {}
        rows = self._database.rows(
            "SELECT auth_id, version FROM credential WHERE auth_id IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(names).decode(),),
        )
        return {auth_id: version for auth_id, version in rows}

    def _write_what_came_with(self, kept: Sequence[tuple[Completion, Ended]]) -> None:
        links: dict[int, list[NewJob]] = {}
        for completion, ended in kept:
            if completion.document is not None or completion.links:
                parent_id = ended.parent_id
                if parent_id is None:
                    raise TransitionError(
                        f"job {completion.job_id} has no parent, so it leaves no document and finds no pages"
                    )
                if completion.document is not None:
                    self._documents.insert(completion.job_id, parent_id, completion.document)
                links.setdefault(parent_id, []).extend(completion.links)
            if completion.children:
                self._parents.add_children(completion.job_id, completion.children)
        for parent_id, jobs in links.items():
            self._parents.add_children(parent_id, jobs)
        self._keep_errors(
            [(one.job_id, ended.attempts + _is_refunded(one), one.error) for one, ended in kept if one.error]
        )
        self._logs.add([entry for completion, _ in kept for entry in completion.logs])

    def _keep_errors(self, errors: Sequence[tuple[int, int, JobError]]) -> None:
        if errors:
            rows = [(job_id, attempt, json_of(error)) for job_id, attempt, error in errors]
            self._database.run(
                "INSERT INTO job_error (job_id, attempt, at, error_json)"
                " SELECT value ->> 0, value ->> 1, ?2, value ->> 2 FROM json_each(?1)",
                (msgspec.json.encode(rows).decode(), self._database.now),
            )

    def _note(self, ended: Collection[Row]) -> None:
        self._changes.move([Move(row[0], row[1], row[2], row[3], TAKEN, row[4]) for row in ended])
        if ended and self._claims.has_held_back:
            self._changes.has_due_work = True  # a place came free
        for row in ended:
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

    def _note_put_back(self, rows: Sequence[Row]) -> None:
        self._changes.move(moves_from(rows, State.RUNNING, State.PENDING))
        if rows:
            self._changes.has_due_work = True

    def _over(self, leases: Sequence[LeaseRef], update: str, at: float) -> list[Row]:
        held = [[lease.job_id, lease.token] for lease in leases]
        return self._database.rows(
            f"UPDATE job SET {update} FROM (SELECT value ->> 0 AS held_id, value ->> 1 AS held_token"
            " FROM json_each(?1)) AS held WHERE job.id = held_id AND token = held_token AND state = 1"
            f" RETURNING {MOVED_COLUMNS}, token",
            (msgspec.json.encode(held).decode(), at),
        )


def is_plain(completion: Completion) -> bool:
    """Whether it ends as completed and nothing is to be decided, as far as can be seen without its job."""
    return (
        completion.state is State.COMPLETED
        and completion.run_at is None
        and completion.counts
        and completion.error is None
        and not completion.children
        and completion.own_step is OwnStep.NONE
    )


def comes_with_more(completion: Completion) -> bool:
    """Whether there is more to write of it than its job's row."""
    return bool(
        completion.document is not None
        or completion.links
        or completion.children
        or completion.logs
        or completion.error is not None
    )


def ended_by_lease(rows: Iterable[Row]) -> dict[tuple[int, int], Row]:
    """Return rows of ``ENDED_COLUMNS`` by id and token."""
    return {(row[0], row[-1]): row for row in rows}


def refused(leases: Sequence[LeaseRef], rows: Sequence[Row]) -> list[int]:
    """Return the jobs of those of *leases* that are not among *rows*, which end with the token."""
    kept = {(row[0], row[-1]) for row in rows}
    return [lease.job_id for lease in leases if (lease.job_id, lease.token) not in kept]


def _check(completion: Completion) -> None:
    if completion.state in (State.RUNNING, State.CANCELLED):
        raise InvalidJobError(
            f"an attempt does not end as {completion.state}; it is completed, failed, pending or waiting"
        )
    if completion.document is not None and completion.state is not State.COMPLETED:
        raise InvalidJobError(f"a document comes with a completed page, not with a {completion.state} one")
    if _is_parent(completion) and completion.state is not State.COMPLETED:
        raise InvalidJobError(f"an attempt that ends as {completion.state} has no children")
    if completion.run_at is not None and not math.isfinite(completion.run_at):
        raise InvalidJobError(f"run_at is seconds since the epoch, found {completion.run_at}")
    _result_json(completion)  # for its error, before anything is written


def _result_json(completion: Completion) -> str | None:
    result = completion.result
    return None if result is None else encode_json(result, owner=f"result of job {completion.job_id}")


def _is_parent(completion: Completion) -> bool:
    """Whether the job has children now, or at least its own step after them."""
    return bool(completion.children) or completion.own_step is not OwnStep.NONE


def _is_refunded(completion: Completion) -> bool:
    """Whether the attempt does not count: one that waits for a credential never does (I5)."""
    return not completion.counts or completion.state is State.WAITING
