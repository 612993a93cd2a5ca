"""Owns how the stored credentials pass to the newest key, in one transaction, and the file is cleared of former seals.

Killed at any point it leaves credentials that the key with its former ones opens, all sealed by one or all by the
other; done again it goes on from there.
"""

from __future__ import annotations

import logging

from ..engine.errors import CredentialError
from ..engine.records import Record, SealedCredential
from ..engine.vault import Vault
from .address import Address
from .rotation_messages import ListSealedByOthers, ResealCredentials, Scrub

logger = logging.getLogger(__name__)

TRIES = 5  # each is in vain only when somebody puts a credential meanwhile
SCRUB_TIMEOUT_S = 3600.0


class Rotation(Record, frozen=True, kw_only=True):
    """What a rotation came to."""

    key_id: str  # that all credentials are sealed with now
    resealed: int  # how many were not before
    is_scrubbed: bool  # False: a former seal may stay in the WAL until whoever reads an older state of it ends


def rotate(manager: Address, vault: Vault) -> Rotation:
    """Seal with the vault's newest key whatever another has sealed, and clear the file of what was there before."""
    resealed = _reseal(manager, vault)
    is_scrubbed: bool = manager.ask(Scrub(), timeout_s=SCRUB_TIMEOUT_S)
    logger.info("credentials sealed anew", extra={"key_id": vault.key_id, "resealed": resealed})
    return Rotation(key_id=vault.key_id, resealed=resealed, is_scrubbed=is_scrubbed)


def _reseal(manager: Address, vault: Vault) -> int:
    tries_left = TRIES
    while True:
        former: list[SealedCredential] = manager.ask(ListSealedByOthers(key_id=vault.key_id))
        sealed = tuple(vault.seal(vault.open(one), version=one.version + 1, now=one.updated_at) for one in former)
        try:
            manager.ask(ResealCredentials(credentials=sealed))
        except CredentialError:
            tries_left -= 1
            if not tries_left:
                raise
        else:
            return len(sealed)
