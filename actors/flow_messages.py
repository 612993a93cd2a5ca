"""Owns flows as a caller writes them: a job with children, which may have children, made in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..engine.errors import InvalidJobError
from ..engine.records import NewJob, OnFailure, OwnStep, Record, State
from ..engine.store import Store
from .kinds import Kind, as_kind
from .messages import Request


class Child(Record, frozen=True, kw_only=True):
    """A job that is to be the child of another; made by ``child``."""

    job: NewJob
    children: tuple[Child, ...] = ()


def child(
    kind: Kind[Any, Any],
    config: Any = None,
    *,
    on_failure: OnFailure | str = OnFailure.COUNT,
    children: Sequence[Child] = (),
    **options: Any,
) -> Child:
    """Return a child for ``Engine.enqueue(..., children=[...])``, perhaps with children of its own.

    *on_failure* says what its failure does to its parent; the options are those of ``Engine.enqueue`` but for
    ``delay_s``. Raises ``InvalidJobError``.
    """
    job = as_kind(kind).new_job(config, on_failure=on_failure, **options)
    below = checked_children(children)
    if below:
        job = msgspec.structs.replace(job, state=State.WAITING, own_step=OwnStep.AFTER_CHILDREN)
    return Child(job=job, children=below)


def checked_children(children: Sequence[Child]) -> tuple[Child, ...]:
    """Return *children*; raises ``InvalidJobError`` for what ``child`` has not made."""
    if not isinstance(children, Sequence):
        raise InvalidJobError(f"children are a list, found a {type(children).__name__}; make each with child(...)")
    for one in children:
        if not isinstance(one, Child):
            raise InvalidJobError(f"a child is made by child(...), found a {type(one).__name__}")
    return tuple(children)


class CreateFlow(Request, frozen=True, kw_only=True):
    """Make a waiting job with its children, sealed; reply its id. Under a key that is taken nothing is made."""

    job: NewJob
    children: tuple[Child, ...]

    def apply(self, store: Store) -> int:
        """Make all of it."""
        (created,) = store.jobs.create([self.job])
        if created.is_new:
            spawn_all(store, created.job_id, self.children)
        return created.job_id


def spawn_all(store: Store, parent_id: int, children: Sequence[Child]) -> None:
    """Make *children* and theirs below a waiting parent, and seal it."""
    ids = store.parents.spawn(parent_id, [one.job for one in children], seal=True)
    for one, job_id in zip(children, ids, strict=True):
        if one.children and job_id is not None:
            spawn_all(store, job_id, one.children)
