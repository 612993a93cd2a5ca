"""Owns the examination of a database: of the file by SQLite's own checks, of the rows by the invariants.

Each check reads for itself, so none keeps an old state of the file for longer than it takes, and beside a running
engine one may see what another does not. A run that is being pruned breaks none of them while it leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from .clock import SystemClock
from .database import MEMORY, Database
from .database_file import open_database
from .errors import DatabaseCorruptError
from .records import Record

MOST = 100  # findings of one check

# What refers to a job that has left may do so until it is deleted.
FOREIGN_KEYS = f"""
    SELECT 'row ' || ifnull(found.rowid, '?') || ' of ' || found."table" || ' refers to a ' || found.parent
           || ' that is not there'
    FROM pragma_foreign_key_check AS found
    WHERE found.parent <> 'job' OR NOT EXISTS (
        SELECT 1 FROM pruned WHERE pruned.job_id = CASE found."table"
            WHEN 'job' THEN (SELECT parent_id FROM job WHERE id = found.rowid)
            WHEN 'job_log' THEN (SELECT job_id FROM job_log WHERE id = found.rowid)
            WHEN 'job_error' THEN (SELECT job_id FROM job_error WHERE id = found.rowid)
            WHEN 'document' THEN found.rowid END)
    LIMIT {MOST}
"""
SCHEMA = "SELECT type || ' ' || name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"

STATES = ("pending", "running", "waiting", "completed", "failed", "cancelled")
BY_STATE = ", ".join(f"sum(state = {number}) AS {name}" for number, name in enumerate(STATES))
BY_FAILURE = ", ".join(
    f"sum(state = 4 AND on_failure = {number}) AS {name}"
    for number, name in enumerate(("ignored", "fatal", "passed"), 1)
)
TALLIED = (*STATES, "ignored", "fatal", "passed")


class Finding(Record, frozen=True, kw_only=True):
    """Something that is not as it must be."""

    check: str  # "file", "schema", "foreign keys", "JSON", or the number of an invariant
    message: str


class RowCheck(NamedTuple):
    """What holds of all rows, by the query that has a line for each for which it does not."""

    check: str
    sql: str


def unequal(names: tuple[str, ...], left: str, right: str) -> str:
    """Return the SQL by which the named counts of two tables are not the same; none there is 0."""
    sides = (", ".join(f"ifnull({side}.{name}, 0)" for name in names) for side in (left, right))
    return " IS NOT ".join(f"({side})" for side in sides)


ROW_CHECKS = (
    RowCheck(
        "I13",
        f"WITH counted AS (SELECT job.parent_id, {BY_STATE}, {BY_FAILURE} FROM job"
        " WHERE parent_id IN (SELECT id FROM job) GROUP BY parent_id)"
        " SELECT 'job ' || parent_id || ' has other children than its tally counts'"
        f" FROM tally FULL JOIN counted USING (parent_id) WHERE {unequal(TALLIED, 'tally', 'counted')}",
    ),
    RowCheck(
        "I13",
        f"WITH counted AS (SELECT queue, kind, {BY_STATE} FROM job GROUP BY queue, kind)"
        " SELECT 'queue ' || queue || ' has other jobs of kind ' || kind || ' than its counters say'"
        f" FROM stat FULL JOIN counted USING (queue, kind) WHERE {unequal(STATES, 'stat', 'counted')}",
    ),
    RowCheck(
        "I9",
        "SELECT 'job ' || job.id || ' has ended and its child ' || child.id || ' has not'"
        " FROM job AS child JOIN job ON job.id = child.parent_id WHERE child.state < 3 AND job.state >= 3",
    ),
    RowCheck(
        "I9",
        "SELECT 'job ' || id || ' has not ended and its run was pruned' FROM job"
        " WHERE state < 3 AND parent_id IN (SELECT job_id FROM pruned)",
    ),
    RowCheck("I9", "SELECT 'job ' || id || ' has ended before its own step' FROM job WHERE state = 3 AND own_step = 1"),
    RowCheck(
        "I9",
        "SELECT 'job ' || job.id || ' has ended and more children may come'"
        " FROM job JOIN tally ON tally.parent_id = job.id WHERE job.state IN (3, 4) AND job.sealed = 0",
    ),
    RowCheck("I3", "SELECT 'job ' || id || ' has more attempts than it was claimed' FROM job WHERE attempts > token"),
    RowCheck("I3", "SELECT 'job ' || id || ' runs and was never claimed' FROM job WHERE state = 1 AND token = 0"),
    RowCheck(
        "I14",
        "SELECT 'job ' || job.id || ' has more children than its limit' FROM job JOIN tally ON tally.parent_id = job.id"
        f" WHERE {' + '.join(f'tally.{name}' for name in STATES)} > child_limit",
    ),
    RowCheck(
        "I15",
        "SELECT 'the document of job ' || job.id || ' is of another run' FROM document JOIN job ON job.id = job_id"
        " WHERE document.parent_id IS NOT job.parent_id",
    ),
    RowCheck(
        "I11",
        "SELECT 'job ' || id || ' has ended and the job that was to follow it was not made' FROM job"
        " WHERE follow_up_json IS NOT NULL AND state >= 3",
    ),
    RowCheck(
        "line",
        "SELECT 'job ' || child.id || ' names another root than its parent' FROM job AS child"
        " LEFT JOIN job ON job.id = child.parent_id"
        " WHERE child.root_id <> CASE WHEN child.parent_id IS NULL THEN 0 WHEN job.id IS NULL THEN child.root_id"
        " WHEN job.root_id = 0 THEN job.id ELSE job.root_id END",
    ),
    RowCheck(
        "line",
        "SELECT 'line ' || job_log.id || ' of the log of job ' || job.id || ' names another root' FROM job_log"
        " JOIN job ON job.id = job_id WHERE job_log.root_id <> iif(job.root_id = 0, job.id, job.root_id)",
    ),
    RowCheck("line", "SELECT 'job ' || id || ' was pruned and is there' FROM job JOIN pruned ON job_id = id"),
    RowCheck(
        "line",
        "SELECT 'the next job gets the number of job ' || max(id) FROM job HAVING max(id) >"
        " (SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'job')",
    ),
)
JSON_COLUMNS = {
    "job": ("config_json", "metadata_json", "tags_json", "error_json", "progress_json", "result_json"),
    "job_log": ("fields_json",),
    "job_error": ("error_json",),
    "definition": ("body_json",),
    "pruned": ("job_json",),
}


def check_integrity(database: Database, *, is_quick: bool = False) -> list[Finding]:
    """Return what is wrong, at most 100 findings of each check; *is_quick* leaves out indexes and JSON."""
    found = _all_of("file", _file_faults(database, is_quick=is_quick))
    found += _all_of("schema", _schema_faults(database))
    found += _all_of("foreign keys", _said_by(database, FOREIGN_KEYS))
    for check, sql in ROW_CHECKS:
        found += _all_of(check, _said_by(database, f"{sql} LIMIT {MOST}"))
    for table, columns in () if is_quick else JSON_COLUMNS.items():
        found += _all_of("JSON", _json_faults(database, table, columns))
    return found


def _all_of(check: str, faults: Iterator[str]) -> list[Finding]:
    """Return what *faults* yields, and the damage that it runs into, as findings of *check*."""
    found = []
    try:
        found += [Finding(check=check, message=message) for message in faults]
    except DatabaseCorruptError as error:
        found.append(Finding(check=check, message=str(error)))
    return found


def _said_by(database: Database, sql: str) -> Iterator[str]:
    for row in database.rows(sql):
        yield str(row[0])


def _file_faults(database: Database, *, is_quick: bool) -> Iterator[str]:
    for row in database.rows(f"PRAGMA {'quick_check' if is_quick else 'integrity_check'}({MOST})"):
        if row[0] != "ok":
            yield str(row[0])


def _schema_faults(database: Database) -> Iterator[str]:
    found: dict[str, str] = dict(database.rows(SCHEMA))
    expected = expected_schema()
    yield from (f"there is no {name}" for name in expected.keys() - found.keys())
    yield from (f"{name} is none of ours" for name in found.keys() - expected.keys())
    yield from (f"{name} is another one" for name, sql in expected.items() if found.get(name, sql) != sql)


@cache
def expected_schema() -> dict[str, str]:
    """Return what the migrations make, by type and name."""
    database = open_database(MEMORY, durability="relaxed", clock=SystemClock())
    try:
        return dict(database.rows(SCHEMA))
    finally:
        database.close()


def _json_faults(database: Database, table: str, columns: tuple[str, ...]) -> Iterator[str]:
    for column in columns:
        rows = database.rows(
            f"SELECT rowid FROM {table} WHERE {column} IS NOT NULL AND NOT json_valid({column}) LIMIT {MOST}"
        )
        yield from (f"{column} of row {row[0]} of {table} is no JSON" for row in rows)
