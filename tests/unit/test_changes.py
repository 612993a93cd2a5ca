"""The note of what a group touched: nothing is forgotten before it is cleared."""

from __future__ import annotations

import math

from bequest.engine.changes import Changes, LoggedIn, Move

CHILD = Move(job_id=5, parent_id=1, queue="default", kind="page", old=0, new=1)
ROOT = Move(job_id=6, parent_id=None, queue="default", kind="page", old=1, new=3)


def test_changes_begin_with_nothing() -> None:
    """Nothing was touched, nothing is due, and there is no time to wake at."""
    changes = Changes()

    assert (changes.moves, changes.jobs, changes.parents, changes.lost_leases) == ([], set(), set(), set())
    assert (changes.has_due_work, changes.wake_at) == (False, math.inf)


def test_due_job_is_work_and_a_later_one_a_time_to_wake() -> None:
    """A job is claimable from its run_at on, that instant included; of later times the earliest counts."""
    changes = Changes()

    for run_at in (30.0, 20.0, 25.0):
        changes.note_due(run_at, now=10.0)
    before = changes.has_due_work, changes.wake_at
    changes.note_due(10.0, now=10.0)

    assert before == (False, 20.0)
    assert (changes.has_due_work, changes.wake_at) == (True, 20.0)


def test_moved_job_touches_its_parent() -> None:
    """A job without a parent touches itself alone, and the moves are kept in their order."""
    changes = Changes()

    changes.move([CHILD, ROOT])

    assert (changes.jobs, changes.parents) == ({5, 6}, {1})
    assert changes.moves == [CHILD, ROOT]


def test_moves_that_were_undone_are_forgotten() -> None:
    """What a message did that was undone alone is not told to anybody."""
    changes = Changes()
    changes.move([ROOT])
    before = changes.mark()

    changes.move([CHILD])
    changes.notices.append(LoggedIn("wiki", 2))
    changes.undo(before)

    assert changes.moves == [ROOT]
    assert changes.notices == []


def test_cleared_changes_are_as_new() -> None:
    """After a group nothing of it is left, and what was handed out is not emptied under its holder."""
    changes = Changes()
    changes.move([CHILD])
    changes.note_due(1.0, now=1.0)
    changes.note_due(9.0, now=1.0)
    handed_out = changes.moves

    changes.clear()

    assert (changes.moves, changes.jobs, changes.parents) == ([], set(), set())
    assert (changes.has_due_work, changes.wake_at) == (False, math.inf)
    assert handed_out == [CHILD]
