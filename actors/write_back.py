"""Owns the way of a session that its site has changed back to its row, sealed for the version that comes next.

A row that another write has moved on is sealed for anew; the store says which of two states is to stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from ..engine.credentials import Credential
from ..engine.records import Kept, SealedCredential
from ..engine.vault import Vault
from .address import Address
from .credential_messages import GetCredentialVersion, RefreshCredential

MAX_TRIES = 20  # each is lost to another write of the same row

Seal = Callable[[Credential, int, float], SealedCredential]  # of a credential, for a version, at a time
OpenSeal = Callable[[SealedCredential], Credential]


class WriteBack:
    """Writes refreshed sessions, on the loop that calls it."""

    def __init__(self, manager: Address, seal: Seal) -> None:
        self._manager = manager
        self._seal = seal

    async def write(self, credential: Credential, *, put_version: int, at: float) -> Kept:
        """Write the state that the session which was put as *put_version* had at *at*; durable on return."""
        for _ in range(MAX_TRIES):
            version: int = await self._manager.ask_async(GetCredentialVersion(auth_id=credential.auth_id))
            sealed = msgspec.structs.replace(self._seal(credential, version + 1, at), put_version=put_version)
            kept: Kept = await self._manager.ask_async(RefreshCredential(sealed=sealed))
            if kept is not Kept.OUT_OF_STEP:
                return kept
        return Kept.OUT_OF_STEP


class Seals(NamedTuple):
    """What the browser can do with what is sealed."""

    open: OpenSeal
    write_back: WriteBack | None = None  # None: what sites make of their sessions is not kept


def seals_of(manager: Address, vault: Callable[[], Vault]) -> Seals:
    """Return what the browser of an engine can do: the key is asked for anew each time."""

    def seal(credential: Credential, version: int, at: float) -> SealedCredential:
        return vault().seal(credential, version=version, now=at)

    return Seals(lambda sealed: vault().open(sealed), WriteBack(manager, seal))
