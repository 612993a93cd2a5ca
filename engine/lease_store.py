"""Owns leases: how long they last, how they are given back, and what ends when nobody does either.

Holds I3 (a job has one lease, and its token only grows), I4 (a stale token changes nothing) and I5 (an attempt that
does not count is given back). All methods run inside the store's group.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .attempt_store import ENDED_COLUMNS, AttemptStore
from .changes import Changes
from .crawl_jobs import PAGE
from .database import Database, Row
from .job_rows import MOVED_COLUMNS, json_of, moves_from
from .records import JobError, LeaseRef, State

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


class LeaseStore:
    """The leases of the store."""

    def __init__(self, database: Database, changes: Changes, attempts: AttemptStore) -> None:
        self._database = database
        self._changes = changes
        self._attempts = attempts
        self._lead = database.clock_lead  # of the clock, that the leases are written by
        self._followed: tuple[list[Row], float] | None = None  # the last jump's number, and the lead after it

    def follow_clock(self) -> None:
        """Let leases last as long as time passes, wherever the clock was set to since the last group, or slept through.

        What is to be tried again comes so soon, too, when the clock was set back. First in each group.
        """
        self._take_up_followed()
        jumped_s = self._database.clock_lead - self._lead
        if abs(jumped_s) <= LEAST_JUMP_S:
            return
        number = self._database.rows("UPDATE engine SET clock_jumps = clock_jumps + 1 RETURNING clock_jumps")
        self._followed = number, self._database.clock_lead
        self._database.run("UPDATE job SET lease_until = lease_until + ? WHERE state = 1", (jumped_s,))
        if jumped_s < 0.0:
            self._database.run(
                "UPDATE job SET run_at = run_at + ? WHERE state = 0 AND is_due = 0 AND started_at IS NOT NULL",
                (jumped_s,),
            )

    def _take_up_followed(self) -> None:
        """Go by the last jump that was followed if that is in the file: its group may be undone, or be in doubt."""
        if self._followed is not None:
            number, lead = self._followed
            if self._database.rows("SELECT clock_jumps FROM engine") == number:
                self._lead = lead
            self._followed = None

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

    def not_held(self, leases: Sequence[LeaseRef]) -> list[int]:
        """Return the jobs of those of *leases* that are over."""
        rows = self._database.rows(
            "SELECT job.id, token FROM json_each(?) AS asked CROSS JOIN job ON job.id = asked.value ->> 0"
            " WHERE token = asked.value ->> 1 AND state = 1",
            (msgspec.json.encode([[lease.job_id, lease.token] for lease in leases]).decode(),),
        )
        return refused(leases, rows)

    def take_over(self) -> int:
        """Put back every job that a former owner of the database was running when its program ended; return how many.

        That says little about the jobs in it, so their attempts do not count, until a job has been running at
        ``ENDS_FORGIVEN`` such ends: it may be what ended the program, and is not to do so for ever.
        """
        rows = self._database.rows(TAKE_OVER, (self._database.now, json_of(PROGRAM_ENDED), ENDS_FORGIVEN))
        self._attempts.note([row[:-1] for row in rows])
        self._attempts.keep_errors([(row[0], row[6] + row[-1], PROGRAM_ENDED) for row in rows if row[3] != PAGE])
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
        now = self._database.now
        rows = self._database.rows(
            "UPDATE job SET state = iif(attempts < max_attempts, 0, 4), is_due = 1, lease_until = NULL, run_at = ?1,"
            " finished_at = iif(attempts < max_attempts, NULL, ?1), error_json = ?2"
            f" WHERE state = 1 AND lease_until <= ?1 RETURNING {ENDED_COLUMNS}",
            (now, json_of(LEASE_EXPIRED)),
        )
        self._attempts.note(rows)
        self._changes.lost_leases.update(row[0] for row in rows)
        self._attempts.keep_errors([(row[0], row[6], LEASE_EXPIRED) for row in rows])
        return len(rows)

    def next_wake(self) -> float | None:
        """Return when the next job falls due or lease ends, in seconds since the epoch, or None."""
        row = self._database.row(
            "SELECT min(at) FROM (SELECT min(run_at) AS at FROM job WHERE state = 0 AND is_due = 0"
            " UNION ALL SELECT min(lease_until) FROM job WHERE state = 1"
            " UNION ALL SELECT min(deadline_at) FROM job WHERE deadline_at IS NOT NULL AND state < 3)"
        )
        return None if row is None else row[0]

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


def refused(leases: Sequence[LeaseRef], rows: Sequence[Row]) -> list[int]:
    """Return the jobs of those of *leases* that are not among *rows*, which end with the token."""
    kept = {(row[0], row[-1]) for row in rows}
    return [lease.job_id for lease in leases if (lease.job_id, lease.token) not in kept]
