"""Tests of how many jobs are leased ahead, and reported together, by how long they take."""

from __future__ import annotations

import pytest

from bequest.actors.pace import BATCH_S, MOST, QUICK_S, Pace


def paced(**seconds: float) -> Pace:
    """Return a pace that has seen one job of each kind."""
    pace = Pace()
    for kind, took_s in seconds.items():
        pace.note(kind, took_s)
    return pace


def test_nothing_is_leased_ahead_of_what_is_not_known() -> None:
    """Before a job has ended nobody knows whether the next one is quick."""
    pace = Pace()

    assert (pace.ahead(), pace.is_quick("mail")) == (0, False)


def test_nothing_is_leased_ahead_where_one_kind_is_slow() -> None:
    """A quick job that is leased ahead would wait behind a slow one."""
    pace = paced(quick=0.0, slow=QUICK_S)

    assert (pace.ahead(), pace.is_quick("quick"), pace.is_quick("slow")) == (0, True, False)


@pytest.mark.parametrize("took_s", [0.0, 0.00001, 0.0003, 0.0009])
def test_what_is_leased_ahead_is_a_moments_work(took_s: float) -> None:
    """A batch takes no longer than it may, and two of them are ahead: one to run while the other is reported."""
    pace = paced(quick=took_s)

    ahead = pace.ahead()

    assert ahead == 2 * pace.batch
    assert 0 < pace.batch <= MOST
    assert pace.batch * took_s <= BATCH_S


def test_pace_follows_what_changes() -> None:
    """A kind that was quick and is slow now is leased one by one after a few."""
    pace = paced(quick=0.0)

    for _ in range(5):
        pace.note("quick", 0.1)

    assert pace.ahead() == 0


def test_quick_jobs_are_shared_among_few_threads() -> None:
    """Threads take turns with the interpreter, so a moment's work is for one; what may be slow is for all."""
    assert paced(quick=0.000_01).threads(256) == 1
    assert 1 < paced(quick=0.000_9).threads(64) < 64
    assert paced(quick=0.0, slow=QUICK_S).threads(64) == 64
    assert Pace().threads(3) == 3
    assert paced(quick=0.0).threads(0) == 0
