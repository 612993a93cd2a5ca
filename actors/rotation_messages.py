"""Owns what the manager is asked when the credentials pass from one key to another."""

from __future__ import annotations

from typing import ClassVar

from ..engine.records import SealedCredential
from ..engine.store import Store
from .messages import Footing, Request


class ListSealedByOthers(Request, frozen=True, kw_only=True):
    """Reply the ``SealedCredential`` records that another key than that has sealed."""

    key_id: str

    def apply(self, store: Store) -> list[SealedCredential]:
        """Read them."""
        return store.rotation.sealed_by_others(self.key_id)


class ResealCredentials(Request, frozen=True, kw_only=True):
    """Put new seals in the place of older ones, all or none (I12)."""

    credentials: tuple[SealedCredential, ...]

    def apply(self, store: Store) -> None:
        """Put them."""
        store.rotation.reseal(self.credentials)


class Scrub(Request, frozen=True, kw_only=True):
    """Write the file anew, so that nothing former is left in it; reply whether nothing is left in the WAL either."""

    footing: ClassVar[Footing] = Footing.NONE

    def apply(self, store: Store) -> bool:
        """Write it."""
        return store.rotation.scrub()
