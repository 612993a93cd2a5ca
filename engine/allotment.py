"""Owns the fair division of a claim between parents whose children are due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Claimable(NamedTuple):
    """A parent with children that are due."""

    parent_id: int
    pending: int  # those that are not due yet among them
    running: int
    concurrency: int | None  # at most so many of its children may run at once

    def after(self, claimed: int) -> Claimable:
        """Return what is left once so many of its children were claimed."""
        return self._replace(pending=self.pending - claimed, running=self.running + claimed)


def allot(offers: Sequence[Claimable], limit: int) -> list[tuple[int, int]]:
    """Divide *limit* places: one by one, each to the parent that would then run the fewest children.

    Return parent ids with their shares, none of them 0. A share may be more than what is due at the moment.
    """
    shares = dict.fromkeys((offer.parent_id for offer in offers), 0)
    open_offers = [offer for offer in offers if _room(offer, 0)]
    while limit > 0 and open_offers:
        chosen = min(open_offers, key=lambda offer: (offer.running + shares[offer.parent_id], offer.parent_id))
        given = min(limit, _room(chosen, shares[chosen.parent_id])) if len(open_offers) == 1 else 1
        shares[chosen.parent_id] += given
        limit -= given
        open_offers = [offer for offer in open_offers if _room(offer, shares[offer.parent_id])]
    return [(parent_id, share) for parent_id, share in shares.items() if share]


def _room(offer: Claimable, share: int) -> int:
    allowed = offer.pending if offer.concurrency is None else min(offer.pending, offer.concurrency - offer.running)
    return max(0, allowed - share)
