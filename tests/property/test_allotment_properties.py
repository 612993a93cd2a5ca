"""Properties of the division of a claim, against the same division made one place at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bequest.engine.allotment import Claimable, allot

few = st.integers(0, 6)
offers_of = st.lists(st.tuples(few, few, st.none() | st.integers(1, 6)), max_size=5).map(
    lambda rows: [Claimable(index, *row) for index, row in enumerate(rows)]
)
limits = st.integers(0, 20)


def one_by_one(offers: list[Claimable], limit: int) -> dict[int, int]:
    """Give each place to the parent that then runs the fewest, looking at all of them each time."""
    shares = {offer.parent_id: 0 for offer in offers}
    for _ in range(limit):
        able = [
            (offer.running + shares[offer.parent_id], offer.parent_id)
            for offer in offers
            if shares[offer.parent_id] < offer.pending
            and (offer.concurrency is None or offer.running + shares[offer.parent_id] < offer.concurrency)
        ]
        if not able:
            break
        shares[min(able)[1]] += 1
    return {parent_id: share for parent_id, share in shares.items() if share}


@given(offers=offers_of, limit=limits)
def test_division_is_that_of_one_place_at_a_time(offers: list[Claimable], limit: int) -> None:
    """However many places are given at once, the shares are those of giving them singly."""
    assert dict(allot(offers, limit)) == one_by_one(offers, limit)


@given(offers=offers_of, first=limits, second=limits)
def test_division_in_two_steps_is_that_of_one(offers: list[Claimable], first: int, second: int) -> None:
    """Two claims after one another come to what one claim of both would have: no turn is lost between them."""
    shares = dict(allot(offers, first))
    left = [offer.after(shares.get(offer.parent_id, 0)) for offer in offers]
    for parent_id, share in allot(left, second):
        shares[parent_id] = shares.get(parent_id, 0) + share

    assert shares == one_by_one(offers, first + second)
