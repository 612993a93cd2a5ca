"""The division of a claim between parents: fair, bounded by each one's concurrency, and wasting no place."""

from __future__ import annotations

import pytest

from bequest.engine.allotment import Claimable, allot


def offer(parent_id: int, pending: int, running: int = 0, concurrency: int | None = None) -> Claimable:
    return Claimable(parent_id, pending, running, concurrency)


@pytest.mark.parametrize(
    ("offers", "limit", "shares"),
    [
        ([], 5, []),
        ([offer(1, 9)], 0, []),
        ([offer(1, 9)], 4, [(1, 4)]),
        ([offer(1, 3)], 9, [(1, 3)]),
        ([offer(1, 9, concurrency=2)], 9, [(1, 2)]),
        ([offer(1, 9, running=2, concurrency=2)], 9, []),
        ([offer(1, 9, running=3, concurrency=2)], 9, []),  # a smaller concurrency than when they were claimed
        ([offer(1, 9), offer(2, 9)], 4, [(1, 2), (2, 2)]),
        ([offer(1, 9), offer(2, 9)], 5, [(1, 3), (2, 2)]),  # the older one has what is left over
        ([offer(1, 9, running=3), offer(2, 9)], 4, [(1, 1), (2, 3)]),
        ([offer(1, 9, running=5), offer(2, 9)], 4, [(2, 4)]),
        ([offer(1, 1), offer(2, 9)], 4, [(1, 1), (2, 3)]),
        ([offer(1, 9, concurrency=1), offer(2, 9), offer(3, 2)], 9, [(1, 1), (2, 6), (3, 2)]),
    ],
)
def test_places_are_divided(offers: list[Claimable], limit: int, shares: list[tuple[int, int]]) -> None:
    """Each place goes to the parent that would then run the fewest; none gets a share of nothing."""
    assert allot(offers, limit) == shares


def test_offer_shrinks_by_what_was_claimed() -> None:
    """What was claimed runs, and is no longer pending."""
    assert offer(1, 9, 2, 5).after(3) == offer(1, 6, 5, 5)
