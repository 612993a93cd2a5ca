"""Owns how a step of a definition becomes a job: a crawl's parent, or a job of a kind that is registered."""

from __future__ import annotations

import msgspec

from ..engine.crawl_jobs import parent_job
from ..engine.definitions import Definition
from ..engine.errors import InvalidJobError
from ..engine.records import KeyScope, NewJob
from ..engine.run_steps import Part, parts_of
from ..engine.steps import CRAWL
from .kinds import Kinds


def step_job(part: Part, definition: Definition, kinds: Kinds) -> NewJob:
    """Return the job of one step; raises ``InvalidJobError`` for a kind or a config that is wrong."""
    if part.step.kind == CRAWL:
        job = parent_job(definition.of_step(part.step, part.key), key=None)
    else:
        kind = kinds.get(part.step.kind)
        if kind.config_type is None and part.step.config:
            raise InvalidJobError(
                f"step {part.key} of {definition.name!r}: kind {kind.name!r} takes no config, found one"
            )
        job = kind.new_job(kind.read(part.step.config) if kind.config_type else None)
    return msgspec.structs.replace(job, key=part.key, key_scope=KeyScope.FOREVER, on_failure=part.on_failure)


def check_steps(definition: Definition, kinds: Kinds) -> None:
    """Raise ``InvalidJobError`` for a step whose kind is not registered or whose config is not of its type."""
    for part in () if definition.is_one_crawl else parts_of(definition):
        if part.step.kind != CRAWL:
            step_job(part, definition, kinds)
