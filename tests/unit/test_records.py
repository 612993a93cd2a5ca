"""The table of transitions and the records built on it."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from bequest.engine import records
from bequest.engine.records import FINAL_STATES, STATES, TRANSITIONS, Counts, NewJob, Record, State

RECORDS = [
    one for _, one in inspect.getmembers(records, inspect.isclass) if issubclass(one, Record) and one is not Record
]


@pytest.mark.parametrize("state", STATES)
def test_transitions_leave_no_final_state(state: State) -> None:
    """Final states absorb: nothing leaves them but a retry, and every other state has a way to an end (I2)."""
    exits = TRANSITIONS[state]

    if state in FINAL_STATES:
        assert dict(exits) == {State.PENDING: "retried", State.WAITING: "children retried"}
    else:
        assert State.CANCELLED in exits


@pytest.mark.parametrize("state", STATES)
def test_final_states_are_those_that_say_so(state: State) -> None:
    """A state knows whether it is final, and the final ones come last in the order that the database stores."""
    assert state.is_final == (state in FINAL_STATES) == (STATES.index(state) >= 3)


def test_transitions_lead_from_every_state_to_others() -> None:
    """Every state is in the table, none leads to itself, and each arrow says what causes it (I2)."""
    assert tuple(TRANSITIONS) == STATES
    for source, targets in TRANSITIONS.items():
        assert source not in targets
        assert all(targets.values())


def test_transitions_cannot_be_changed() -> None:
    """The table is the same for everybody at all times."""
    with pytest.raises(TypeError):
        TRANSITIONS[State.PENDING] = {}  # type: ignore[index]  # the checker sees it too


@pytest.mark.parametrize("record", RECORDS)
def test_record_is_frozen_named_and_closed(record: type[Record]) -> None:
    """No record changes, none is built by position, and none takes a field that it does not know."""
    config = record.__struct_config__

    assert (config.frozen, config.forbid_unknown_fields) == (True, True)
    assert not record.__match_args__


def test_record_refuses_an_unknown_field() -> None:
    """A misspelt field that was decoded is an error and no silence."""
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"kind": "page", "priorty": 1}, NewJob)


def test_counts_add_up() -> None:
    """All children are those that are final and those that are not."""
    counts = Counts(pending=1, running=2, waiting=4, completed=8, failed=16, cancelled=32)

    assert (counts.unfinished, counts.total) == (7, 63)


def test_counts_stalled_only_when_all_unfinished_children_wait() -> None:
    """A run is stalled when something waits and nothing is due or running."""
    assert Counts(waiting=2, completed=3).is_stalled
    assert not Counts(waiting=2, pending=1).is_stalled
    assert not Counts(waiting=2, running=1).is_stalled
    assert not Counts(completed=3).is_stalled
