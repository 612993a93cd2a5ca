"""Owns the picture of a run: its state, what its children came to, and whether it is stalled."""

from __future__ import annotations

from .crawl_jobs import RUN
from .queries import JobView
from .records import Counts, JobError, Progress, Record, State


class RunStatus(Record, frozen=True, kw_only=True):
    """Where a job with its children stands."""

    job_id: int
    state: State
    pages: Counts  # of a run with steps: its steps
    error: JobError | None = None
    progress: Progress | None = None
    is_stalled: bool = False  # whatever is unfinished below it waits for a credential
    has_steps: bool = False  # so that its children are steps, and its pages are theirs

    @property
    def is_settled(self) -> bool:
        """Whether it goes no further by itself."""
        return self.state.is_final or self.is_stalled


def status_of(view: JobView) -> RunStatus:
    """Return the picture of a job; only a parent to which no more children come is stalled, and a run with steps."""
    job = view.job
    return RunStatus(
        job_id=job.id,
        state=job.state,
        pages=view.children,
        error=job.error,
        progress=job.progress,
        has_steps=job.kind == RUN,
        is_stalled=(
            not job.state.is_final
            and (job.sealed or job.kind == RUN)
            and view.children.is_stalled
            and not view.goes_on_below
        ),
    )
