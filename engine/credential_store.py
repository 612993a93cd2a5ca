"""Owns the stored credentials as rows: sealed, versioned, and what waits for them.

A record is sealed for version n + 1 and written only where the row is at n, so that no row can be put in the place of
another. Versions of one name never repeat, also not after a removal. A session that a person puts or that a login makes
has what waited go on; one that its site changed while it was used only takes the older one's place.
"""

from __future__ import annotations

import math

import msgspec

from .changes import Changes, LoggedIn, LoginRefusal
from .damaged_rows import stored_json
from .database import Database, Row
from .errors import CredentialError, CredentialNotFoundError
from .job_rows import MOVED_COLUMNS, moves_from
from .records import CredentialEntry, Kept, SealedCredential, State

ENTRY_COLUMNS = "auth_id, version, key_id, sites_json, updated_at, failed_logins"
SEALED_COLUMNS = f"{ENTRY_COLUMNS}, nonce, ciphertext, iif(put_version < version, put_version, 0)"


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
        self._write(sealed, put_version=sealed.version, failed_logins=0)
        return self._wake(sealed.auth_id)

    def refresh(self, sealed: SealedCredential) -> Kept:
        """Write what a site has made of the session that was put as ``put_version``; nothing that waits goes on."""
        kept = self._follows(sealed, at=sealed.updated_at)
        if kept is Kept.KEPT:
            self._write(sealed, put_version=sealed.put_version, failed_logins=self._failed_logins(sealed.auth_id))
        return kept

    def renew(self, sealed: SealedCredential) -> Kept:
        """Write what a login has made in the place of the session that was put as ``put_version``, like a put.

        It counts among the failed ones until something that needed it is read with it.
        """
        kept = self._follows(sealed, at=math.inf)
        if kept is Kept.KEPT:
            failed = self._failed_logins(sealed.auth_id) + 1
            self._write(sealed, put_version=sealed.version, failed_logins=failed)
            self._changes.notices.append(LoggedIn(sealed.auth_id, sealed.version))
            self._wake(sealed.auth_id)
        return kept

    def note_proof(self, auth_id: str, put_version: int) -> None:
        """Note that the session which was put as *put_version* is one: the logins so far are forgiven."""
        self._database.run(
            "UPDATE credential SET failed_logins = 0 WHERE auth_id = ? AND put_version = ?", (auth_id, put_version)
        )

    def note_failed_login(self, auth_id: str, put_version: int, reason: str) -> int:
        """Count a login that did not lead to a session in the place of *put_version*; return how many in a row."""
        row = self._database.row(
            "UPDATE credential SET failed_logins = failed_logins + 1 WHERE auth_id = ? AND put_version = ?"
            " RETURNING failed_logins",
            (auth_id, put_version),
        )
        if row is None:  # another one was put meanwhile, and that has not failed
            return 0
        self._changes.notices.append(LoginRefusal(auth_id, row[0], reason))
        return int(row[0])

    def get(self, auth_id: str) -> SealedCredential | None:
        """Return one credential, still sealed, or None."""
        row = self._database.row(f"SELECT {SEALED_COLUMNS} FROM credential WHERE auth_id = ?", (auth_id,))
        if row is None:
            return None
        return SealedCredential(
            auth_id=row[0],
            version=row[1],
            key_id=row[2],
            sites=stored_json(row[3], tuple[str, ...]),
            updated_at=row[4],
            failed_logins=row[5],
            nonce=row[6],
            ciphertext=row[7],
            put_version=row[8],
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

    def _follows(self, sealed: SealedCredential, *, at: float) -> Kept:
        """Return whether it may take the place of the row: of two that follow one put the later stays."""
        row = self._database.row(
            "SELECT version, put_version, updated_at FROM credential WHERE auth_id = ?", (sealed.auth_id,)
        )
        if row is None or row[1] != sealed.put_version or row[2] > at:
            return Kept.SUPERSEDED
        return Kept.KEPT if sealed.version == row[0] + 1 else Kept.OUT_OF_STEP

    def _failed_logins(self, auth_id: str) -> int:
        """Return those of a credential that is there."""
        ((failed,),) = self._database.rows("SELECT failed_logins FROM credential WHERE auth_id = ?", (auth_id,))
        return int(failed)

    def _write(self, sealed: SealedCredential, *, put_version: int, failed_logins: int) -> None:
        self._database.run(
            "INSERT INTO credential VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (auth_id) DO UPDATE SET"
            " version = ?2, key_id = ?3, nonce = ?4, ciphertext = ?5, sites_json = ?6, updated_at = ?7,"
            " put_version = ?8, failed_logins = ?9",
            (
                sealed.auth_id,
                sealed.version,
                sealed.key_id,
                sealed.nonce,
                sealed.ciphertext,
                msgspec.json.encode(sealed.sites).decode(),
                sealed.updated_at,
                put_version,
                failed_logins,
            ),
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
    auth_id, version, key_id, sites_json, updated_at, failed_logins = row
    return CredentialEntry(
        auth_id=auth_id,
        version=version,
        key_id=key_id,
        sites=stored_json(sites_json, tuple[str, ...]),
        updated_at=updated_at,
        failed_logins=failed_logins,
    )
