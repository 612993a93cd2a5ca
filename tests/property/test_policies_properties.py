"""Properties of the decisions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bequest.engine.policies import ParentMove, backoff_s, judge_parent, restart_delay_s, retry_at
from bequest.engine.records import Counts

attempts = st.integers(1, 10**6)
jitters = st.floats(0, 1, exclude_max=True)
shares = st.floats(0, 1)
few = st.integers(0, 50)
finished = st.builds(Counts, completed=few, failed=few, cancelled=few)
any_counts = st.builds(Counts, pending=few, running=few, waiting=few, completed=few, failed=few, cancelled=few)


@given(attempt=attempts, base_s=st.floats(0.001, 1e6), cap_s=st.floats(0.001, 1e6), jitter=jitters)
def test_backoff_is_between_half_of_the_doubled_base_and_its_cap(
    attempt: int, base_s: float, cap_s: float, jitter: float
) -> None:
    """The wait is above zero, at most the cap, and at least half of what doubling or the cap gives."""
    wait = backoff_s(attempt, base_s=base_s, cap_s=cap_s, jitter=jitter)

    assert 0 < min(base_s, cap_s) / 2 <= wait <= cap_s


@given(attempt=attempts)
def test_backoff_without_jitter_never_shrinks(attempt: int) -> None:
    """One attempt more never waits less."""
    assert backoff_s(attempt, jitter=0) <= backoff_s(attempt + 1, jitter=0)


@given(now=st.floats(0, 1e11), attempt=attempts, jitter=jitters)
def test_retry_never_precedes_now(now: float, attempt: int, jitter: float) -> None:
    """The next try lies after now, by a minute at most."""
    assert now < retry_at(now, attempt, jitter=jitter) <= now + 60


@given(failures=attempts)
def test_restart_delay_never_shrinks_and_is_bounded(failures: int) -> None:
    """One failure more never waits less, and nothing waits above half a minute."""
    assert 0 < restart_delay_s(failures) <= restart_delay_s(failures + 1) <= 30


@given(counts=any_counts, max_failures=st.none() | shares | few, has_own_step=st.booleans())
def test_parent_ends_well_only_when_all_children_are_final(
    counts: Counts, max_failures: float | None, has_own_step: bool
) -> None:
    """No parent completes above an unfinished child, and one whose children have all ended is always judged (I9)."""
    move = judge_parent(counts, max_failures=max_failures, has_own_step=has_own_step)

    assert move is not ParentMove.COMPLETE or counts.unfinished == 0
    assert move is not None or counts.unfinished > 0
    assert move is not ParentMove.OWN_STEP or has_own_step


@given(counts=finished, strict=shares, lax=shares)
def test_more_tolerance_never_fails_a_parent_that_completed(counts: Counts, strict: float, lax: float) -> None:
    """What completes under one share completes under any larger one."""
    strict, lax = sorted((strict, lax))

    moves = [judge_parent(counts, max_failures=share) for share in (strict, lax)]

    assert moves != [ParentMove.COMPLETE, ParentMove.FAIL]


@given(failed=few, total=st.integers(1, 50))
def test_a_share_of_failures_equal_to_the_tolerance_does_not_pass_it(failed: int, total: int) -> None:
    """A parent with exactly the tolerated share of failures completes, unless all failed."""
    failed = min(failed, total - 1)
    counts = Counts(failed=failed, completed=total - failed)

    assert judge_parent(counts, max_failures=failed / total) is ParentMove.COMPLETE
