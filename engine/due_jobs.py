"""Owns the look at the due jobs of several lanes in one statement, and their order: lanes take turns, job by job.

What is claimed together is run in this order, so a lane with many quick jobs does not keep another waiting meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from .database import Database
from .limits import Lane

NOT_PAUSED = "AND id NOT IN (SELECT name + 0 FROM pause WHERE scope = 'run')"
# From the first job of each lane and kind that is asked for on to the next, by priority and age, up to the cap.
DUE_JOBS = """
    WITH RECURSIVE due (asked, cap, nth, id) AS (
        SELECT asked.key, asked.value ->> 3, 1, (
            SELECT id FROM job WHERE queue = ?1 AND kind = asked.value ->> 2 AND lane = asked.value ->> 0
            AND partition = asked.value ->> 1 AND state = 0 AND is_due = 1 {pauses} ORDER BY priority DESC, id LIMIT 1)
        FROM json_each(?2) AS asked
        UNION ALL
        SELECT asked, cap, nth + 1, coalesce(
            (SELECT id FROM job WHERE queue = ?1 AND kind = here.kind AND lane = here.lane
             AND partition = here.partition AND state = 0 AND is_due = 1 {pauses}
             AND priority = here.priority AND id > here.id ORDER BY id LIMIT 1),
            (SELECT id FROM job WHERE queue = ?1 AND kind = here.kind AND lane = here.lane
             AND partition = here.partition AND state = 0 AND is_due = 1 {pauses}
             AND priority < here.priority ORDER BY priority DESC, id LIMIT 1))
        FROM due CROSS JOIN job AS here ON here.id = due.id WHERE nth < cap
    )
    SELECT asked, job.priority, job.id FROM due CROSS JOIN job ON job.id = due.id
"""
DUE_AT_ALL = DUE_JOBS.format(pauses="")
DUE_UNPAUSED = DUE_JOBS.format(pauses=NOT_PAUSED)


class DueJob(NamedTuple):
    """A job that may be claimed as far as its own row goes."""

    lane: Lane
    kind: str
    job_id: int


def due_jobs(
    database: Database, queue: str, asked: Sequence[tuple[Lane, str, int]], *, has_pauses: bool
) -> dict[Lane, list[DueJob]]:
    """Return the due jobs of lanes, those to be claimed first before the others; *asked* caps each kind in a lane."""
    values = msgspec.json.encode([(*lane, kind, cap) for lane, kind, cap in asked]).decode()
    rows = database.rows(DUE_UNPAUSED if has_pauses else DUE_AT_ALL, (queue, values))
    found: dict[Lane, list[DueJob]] = {}
    for index, _, job_id in sorted(rows, key=lambda row: (-row[1], row[2])):
        lane, kind, _ = asked[index]
        found.setdefault(lane, []).append(DueJob(lane, kind, job_id))
    return found


def in_turns(
    shares: Sequence[tuple[Lane, int]], due: Mapping[Lane, Sequence[DueJob]], may_start: Callable[[DueJob], bool]
) -> list[DueJob]:
    """Choose from each lane as many as its share of those that *may_start*, one from each lane in turn."""
    chosen: list[DueJob] = []
    lanes = [(share, iter(due.get(lane, ()))) for lane, share in shares]
    while lanes:
        left = []
        for share, jobs in lanes:
            job = next(filter(may_start, jobs), None)
            if job is not None:
                chosen.append(job)
                left.append((share - 1, jobs))
        lanes = [one for one in left if one[0] > 0]
    return chosen
