"""What a retry brings back: a plain function of a job and all below it."""

from __future__ import annotations

import pytest

from bequest.engine.job_rows import NUMBER_OF
from bequest.engine.records import ON_FAILURE, OnFailure, OwnStep, State
from bequest.engine.revivals import TreeRow, revival_of

DONE, FAILED, CANCELLED = State.COMPLETED, State.FAILED, State.CANCELLED
NONE, AFTER, RELEASED, STEP_DONE = OwnStep


class Tree:
    """Jobs below one another, as rows."""

    def __init__(self) -> None:
        self.rows: list[TreeRow] = []

    def add(
        self,
        state: State,
        parent_id: int | None = None,
        *,
        own_step: OwnStep = NONE,
        made_waiting: bool = False,
        kind: str = "work",
        on_failure: OnFailure = OnFailure.COUNT,
    ) -> int:
        """Add a job and return its id."""
        job_id = len(self.rows) + 1
        if parent_id is not None:
            self.rows[parent_id - 1] = self.rows[parent_id - 1]._replace(has_children=True)
        number = ON_FAILURE.index(on_failure)
        row = TreeRow(job_id, parent_id, "q", kind, NUMBER_OF[state], None, own_step, made_waiting, number, False)
        self.rows.append(row)
        return job_id

    def retried(self, job_id: int = 1) -> tuple[list[int], list[int], int]:
        """Return what is due again, what waits again, and how many have something to do."""
        revival = revival_of(self.rows, job_id)
        ids = [sorted(row.job_id for row in rows) for rows in revival]
        return ids[0], ids[1], revival.size


@pytest.fixture
def tree() -> Tree:
    """Give an empty tree."""
    return Tree()


@pytest.mark.parametrize("state", [DONE, FAILED, CANCELLED])
def test_job_without_children_is_due_again(tree: Tree, state: State) -> None:
    """However it ended: it was asked for."""
    tree.add(state)

    assert tree.retried() == ([1], [], 1)


def test_failed_children_are_due_and_their_parents_wait(tree: Tree) -> None:
    """At any depth; what succeeded is left alone."""
    root = tree.add(FAILED, made_waiting=True)
    tree.add(DONE, root)
    middle = tree.add(DONE, root, made_waiting=True)  # it tolerated the failure
    leaf = tree.add(FAILED, middle)
    cancelled = tree.add(CANCELLED, root)

    assert tree.retried() == ([leaf, cancelled], [root, middle], 2)


def test_parent_that_succeeded_with_all_below_it_has_nothing_to_retry(tree: Tree) -> None:
    """A parent without a step of its own does nothing by itself."""
    root = tree.add(DONE, made_waiting=True)
    tree.add(DONE, root)

    assert tree.retried() == ([], [], 0)


@pytest.mark.parametrize("state", [DONE, FAILED, CANCELLED])
def test_parent_takes_its_own_step_again_where_nothing_below_failed(tree: Tree, state: State) -> None:
    """Also when it succeeded: it was asked for."""
    root = tree.add(state, made_waiting=True, own_step=STEP_DONE if state is DONE else RELEASED)
    tree.add(DONE, root)

    assert tree.retried() == ([root], [], 1)


def test_parent_cancelled_before_its_own_step_takes_it_where_nothing_below_failed(tree: Tree) -> None:
    """Its children ended well, so its step is due."""
    root = tree.add(CANCELLED, made_waiting=True, own_step=AFTER)
    tree.add(DONE, root)

    assert tree.retried() == ([root], [], 1)


def test_own_step_that_failed_below_is_due_again(tree: Tree) -> None:
    """A parent in the middle is brought back as a leaf is."""
    root = tree.add(FAILED, made_waiting=True, own_step=AFTER)
    middle = tree.add(FAILED, root, own_step=RELEASED)
    tree.add(DONE, middle)

    assert tree.retried() == ([middle], [root], 1)


def test_own_step_waits_for_children_that_failed(tree: Tree) -> None:
    """First they are done again."""
    root = tree.add(FAILED, made_waiting=True, own_step=RELEASED)
    leaf = tree.add(FAILED, root)

    assert tree.retried() == ([leaf], [root], 1)


@pytest.mark.parametrize("state", [FAILED, CANCELLED])
def test_parent_that_ended_badly_above_children_that_did_not_waits_to_be_judged(tree: Tree, state: State) -> None:
    """Such as one whose time was over, or that was cancelled, just when its last child had ended."""
    root = tree.add(state, made_waiting=True)
    tree.add(DONE, root)

    assert tree.retried() == ([], [root], 1)


def test_parent_made_without_children_that_was_cancelled_waits_again(tree: Tree) -> None:
    """It has no handler to run."""
    tree.add(CANCELLED, made_waiting=True)

    assert tree.retried() == ([], [1], 1)


def test_successful_children_are_not_done_again(tree: Tree) -> None:
    """Only the job that is asked for itself may be."""
    root = tree.add(FAILED)
    tree.add(DONE, root)
    tree.add(DONE, root, own_step=STEP_DONE)
    leaf = tree.add(FAILED, root)

    assert tree.retried() == ([leaf], [root], 1)


# A run with steps


def test_run_brings_back_its_first_part_that_failed_alone(tree: Tree) -> None:
    """What came after it is the run's to do, in its order."""
    run = tree.add(FAILED, kind="run", made_waiting=True)
    tree.add(DONE, run)
    step = tree.add(FAILED, run, made_waiting=True)
    leaf = tree.add(FAILED, tree.add(DONE, step, made_waiting=True))
    tree.add(FAILED, run)  # a post-job

    assert tree.retried() == ([leaf], [run, step, 4], 1)


def test_run_brings_back_what_counts_before_what_was_let_pass(tree: Tree) -> None:
    """A step with on_error = "continue" did not end the run."""
    run = tree.add(FAILED, kind="run", made_waiting=True)
    tree.add(FAILED, run, on_failure=OnFailure.IGNORE)
    step = tree.add(FAILED, run)

    assert tree.retried() == ([step], [run], 1)


def test_run_that_succeeded_brings_back_the_step_that_was_let_pass(tree: Tree) -> None:
    """Where it is the only one that failed."""
    run = tree.add(DONE, kind="run", made_waiting=True)
    step = tree.add(FAILED, run, on_failure=OnFailure.IGNORE)

    assert tree.retried() == ([step], [run], 1)


def test_run_brings_back_pages_that_a_crawl_of_it_tolerated(tree: Tree) -> None:
    """Where all its parts succeeded."""
    run = tree.add(DONE, kind="run", made_waiting=True)
    crawl = tree.add(DONE, run, kind="crawl", made_waiting=True)
    page = tree.add(FAILED, crawl, kind="page")

    assert tree.retried() == ([page], [run, crawl], 1)


@pytest.mark.parametrize(
    ("kind", "has_children", "own_step", "made_waiting", "goes_on"),
    [
        ("run", True, NONE, True, True),
        ("run", False, NONE, True, True),
        ("crawl", False, NONE, True, True),  # cancelled before its seeds came
        ("crawl", True, NONE, True, False),
        ("work", False, NONE, True, False),
        ("run", False, AFTER, True, False),
        ("crawl", False, NONE, False, False),
    ],
)
def test_only_what_may_have_more_to_spawn_goes_on_unsealed(
    kind: str, has_children: bool, own_step: OwnStep, made_waiting: bool, goes_on: bool
) -> None:
    """A parent that nobody seals again would wait for ever."""
    row = TreeRow(1, None, "q", kind, NUMBER_OF[FAILED], None, own_step, made_waiting, 0, has_children)

    assert row.goes_on_unsealed is goes_on
