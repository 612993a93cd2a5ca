"""Owns how all credentials pass from one key to another, and that nothing of the former seals stays in a file (I16)."""

from __future__ import annotations

from collections.abc import Iterable

from .credential_store import CredentialStore
from .database import Database
from .errors import CredentialError
from .records import SealedCredential


class RotationStore:
    """The seals of the store as a whole."""

    def __init__(self, database: Database, credentials: CredentialStore) -> None:
        self._database = database
        self._credentials = credentials

    def sealed_by_others(self, key_id: str) -> list[SealedCredential]:
        """Return the credentials that another key than that has sealed, by name."""
        names = [one.auth_id for one in self._credentials.entries() if one.key_id != key_id]
        return [found for found in map(self._credentials.get, names) if found is not None]

    def reseal(self, credentials: Iterable[SealedCredential]) -> None:
        """Put new seals in the place of older ones, each for the next version of its row; nobody is woken.

        Raises ``CredentialError`` where a row is at another version; its caller's group undoes all of it.
        """
        for sealed in credentials:
            changed = self._database.run(
                "UPDATE credential SET version = ?2, key_id = ?3, nonce = ?4, ciphertext = ?5"
                " WHERE auth_id = ?1 AND version = ?2 - 1",
                (sealed.auth_id, sealed.version, sealed.key_id, sealed.nonce, sealed.ciphertext),
            )
            if not changed:
                raise CredentialError(
                    f"credential {sealed.auth_id!r} was sealed anew as version {sealed.version}, found another stored;"
                    " somebody changed it meanwhile, so do it again"
                )

    def scrub(self) -> bool:
        """Write the whole file anew, and the WAL back into it; return whether nothing is left in that. In no group.

        It is left where somebody reads an older state of the file; the next checkpoint will do.
        """
        self._database.script("PRAGMA temp_store=FILE")  # the copy is as large as the database, and has no name
        try:
            self._database.script("VACUUM")
        finally:
            self._database.script("PRAGMA temp_store=MEMORY")
        self._database.truncate_wal()
        return self._database.wal_bytes == 0
