"""The note of what a group touched: nothing is forgotten before it is cleared."""

from __future__ import annotations

import math

from bequest.engine.changes import Changes


def test_changes_begin_with_nothing() -> None:
    """Nothing was touched, nothing is due, and there is no time to wake at."""
    changes = Changes()

    assert (changes.touched, changes.has_due_work, changes.wake_at) == (set(), False, math.inf)


def test_due_job_is_work_and_a_later_one_a_time_to_wake() -> None:
    """A job is claimable from its run_at on, that instant included; of later times the earliest counts."""
    changes = Changes()

    for run_at in (30.0, 20.0, 25.0):
        changes.note_due(run_at, now=10.0)
    before = changes.has_due_work, changes.wake_at
    changes.note_due(10.0, now=10.0)

    assert before == (False, 20.0)
    assert (changes.has_due_work, changes.wake_at) == (True, 20.0)


def test_touched_job_touches_its_parent() -> None:
    """A job without a parent touches itself alone."""
    changes = Changes()

    changes.touch(5, 1)
    changes.touch(6, None)

    assert (changes.jobs, changes.parents, changes.touched) == ({5, 6}, {1}, {1, 5, 6})


def test_cleared_changes_are_as_new() -> None:
    """After a group nothing of it is left, and what was handed out is not emptied under its holder."""
    changes = Changes()
    changes.touch(5, 1)
    changes.note_due(1.0, now=1.0)
    changes.note_due(9.0, now=1.0)
    handed_out = changes.jobs

    changes.clear()

    assert (changes.touched, changes.has_due_work, changes.wake_at) == (set(), False, math.inf)
    assert handed_out == {5}
