"""Owns the order of a run that has steps: which comes next, and when there is none; a plain function of their states.

The jobs of a run follow one another: first the pre-jobs, then the steps, each once the one before and all that it
spawned have ended. After a failure that ends the run the steps that are left are skipped; the post-jobs always run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .definitions import Definition
from .records import OnFailure, Record, State
from .steps import Step

RETRIES_USED = "step_retries"  # in the metadata of a step's job: how often its run has had it done again


class Part(NamedTuple):
    """One step of a run under the key of its job."""

    key: str
    step: Step
    is_last_rite: bool  # whether it runs also after a failure

    @property
    def on_failure(self) -> OnFailure:
        """What its failure does to the run."""
        return OnFailure.IGNORE if self.step.on_error == "continue" else OnFailure.COUNT


class StepState(Record, frozen=True, kw_only=True):
    """Where the job of a step stands."""

    job_id: int
    state: State
    retried: int  # how often the run has had it done again


class Spawn(NamedTuple):
    """Make the job of this part."""

    part: Part


class Again(NamedTuple):
    """Have a failed step done again."""

    job_id: int


class Seal(NamedTuple):
    """Nothing more comes."""


class Wait(NamedTuple):
    """A step has not ended."""

    part: Part
    job_id: int


Move = Spawn | Again | Seal | Wait


def parts_of(definition: Definition) -> tuple[Part, ...]:
    """Return all parts of a run, in their order."""
    return (
        *(Part(f"pre:{index}", step, False) for index, step in enumerate(definition.pre_jobs)),
        *(Part(f"step:{index}", step, False) for index, step in enumerate(definition.all_steps)),
        *(Part(f"post:{index}", step, True) for index, step in enumerate(definition.post_jobs)),
    )


def next_move(parts: tuple[Part, ...], states: Mapping[str, StepState]) -> Move:
    """Return what is to be done now; *states* are those of the jobs that there are, by key."""
    has_failed = False
    for part in parts:
        found = states.get(part.key)
        if found is None:
            if has_failed and not part.is_last_rite:
                continue
            return Spawn(part)
        if not found.state.is_final:
            return Wait(part, found.job_id)
        if found.state is State.FAILED and part.step.on_error == "retry" and found.retried < part.step.retries:
            return Again(found.job_id)
        has_failed = has_failed or (found.state is not State.COMPLETED and part.step.on_error != "continue")
    return Seal()
