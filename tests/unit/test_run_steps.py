"""The order of a run with steps: pre-jobs, steps, post-jobs; each after the one before, the last ones always."""

from __future__ import annotations

import pytest

from bequest import Definition
from bequest.engine.records import OnFailure, State
from bequest.engine.run_steps import Again, Move, Part, Seal, Spawn, StepState, Wait, next_move, parts_of
from bequest.engine.steps import OnError, Step

DONE, FAILED, CANCELLED, RUNNING = State.COMPLETED, State.FAILED, State.CANCELLED, State.RUNNING
KEYS = ("pre:0", "step:0", "step:1", "post:0")
PRE, FIRST, SECOND, POST = KEYS


def parts(on_error: OnError = "fail", retries: int = 1) -> tuple[Part, ...]:
    """Return a run of four parts, whose first step has that policy."""
    return parts_of(
        Definition.crawl(
            "d",
            pre_jobs=[{"kind": "a"}],
            steps=[Step(kind="b", on_error=on_error, retries=retries), {"kind": "c"}],
            post_jobs=[{"kind": "d"}],
        )
    )


def move(*states: State | tuple[State, int] | None, on_error: OnError = "fail", retries: int = 1) -> Move:
    """Return what comes next where the parts, in their order, stand so; None is one that there is not."""
    found = {}
    for number, (key, given) in enumerate(zip(KEYS, states, strict=False)):
        if given is not None:
            state, retried = given if isinstance(given, tuple) else (given, 0)
            found[key] = StepState(job_id=number, state=state, retried=retried)
    return next_move(parts(on_error, retries), found)


def spawned(found: Move) -> str:
    assert isinstance(found, Spawn)
    return found.part.key


def test_parts_of_a_run_are_in_order_under_keys_of_their_own() -> None:
    """Only the post-jobs run also after a failure."""
    assert [(part.key, part.step.kind, part.is_last_rite) for part in parts()] == [
        (PRE, "a", False),
        (FIRST, "b", False),
        (SECOND, "c", False),
        (POST, "d", True),
    ]


def test_crawl_with_jobs_around_it_is_one_step() -> None:
    """A definition with seeds and pre-jobs has its crawl as the only step."""
    made = parts_of(Definition.crawl("d", start_urls=["http://h/"], pre_jobs=[{"kind": "a"}]))

    assert [(part.key, part.step) for part in made] == [("pre:0", Step(kind="a")), ("step:0", Step(kind="crawl"))]


@pytest.mark.parametrize(("states", "key"), [((), PRE), ((DONE,), FIRST), ((DONE, DONE), SECOND), ((DONE,) * 3, POST)])
def test_part_is_made_once_the_one_before_it_has_ended(states: tuple[State, ...], key: str) -> None:
    """One after the other."""
    assert spawned(move(*states)) == key


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING, State.WAITING])
def test_part_that_has_not_ended_is_waited_for(state: State) -> None:
    """Also when it waits for what it spawned itself."""
    found = move(DONE, state)

    assert isinstance(found, Wait)
    assert (found.part.key, found.job_id) == (FIRST, 1)


def test_run_whose_parts_have_all_ended_gets_no_more() -> None:
    """Then its parent is judged."""
    assert move(DONE, DONE, DONE, DONE) == Seal()


@pytest.mark.parametrize("state", [FAILED, CANCELLED])
def test_failure_skips_the_steps_that_are_left_and_not_the_last_rites(state: State) -> None:
    """A step that was cancelled by itself ends the run as one that failed does."""
    assert spawned(move(DONE, state)) == POST
    assert spawned(move(state)) == POST
    assert move(DONE, state, None, DONE) == Seal()


@pytest.mark.parametrize("state", [FAILED, CANCELLED])
def test_failure_that_is_let_pass_skips_nothing(state: State) -> None:
    """With on_error = "continue" the next step comes."""
    assert spawned(move(DONE, state, on_error="continue")) == SECOND


@pytest.mark.parametrize("retried", [0, 1])
def test_failed_step_is_done_again_as_often_as_it_says(retried: int) -> None:
    """Before anything else comes."""
    assert move(DONE, (FAILED, retried), on_error="retry", retries=2) == Again(1)


def test_step_that_failed_again_ends_the_run() -> None:
    """Once it was done again as often as it says."""
    assert spawned(move(DONE, (FAILED, 2), on_error="retry", retries=2)) == POST


def test_step_that_was_done_again_and_succeeded_lets_the_run_go_on() -> None:
    """How often it took does not matter."""
    assert spawned(move(DONE, (DONE, 2), on_error="retry", retries=2)) == SECOND


def test_cancelled_step_is_not_done_again() -> None:
    """Somebody wanted it to end."""
    assert spawned(move(DONE, CANCELLED, on_error="retry", retries=9)) == POST


def test_failed_last_rite_ends_no_other() -> None:
    """All post-jobs run, whatever becomes of the first."""
    both = parts_of(Definition.crawl("d", steps=[{"kind": "a"}], post_jobs=[{"kind": "b"}, {"kind": "c"}]))
    states = {
        "step:0": StepState(job_id=1, state=DONE, retried=0),
        "post:0": StepState(job_id=2, state=FAILED, retried=0),
    }

    assert spawned(next_move(both, states)) == "post:1"


def test_run_that_was_retried_goes_on_with_the_steps_that_were_skipped() -> None:
    """Once the failed step succeeds; the last rites that ran already do not run again."""
    assert spawned(move(DONE, DONE, None, DONE)) == SECOND
    assert move(DONE, DONE, DONE, DONE) == Seal()


@pytest.mark.parametrize(
    ("on_error", "on_failure"),
    [("fail", OnFailure.COUNT), ("retry", OnFailure.COUNT), ("continue", OnFailure.IGNORE)],
)
def test_failure_of_a_step_counts_against_its_run_unless_it_is_let_pass(
    on_error: OnError, on_failure: OnFailure
) -> None:
    """So that the run fails by its children as any parent does."""
    assert parts(on_error)[1].on_failure is on_failure
