"""Owns the examination of a database: of the file by SQLite's own checks, of the rows by the invariants.

Each check reads for itself, so none keeps an old state of the file for longer than it takes, and beside a running
engine one may see what another does not. A run that is being pruned breaks none of them while it leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice

from .clock import SystemClock
from .database import MEMORY, Database, Value
from .database_file import open_database
from .errors import StoreError
from .records import Record
from .row_checks import JSON_CHECKS, ROW_CHECKS, RowChecks
from .stored_texts import TABLES, text_faults

MOST = 100  # findings of one check, or rows with findings

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


class Finding(Record, frozen=True, kw_only=True):
    """Something that is not as it must be."""

    check: str  # "file", "schema", "foreign keys", "JSON", "text", or the number of an invariant
    message: str


def check_integrity(database: Database, *, is_quick: bool = False) -> list[Finding]:
    """Return what is wrong, at most 100 findings of each check; *is_quick* leaves out indexes, texts and JSON."""
    found = _all_of("file", _file_faults(database, is_quick=is_quick))
    found += _all_of("schema", _schema_faults(database))
    found += _all_of("foreign keys", _said_by(database, FOREIGN_KEYS))
    for checks in ROW_CHECKS if is_quick else (*ROW_CHECKS, *JSON_CHECKS):
        found += find_broken(database, checks)
    for table in () if is_quick else TABLES:
        found += _all_of("text", islice(text_faults(database, table), MOST))
    return found


def find_broken(database: Database, checks: RowChecks, values: Iterable[Value] = ()) -> list[Finding]:
    """Return what rows break of some rules, of at most ``MOST`` rows, and the damage that the look runs into."""
    found = []
    try:
        for row in database.rows(f"{checks.sql} LIMIT {MOST}", values):
            said = zip(checks.rules, row, strict=True)
            found += [Finding(check=rule.check, message=message) for rule, message in said if message is not None]
    except StoreError as error:
        found.append(Finding(check=checks.rules[0].check, message=str(error)))
    return found


def _all_of(check: str, faults: Iterator[str]) -> list[Finding]:
    """Return what *faults* yields, and the damage that it runs into, as findings of *check*."""
    found = []
    try:
        found += [Finding(check=check, message=message) for message in faults]
    except StoreError as error:  # SQLite has other names for damage, too
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
