"""Owns the reads that list things: for people, exports and searches; never a part of the chain."""

from __future__ import annotations

from .changes import Changes
from .credential_store import CredentialStore
from .damaged_rows import stored_json
from .database import Database, Row
from .errors import JobNotFoundError
from .integrity import Finding, check_integrity
from .job_rows import JOB_COLUMNS, NUMBER_OF, TALLY_COLUMNS, counts_from, job_from
from .log_queries import LogLine, LogQueries
from .prune_queries import PruneQueries
from .records import (
    AttemptError,
    Counts,
    CredentialEntry,
    Job,
    JobError,
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

# The parents of a run's pages: the run itself, or the crawls among its steps.
CRAWLS = (
    "SELECT id FROM job WHERE id = ?1 AND kind <> 'run' UNION ALL SELECT step.id FROM job AS run"
    " JOIN job AS step ON step.parent_id = run.id WHERE run.id = ?1 AND run.kind = 'run'"
)


# Parents that wait below a job and go on by themselves: more children may come, one is due or runs, or all have ended.
GOING_ON = """
    WITH RECURSIVE open (id, sealed) AS (
        SELECT id, sealed FROM job INDEXED BY job_waiting
        WHERE parent_id = ?1 AND state = 2 AND waits_for IS NULL
        UNION SELECT job.id, job.sealed FROM open CROSS JOIN job INDEXED BY job_waiting ON job.parent_id = open.id
        WHERE job.state = 2 AND job.waits_for IS NULL
    )
    SELECT 1 FROM open LEFT JOIN tally ON tally.parent_id = open.id
    WHERE open.sealed = 0 OR ifnull(tally.pending + tally.running, 0) > 0 OR ifnull(tally.waiting, 0) = 0 LIMIT 1
"""


class JobView(Record, frozen=True, kw_only=True):
    """One job with its children by state."""

    job: Job
    children: Counts
    goes_on_below: bool = False  # where all of its unfinished children wait, whether one of them goes on by itself


class FailureCause(Record, frozen=True, kw_only=True):
    """Why children did not succeed: one of them speaks for all with the same word."""

    type: str
    message: str
    count: int


class Queries:
    """Reads over one connection; used by the thread that owns it."""

    def __init__(self, database: Database) -> None:
        self.prunes = PruneQueries(database)
        self._database = database

    def jobs(
        self, *, state: State | None = None, parent_id: int | None = None, after_id: int = 0, limit: int = 100
    ) -> list[JobView]:
        """Return jobs without a parent, or a parent's children, by id from *after_id* on."""
        whose = "job.parent_id IS NULL AND ?1 IS NULL" if parent_id is None else "job.parent_id = ?1"
        return self._views(
            f"{whose} AND job.id > ?2 AND (?3 IS NULL OR job.state = ?3) ORDER BY job.id LIMIT ?4",
            (parent_id, after_id, None if state is None else NUMBER_OF[state], limit),
        )

    def jobs_in(self, state: State, *, after_id: int = 0, limit: int = 100) -> list[JobView]:
        """Return jobs in that state, with and without a parent, by id from *after_id* on."""
        return self._views(
            "job.state = ?1 AND job.id > ?2 ORDER BY job.id LIMIT ?3", (NUMBER_OF[state], after_id, limit)
        )

    def job(self, job_id: int) -> JobView:
        """Return one job; raises ``JobNotFoundError``."""
        found = self.find(job_id)
        if found is None:
            raise JobNotFoundError(f"asked for job {job_id}, found none with that id; `bequest jobs` lists them")
        return found

    def find(self, job_id: int) -> JobView | None:
        """Return one job, or None."""
        return next(iter(self._views("job.id = ?", (job_id,))), None)

    def documents(self, parent_id: int, *, after_id: int = 0, limit: int = 100) -> list[StoredDocument]:
        """Return a run's documents by the id of their page's job, from *after_id* on."""
        rows = self._database.rows(
            f"SELECT {DOCUMENT_COLUMNS} FROM document JOIN job ON job.id = document.job_id"
            f" WHERE document.parent_id IN ({CRAWLS}) AND document.job_id > ?2 ORDER BY document.job_id LIMIT ?3",
            (parent_id, after_id, limit),
        )
        return [_document_from(row) for row in rows]

    def logs(self, job_id: int, *, level: str = "DEBUG", after_id: int = 0, limit: int = 1000) -> list[LogLine]:
        """Return the log of a job and all below it, of *level* or above, in one order, from *after_id* on."""
        return LogQueries(self._database).lines(job_id, level=level, after=after_id, limit=limit)

    def attempt_errors(self, job_id: int) -> list[AttemptError]:
        """Return why a job's attempts did not succeed, oldest first."""
        rows = self._database.rows(
            "SELECT attempt, at, error_json FROM job_error WHERE job_id = ? ORDER BY id", (job_id,)
        )
        return [AttemptError(attempt=attempt, at=at, error=stored_json(text, JobError)) for attempt, at, text in rows]

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
            f" WHERE parent_id IN (SELECT ?1 UNION {CRAWLS}) AND state IN (2, 4) AND error_json IS NOT NULL"
            " GROUP BY cause ORDER BY times DESC, cause LIMIT ?2",
            (parent_id, limit),
        )
        return [FailureCause(type=row[0], message=row[1], count=row[2]) for row in rows]

    def why_stalled(self, job_id: int) -> tuple[str, str] | None:
        """Return the credential that a page below a job waits for, and what is said of that; None where none waits."""
        row = self._database.row(
            "SELECT waits_for, ifnull(error_json ->> 'message', '') FROM job INDEXED BY job_waits_for"
            " WHERE waits_for IS NOT NULL AND ?1 IN (root_id, parent_id) LIMIT 1",
            (job_id,),
        )
        return None if row is None else (row[0], row[1])

    def integrity(self, *, is_quick: bool = False) -> list[Finding]:
        """Return what is wrong with the file and the rows in it; *is_quick* leaves out what takes longest."""
        return check_integrity(self._database, is_quick=is_quick)

    def definition(self, definition_id: int) -> StoredDefinition | None:
        """Return one definition, or None."""
        row = self._database.row(
            "SELECT id, name, version, digest, body_json FROM definition WHERE id = ?", (definition_id,)
        )
        if row is None:
            return None
        return StoredDefinition(id=row[0], name=row[1], version=row[2], digest=row[3], body=stored_json(row[4]))

    def _views(self, condition: str, values: tuple[str | int | None, ...]) -> list[JobView]:
        rows = self._database.rows(
            f"SELECT {TALLY_COLUMNS}, {JOB_COLUMNS} FROM job"
            f" LEFT JOIN tally ON tally.parent_id = job.id WHERE {condition}",
            values,
        )
        return [self._view(job_from(row[9:]), counts_from(row[:9])) for row in rows]

    def _view(self, job: Job, children: Counts) -> JobView:
        goes_on_below = children.is_stalled and self._database.row(GOING_ON, (job.id,)) is not None
        return JobView(job=job, children=children, goes_on_below=goes_on_below)


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
        metadata=stored_json(row[10]),
    )
