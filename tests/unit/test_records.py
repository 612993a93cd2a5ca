"""The table of transitions and the records built on it."""

import pytest

from bequest.engine.records import FINAL_STATES, STATES, TRANSITIONS, Counts, State


@pytest.mark.parametrize("state", STATES)
def test_transitions_leave_no_final_state(state: State) -> None:
    """Final states absorb: the table lets nothing leave them, and every other state has a way out."""
    exits = TRANSITIONS[state]

    assert bool(exits) != (state in FINAL_STATES)


def test_counts_stalled_only_when_all_unfinished_children_wait() -> None:
    """A run is stalled when something waits and nothing is due or running."""
    assert Counts(waiting=2, completed=3).is_stalled
    assert not Counts(waiting=2, pending=1).is_stalled
    assert not Counts(waiting=2, running=1).is_stalled
    assert not Counts(completed=3).is_stalled
