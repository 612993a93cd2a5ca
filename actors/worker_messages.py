"""Owns what a worker is told."""

from __future__ import annotations

from ..engine.records import Record


class Beat:
    """Told when leases are to be renewed or a timeout may have passed."""


class KindsChanged:
    """Told when a kind was registered."""


class Drain:
    """Asked for before a stop: begin no job any more; answered once what had not begun is given back."""


class LeasesLost(Record, frozen=True, kw_only=True):
    """Told when jobs were cancelled or their leases have ended; a worker that has none of them ignores it."""

    job_ids: frozenset[int]
