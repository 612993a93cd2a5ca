"""Owns the stored credentials as rows: sealed, versioned, and what waits for them.

A record is sealed for version n + 1 and written only where the row is at n, so that no row can be put in the place of
another. Versions of one name never repeat, also not after a removal.
"""

from __future__ import annotations

import msgspec

from .changes import Changes
from .database import Database, Row
from .errors import CredentialError, CredentialNotFoundError
from .job_rows import MOVED_COLUMNS, moves_from
from .records import CredentialEntry, SealedCredential, State

ENTRY_COLUMNS = "auth_id, version, key_id, sites_json, updated_at"


class CredentialStore:
    """The credentials of the store."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    def version(self, auth_id: str) -> int:
        """Return the newest version that the name has had, 0 when it never had one."""
        row = self._database.row(
            "SELECT max(version) FROM (SELECT version FROM credential WHERE auth_id = ?1"
            " UNION ALL SELECT version FROM former_credential WHERE auth_id = ?1)",
            (auth_id,),
        )
        return 0 if row is None or row[0] is None else int(row[0])

    def put(self, sealed: SealedCredential) -> int:
        """Write a credential and return how many jobs that waited for it are due again.

        Raises ``CredentialError`` when it was sealed for another version than the next; seal it again.
        """
        newest = self.version(sealed.auth_id)
        if sealed.version != newest + 1:
            raise CredentialError(
                f"credential {sealed.auth_id!r} was sealed as version {sealed.version}, found version {newest} stored;"
                " somebody else changed it meanwhile, so put it again"
            )
        self._database.run(
            "INSERT INTO credential VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (auth_id) DO UPDATE SET"
            " version = ?2, key_id = ?3, nonce = ?4, ciphertext = ?5, sites_json = ?6, updated_at = ?7",
            (
                sealed.auth_id,
                sealed.version,
                sealed.key_id,
                sealed.nonce,
                sealed.ciphertext,
                msgspec.json.encode(sealed.sites).decode(),
                sealed.updated_at,
            ),
        )
        return self._wake(sealed.auth_id)

    def get(self, auth_id: str) -> SealedCredential | None:
        """Return one credential, still sealed, or None."""
        row = self._database.row(
            f"SELECT {ENTRY_COLUMNS}, nonce, ciphertext FROM credential WHERE auth_id = ?", (auth_id,)
        )
        if row is None:
            return None
        return SealedCredential(
            auth_id=row[0],
            version=row[1],
            key_id=row[2],
            sites=tuple(msgspec.json.decode(row[3])),
            updated_at=row[4],
            nonce=row[5],
            ciphertext=row[6],
        )

    def entries(self) -> list[CredentialEntry]:
        """Return what is known of all credentials without a key, by name."""
        return [_entry_from(row) for row in self._database.rows(f"SELECT {ENTRY_COLUMNS} FROM credential ORDER BY 1")]

    def remove(self, auth_id: str) -> None:
        """Remove a credential; raises ``CredentialNotFoundError``."""
        row = self._database.row("DELETE FROM credential WHERE auth_id = ? RETURNING version", (auth_id,))
        if row is None:
            raise CredentialNotFoundError(
                f"asked to remove credential {auth_id!r}, found none; `bequest auth list` names all"
            )
        self._database.run(
            "INSERT INTO former_credential VALUES (?1, ?2) ON CONFLICT (auth_id) DO UPDATE SET version = ?2",
            (auth_id, row[0]),
        )

    def _wake(self, auth_id: str) -> int:
        rows = self._database.rows(
            "UPDATE job SET state = 0, is_due = 1, waits_for = NULL, run_at = ?2 WHERE waits_for = ?1"
            f" RETURNING {MOVED_COLUMNS}",
            (auth_id, self._database.now),
        )
        self._changes.move(moves_from(rows, State.WAITING, State.PENDING))
        if rows:
            self._changes.has_due_work = True
        return len(rows)


def _entry_from(row: Row) -> CredentialEntry:
    auth_id, version, key_id, sites_json, updated_at = row
    return CredentialEntry(
        auth_id=auth_id,
        version=version,
        key_id=key_id,
        sites=tuple(msgspec.json.decode(sites_json)),
        updated_at=updated_at,
    )
