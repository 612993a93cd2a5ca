"""The picture of a run: when it goes no further by itself."""

from __future__ import annotations

import msgspec
import pytest
from job_record import job_record

from bequest.engine.queries import JobView
from bequest.engine.records import Counts, JobError, Progress, State
from bequest.engine.run_status import status_of

JOB = job_record(id=7, error=JobError(type="x", message="y"), progress=Progress(done=1))
STALLED = Counts(waiting=2, completed=1)


def view(children: Counts, *, state: State = State.WAITING, sealed: bool = True) -> JobView:
    return JobView(job=msgspec.structs.replace(JOB, state=state, sealed=sealed), children=children)


def test_status_says_what_the_row_says() -> None:
    """State, reason and progress are the job's, the pages its children."""
    status = status_of(view(Counts(pending=1)))

    assert (status.job_id, status.state, status.pages) == (7, State.WAITING, Counts(pending=1))
    assert (status.error, status.progress) == (JOB.error, JOB.progress)


@pytest.mark.parametrize(("kind", "has_steps"), [("run", True), ("crawl", False)])
def test_status_says_whether_children_are_steps(kind: str, has_steps: bool) -> None:
    """The children of a run with steps are those, and of a crawl its pages."""
    job = msgspec.structs.replace(JOB, kind=kind)

    assert status_of(JobView(job=job, children=Counts())).has_steps is has_steps


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
def test_final_run_is_settled_and_never_stalled(state: State) -> None:
    """What has ended goes no further, whatever its children say."""
    status = status_of(view(STALLED, state=state))

    assert (status.is_settled, status.is_stalled) == (True, False)


@pytest.mark.parametrize(
    ("children", "sealed", "is_stalled"),
    [
        (STALLED, True, True),
        (STALLED, False, False),  # more children may come
        (Counts(waiting=2, pending=1), True, False),
        (Counts(waiting=2, running=1), True, False),
        (Counts(completed=3), True, False),  # it is about to be judged
        (Counts(), True, False),
    ],
)
def test_run_is_stalled_when_all_that_is_unfinished_waits(children: Counts, sealed: bool, is_stalled: bool) -> None:
    """Only a sealed run whose every unfinished page waits for a credential goes no further by itself."""
    status = status_of(view(children, sealed=sealed))

    assert (status.is_stalled, status.is_settled) == (is_stalled, is_stalled)
