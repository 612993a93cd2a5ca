"""Owns the decision what a retry brings back: a plain function of a final job and all that is below it.

Brought back is what did not succeed, from below: first the jobs whose own work failed, then the parents above them.
Of a run with steps that is the first part alone that did not succeed; what comes after it is the run's to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .crawl_jobs import RUN
from .job_rows import NUMBER_OF
from .records import ON_FAILURE, OnFailure, State
from .steps import CRAWL

UNSUCCESSFUL = (NUMBER_OF[State.FAILED], NUMBER_OF[State.CANCELLED])
IGNORED = ON_FAILURE.index(OnFailure.IGNORE)


class TreeRow(NamedTuple):
    """What is looked at of a job that is final."""

    job_id: int
    parent_id: int | None
    queue: str
    kind: str
    state: int
    key: str | None
    own_step: int
    is_made_waiting: bool  # a parent from the start, with no handler to run first
    on_failure: int
    has_children: bool

    @property
    def goes_on_unsealed(self) -> bool:
        """Whether there may be more to spawn, once it waits again: the parts of a run, or the seeds of a crawl."""
        is_bare_crawl = self.kind == CRAWL and not self.has_children
        return self.is_made_waiting and not self.own_step and (self.kind == RUN or is_bare_crawl)


class Revival(NamedTuple):
    """What is brought back."""

    due: tuple[TreeRow, ...]  # claimable again, with all their attempts
    waiting: tuple[TreeRow, ...]  # parents that wait again, for what is due below them or for their judgement

    @property
    def size(self) -> int:
        """How many have something to be done again: what is due, and parents with nothing due below them."""
        above = {row.parent_id for row in (*self.due, *self.waiting)}
        return len(self.due) + sum(row.job_id not in above for row in self.waiting)


def revival_of(tree: Sequence[TreeRow], job_id: int) -> Revival:
    """Return what a retry of *job_id* brings back; *tree* is that job, which is final, and all below it."""
    due: list[TreeRow] = []
    waiting: list[TreeRow] = []
    above: set[int | None] = set()  # of what is brought back
    for row in sorted(_first_part(tree, job_id), reverse=True):  # children come after their parents, by id
        is_unsuccessful = row.state in UNSUCCESSFUL
        if row.job_id in above:
            waiting.append(row)
        elif not is_unsuccessful and row.job_id != job_id:
            continue
        elif row.own_step or not (row.has_children or row.is_made_waiting):
            due.append(row)
        elif is_unsuccessful:
            waiting.append(row)
        else:
            continue
        above.add(row.parent_id)
    return Revival(tuple(due), tuple(waiting))


def _first_part(tree: Sequence[TreeRow], job_id: int) -> Sequence[TreeRow]:
    """Return of a run with steps the run and its first part that did not succeed, where there is one; else all."""
    run = next(row for row in tree if row.job_id == job_id)
    parts = [row for row in tree if row.parent_id == job_id and row.state in UNSUCCESSFUL]
    if run.kind != RUN or not parts:
        return tree
    first = min(parts, key=lambda row: (row.on_failure == IGNORED, row.job_id))
    kept = {job_id, first.job_id}
    for row in sorted(tree):
        if row.parent_id in kept and row.parent_id != job_id:
            kept.add(row.job_id)
    return [row for row in tree if row.job_id in kept]
