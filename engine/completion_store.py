"""Owns how workers end attempts: what they report, with all that came with it.

Holds I4 (a stale token changes nothing), I5 (an attempt that does not count is given back) and I12. All methods run
inside the store's group.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from .attempt_store import ENDED_COLUMNS, AttemptStore, Ended
from .database import Database, Row, Value
from .document_store import DocumentStore
from .errors import InvalidJobError, TransitionError
from .job_rows import NUMBER_OF, json_of
from .json_values import encode_json, encode_record
from .log_store import LogStore
from .packed_rows import unpacked
from .parent_store import ParentStore
from .records import Completion, NewJob, OwnStep, State

# The end of most: completed, and nothing is to be decided. What these pass over COMPLETE looks at in full.
PLAINLY = "state = 3, lease_until = NULL, waits_for = NULL, is_due = 1, finished_at = ?2, error_json = NULL"
IS_PLAIN = "state = 1 AND own_step <> 2"
COMPLETE_ONE = (
    f"UPDATE job SET {PLAINLY}, result_json = coalesce(?4, result_json) WHERE id = ?1 AND token = ?3 AND {IS_PLAIN}"
    f" RETURNING {ENDED_COLUMNS}"
)
HELD = ENDED_COLUMNS.replace(" state,", " 3,")  # as it will be
HELD_ALIKE = f"FROM job WHERE id IN (SELECT value FROM json_each(?1)) AND token = ?2 AND {IS_PLAIN}"
HELD_PLAIN = (
    "FROM (SELECT value ->> 0 AS given_id, value ->> 1 AS given_token FROM json_each(?1))"
    f" CROSS JOIN job ON job.id = given_id WHERE token = given_token AND {IS_PLAIN}"
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

Plain = tuple[int, int, str | None]  # a job's id, its token, and its result as JSON


class CompletionStore:
    """What workers report to the store."""

    def __init__(
        self,
        database: Database,
        attempts: AttemptStore,
        parents: ParentStore,
        documents: DocumentStore,
        logs: LogStore,
    ) -> None:
        self._database = database
        self._attempts = attempts
        self._parents = parents
        self._documents = documents
        self._logs = logs

    def complete(self, completions: Sequence[Completion]) -> list[int]:
        """End attempts, with all that they left; return the ids of the jobs whose lease was lost.

        Of those nothing is written (I4). Raises ``InvalidJobError`` for a state that ends no attempt, and
        ``MetadataError`` for a result that JSON cannot hold, before anything is written.
        """
        first: dict[tuple[int, int], Completion] = {}  # by lease: a stale one hides no other
        refused: list[int] = []
        results: dict[tuple[int, int], str] = {}  # as JSON, where there is one
        plain: list[Plain] = []
        for completion in completions:
            is_quick = is_plain(completion)
            if not is_quick:
                _check(completion)
            lease = completion.job_id, completion.token
            result = completion.result
            result_json = None if result is None else encode_json(result, owner=f"result of job {completion.job_id}")
            if first.setdefault(lease, completion) is not completion:
                refused.append(completion.job_id)
                continue
            if result_json is not None:
                results[lease] = result_json
            if is_quick:
                plain.append((*lease, result_json))
        ended = self._end_plainly(plain)
        if len(ended) < len(first):
            left = [(one, results.get(lease)) for lease, one in first.items() if lease not in ended]
            ended |= self._end(left)
            refused += [lease[0] for lease in first if lease not in ended]
        self._attempts.note(ended.values())
        more = [lease for lease, completion in first.items() if comes_with_more(completion)]
        if more:
            self._write_what_came_with([(first[one], Ended._make(ended[one])) for one in more if one in ended])
        return refused

    def _end_plainly(self, given: Sequence[Plain]) -> dict[tuple[int, int], Row]:
        """End what ends as most do, as far as it can be; return it by lease."""
        if not given:
            return {}
        now = self._database.now
        job_id, token, result_json = given[0]
        if len(given) == 1:
            rows = self._database.rows(COMPLETE_ONE, (job_id, now, token, result_json))
        elif all(one[1] == token and one[2] is None for one in given):
            ids = encode_record([one[0] for one in given])
            rows = unpacked(self._database, HELD, HELD_ALIKE, (ids, token))
            self._database.run(COMPLETE_ALIKE, (ids, now, token))
        else:
            leases = encode_record(given)
            rows = unpacked(self._database, HELD, HELD_PLAIN, (leases,))
            self._database.run(COMPLETE_PLAIN, (leases, now))
        return ended_by_lease(rows)

    def _end(self, given: Sequence[tuple[Completion, str | None]]) -> dict[tuple[int, int], Row]:
        """End attempts with all that is to be decided of them, each with its result as JSON; return them by lease."""
        versions = self._versions_waited_for([completion for completion, _ in given])
        values = [self._values_of(completion, result_json, versions) for completion, result_json in given]
        return ended_by_lease(self._database.rows(COMPLETE, (encode_record(values), self._database.now)))

    def _values_of(self, completion: Completion, result_json: str | None, versions: dict[str, int]) -> list[Value]:
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
            self._database.now if run_at is None else run_at - max(0.0, completion.said_at - self._database.now),
            None if _is_parent(completion) else completion.waits_for,
            result_json,
            completion.own_step,
            int(_is_parent(completion)),
        ]

    def _versions_waited_for(self, completions: Sequence[Completion]) -> dict[str, int]:
        names = sorted({completion.waits_for for completion in completions if completion.waits_for is not None})
        if not names:
            return {}
        rows = self._database.rows(
            "SELECT auth_id, put_version FROM credential WHERE auth_id IN (SELECT value FROM json_each(?))",
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
        self._attempts.keep_errors(
            [(one.job_id, ended.attempts, one.error) for one, ended in kept if one.error and not _is_refunded(one)]
        )
        self._logs.add([entry for completion, _ in kept for entry in completion.logs])


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


def _is_parent(completion: Completion) -> bool:
    """Whether the job has children now, or at least its own step after them."""
    return bool(completion.children) or completion.own_step is not OwnStep.NONE


def _is_refunded(completion: Completion) -> bool:
    """Whether the attempt does not count: one that waits for a credential never does (I5)."""
    return not completion.counts or completion.state is State.WAITING
