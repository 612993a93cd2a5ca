"""Owns the examination of what the rows hold: texts that are UTF-8, and JSON that what is read of it can be made of.

SQLite examines neither, and keeps no checksums, so what a disk has changed in them is found here or when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from .database import Database, Row
from .fire_times import Rule
from .records import JobError, NewJob, Progress
from .schedules import Span

# What is made of a column that has JSON; every other text is only read.
MADE_OF: dict[tuple[str, str], Any] = {  # Any: a type, of whatever form
    ("job", "metadata_json"): dict[str, Any],
    ("job", "tags_json"): tuple[str, ...],
    ("job", "error_json"): JobError,
    ("job", "progress_json"): Progress,
    ("job", "follow_up_json"): NewJob,
    ("job_error", "error_json"): JobError,
    ("job_log", "fields_json"): dict[str, Any],
    ("definition", "body_json"): dict[str, Any],
    ("schedule", "job_json"): NewJob,
    ("schedule", "rule_json"): Rule,
    ("schedule", "used_json"): tuple[Span, ...],
    ("credential", "sites_json"): tuple[str, ...],
}
# The tables that have texts, and how many rows are read at a time; None is all, of those whose rows have no number.
TABLES: dict[str, int | None] = {
    "engine": 1,
    "definition": 100,
    "job": 1_000,
    "job_error": 1_000,
    "job_log": 1_000,
    "document": 20,  # which may be large
    "pruned": 20,
    "schedule": 100,
    "stat": None,
    "pause": None,
    "bucket": None,
    "credential": None,
    "former_credential": None,
}


def text_faults(database: Database, table: str) -> Iterator[str]:
    """Yield where the table holds a text that is none, or JSON that nothing can be made of."""
    columns = [row[0] for row in database.rows("SELECT name FROM pragma_table_info(?) WHERE type = 'TEXT'", (table,))]
    texts = ", ".join(f"CAST({column} AS BLOB)" for column in columns)
    for number, *values in _rows(database, table, texts):
        for column, value in zip(columns, values, strict=True):
            fault = None if value is None else fault_in(table, column, value)
            if fault is not None:
                yield f"{column} of row {number} of {table} is {fault}"


def _rows(database: Database, table: str, columns: str) -> Iterator[Row]:
    """Yield the rows of a table, each with its number before it."""
    at_once = TABLES[table]
    if at_once is None:
        yield from database.rows(f"SELECT row_number() OVER (), {columns} FROM {table}")
        return
    after = -1
    while rows := database.rows(
        f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {at_once}", (after,)
    ):
        yield from rows
        if rows[-1][0] <= after:  # the tree is damaged, and would be read for ever
            return
        after = rows[-1][0]


def fault_in(table: str, column: str, value: bytes) -> str | None:
    """Return what *value* is that it must not be, or None."""
    try:
        value.decode()
        if column.endswith("_json"):
            msgspec.convert(msgspec.json.decode(value), MADE_OF.get((table, column), Any))
    except UnicodeDecodeError:
        return "no text"
    except msgspec.ValidationError:
        return "JSON of something else"
    except msgspec.DecodeError:
        return None  # it is no JSON, as the check for that says
    return None
