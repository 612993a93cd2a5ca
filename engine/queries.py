"""Owns the reads that list things: for people, exports and searches; never a part of the chain."""

from __future__ import annotations

import msgspec

from .changes import Changes
from .credential_store import CredentialStore
from .database import Database, Row
from .errors import JobNotFoundError
from .job_rows import JOB_COLUMNS, NUMBER_OF, TALLY_COLUMNS, counts_from, job_from
from .records import (
    Counts,
    CredentialEntry,
    Job,
    LogEntry,
    Record,
    SealedCredential,
    State,
    StoredDefinition,
    StoredDocument,
)

DOCUMENT_COLUMNS = (
    "document.job_id, document.parent_id, document.url_key, document.url, document.status, document.title,"
    " document.markdown, document.depth, document.auth_id, document.fetched_at, job.metadata_json"
)


class JobView(Record, frozen=True, kw_only=True):
    """One job with its children by state."""

    job: Job
    children: Counts


class FailureCause(Record, frozen=True, kw_only=True):
    """Why children did not succeed: one of them speaks for all with the same word."""

    type: str
    message: str
    count: int


class Queries:
    """Reads over one connection; used by the thread that owns it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def jobs(
        self, *, state: State | None = None, parent_id: int | None = None, after_id: int = 0, limit: int = 100
    ) -> list[JobView]:
        """Return jobs without a parent, or a parent's children, by id from *after_id* on."""
        return self._views(
            "job.parent_id IS ?1 AND job.id > ?2 AND (?3 IS NULL OR job.state = ?3) ORDER BY job.id LIMIT ?4",
            (parent_id, after_id, None if state is None else NUMBER_OF[state], limit),
        )

    def jobs_in(self, state: State, *, after_id: int = 0, limit: int = 100) -> list[JobView]:
        """Return jobs in that state, with and without a parent, by id from *after_id* on."""
        return self._views(
            "job.state = ?1 AND job.id > ?2 ORDER BY job.id LIMIT ?3", (NUMBER_OF[state], after_id, limit)
        )

    def job(self, job_id: int) -> JobView:
        """Return one job; raises ``JobNotFoundError``."""
        found = self._views("job.id = ?", (job_id,))
        if not found:
            raise JobNotFoundError(f"asked for job {job_id}, found none with that id; `bequest jobs` lists them")
        return found[0]

    def documents(self, parent_id: int, *, after_id: int = 0, limit: int = 100) -> list[StoredDocument]:
        """Return a run's documents by the id of their page's job, from *after_id* on."""
        rows = self._database.rows(
            f"SELECT {DOCUMENT_COLUMNS} FROM document JOIN job ON job.id = document.job_id"
            " WHERE document.parent_id = ? AND document.job_id > ? ORDER BY document.job_id LIMIT ?",
            (parent_id, after_id, limit),
        )
        return [_document_from(row) for row in rows]

    def logs(self, job_id: int, *, after_id: int = 0, limit: int = 1000) -> list[tuple[int, LogEntry]]:
        """Return the log of a job and its children in one order, each entry with its number, from *after_id* on."""
        rows = self._database.rows(
            "SELECT id, job_id, at, level, message, fields_json FROM job_log WHERE id > ?2 AND job_id IN"
            " (SELECT ?1 UNION ALL SELECT id FROM job WHERE parent_id = ?1) ORDER BY id LIMIT ?3",
            (job_id, after_id, limit),
        )
        return [
            (
                row[0],
                LogEntry(job_id=row[1], at=row[2], level=row[3], message=row[4], fields=msgspec.json.decode(row[5])),
            )
            for row in rows
        ]

    def credentials(self) -> list[CredentialEntry]:
        """Return what is known of all credentials without a key, by name."""
        return CredentialStore(self._database, Changes()).entries()

    def credential(self, auth_id: str) -> SealedCredential | None:
        """Return one credential, still sealed, or None."""
        return CredentialStore(self._database, Changes()).get(auth_id)

    def database_id(self) -> str:
        """Return what every sealed record of this database is bound to."""
        (row,) = self._database.rows("SELECT database_id FROM engine")
        return str(row[0])

    def failure_causes(self, parent_id: int, *, limit: int = 5) -> list[FailureCause]:
        """Return why a parent's children failed or wait, the most frequent first."""
        rows = self._database.rows(
            "SELECT error_json ->> 'type' AS cause, min(error_json ->> 'message'), count(*) AS times FROM job"
            " WHERE parent_id = ? AND state IN (2, 4) AND error_json IS NOT NULL"
            " GROUP BY cause ORDER BY times DESC, cause LIMIT ?",
            (parent_id, limit),
        )
        return [FailureCause(type=row[0], message=row[1], count=row[2]) for row in rows]

    def definition(self, definition_id: int) -> StoredDefinition | None:
        """Return one definition, or None."""
        row = self._database.row(
            "SELECT id, name, version, digest, body_json FROM definition WHERE id = ?", (definition_id,)
        )
        if row is None:
            return None
        return StoredDefinition(id=row[0], name=row[1], version=row[2], digest=row[3], body=msgspec.json.decode(row[4]))

    def _views(self, condition: str, values: tuple[str | int | None, ...]) -> list[JobView]:
        rows = self._database.rows(
            f"SELECT {TALLY_COLUMNS}, {JOB_COLUMNS} FROM job"
            f" LEFT JOIN tally ON tally.parent_id = job.id WHERE {condition}",
            values,
        )
        return [JobView(job=job_from(row[6:]), children=counts_from(row[:6])) for row in rows]


def _document_from(row: Row) -> StoredDocument:
    return StoredDocument(
        job_id=row[0],
        parent_id=row[1],
        url_key=row[2],
        url=row[3],
        status=row[4],
        title=row[5],
        markdown=row[6],
        depth=row[7],
        auth_id=row[8],
        fetched_at=row[9],
        metadata=msgspec.json.decode(row[10]),
    )
