"""Owns what the manager is asked about credentials."""

from __future__ import annotations

from ..engine.records import CredentialEntry, Kept, SealedCredential
from ..engine.store import Store
from .messages import Request


class PutCredential(Request, frozen=True, kw_only=True):
    """Keep a sealed credential; what waited for it is due again in the same write; reply how many jobs."""

    sealed: SealedCredential

    def apply(self, store: Store) -> int:
        """Keep it."""
        return store.credentials.put(self.sealed)


class RefreshCredential(Request, frozen=True, kw_only=True):
    """Keep what a site has made of a session while it was used; reply what became of it, a ``Kept``."""

    sealed: SealedCredential  # put_version names what it refreshes

    def apply(self, store: Store) -> Kept:
        """Keep it, unless it is out of date."""
        return store.credentials.refresh(self.sealed)


class RenewCredential(Request, frozen=True, kw_only=True):
    """Keep what a scripted login has made; what waited is due again in the same write; reply a ``Kept``."""

    sealed: SealedCredential  # put_version names what it takes the place of

    def apply(self, store: Store) -> Kept:
        """Keep it, unless somebody put another one."""
        return store.credentials.renew(self.sealed)


class ProveSession(Request, frozen=True, kw_only=True):
    """Note that a page which an older session was refused was read with this one, or the canary was."""

    auth_id: str
    put_version: int

    def apply(self, store: Store) -> None:
        """Forgive the logins so far."""
        store.credentials.note_proof(self.auth_id, self.put_version)


class NoteFailedLogin(Request, frozen=True, kw_only=True):
    """Count a login that led to no session; reply how many in a row, 0 when another session was put meanwhile."""

    auth_id: str
    put_version: int
    reason: str

    def apply(self, store: Store) -> int:
        """Count it."""
        return store.credentials.note_failed_login(self.auth_id, self.put_version, self.reason)


class GetCredential(Request, frozen=True, kw_only=True):
    """Reply one ``SealedCredential``, or None."""

    auth_id: str

    def apply(self, store: Store) -> SealedCredential | None:
        """Read it."""
        return store.credentials.get(self.auth_id)


class GetCredentialVersion(Request, frozen=True, kw_only=True):
    """Reply the newest version that the name has had, 0 for none; the next one is sealed for that and one."""

    auth_id: str

    def apply(self, store: Store) -> int:
        """Read it."""
        return store.credentials.version(self.auth_id)


class ListCredentials(Request, frozen=True, kw_only=True):
    """Reply all ``CredentialEntry`` records by name."""

    def apply(self, store: Store) -> list[CredentialEntry]:
        """Read them."""
        return store.credentials.entries()


class RemoveCredential(Request, frozen=True, kw_only=True):
    """Remove a credential."""

    auth_id: str

    def apply(self, store: Store) -> None:
        """Remove it."""
        store.credentials.remove(self.auth_id)
