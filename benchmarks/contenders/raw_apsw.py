"""Owns the limit: the same rows in the same SQLite, without an engine.

A plain table with every column of the engine's own ``job`` that is stored, and the four of its indexes that a plain job
passes through or is looked up by; no triggers, counters, checks or events.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
from stopwatch import Stopwatch

NAMES = (
    "parent_id, root_id, definition_id, queue, kind, partition, state, is_due, priority, attempts, max_attempts, token,"
    " sealed, made_waiting, own_step, on_failure, key_scope, key, child_limit, timeout_s, run_at, created_at,"
    " lease_until, started_at, finished_at, config_json, metadata_json, tags_json, error_json, result_json"
)
COLUMNS = NAMES.split(", ")
SCHEMA = f"""
    CREATE TABLE job (id INTEGER PRIMARY KEY, {NAMES});
    CREATE INDEX job_ready ON job (queue, kind, parent_id, partition, priority DESC, id) WHERE state = 0;
    CREATE INDEX job_parent ON job (parent_id) WHERE parent_id IS NOT NULL;
    CREATE INDEX job_lease ON job (lease_until) WHERE state = 1;
    CREATE INDEX job_ended ON job (kind, state, finished_at) WHERE parent_id IS NULL AND state >= 3;
"""
FIXED = {
    "root_id": 0, "queue": "default", "kind": "noop", "partition": "", "state": 0, "is_due": 1, "priority": 0,
    "attempts": 0, "max_attempts": 20, "token": 0, "sealed": 0, "made_waiting": 0, "own_step": 0, "on_failure": 0,
    "key_scope": 0, "metadata_json": "{}",
}  # fmt: skip
ROW = f"({', '.join('?' * len(COLUMNS))})"
CHUNK = 256  # rows in a statement
BULK = 1000
CLAIM = (
    "UPDATE job SET state = 1, attempts = attempts + 1, token = token + 1, lease_until = ?, started_at = ? WHERE id IN"
    " (SELECT id FROM job WHERE state = 0 AND queue = 'default' AND kind = 'noop'"
    " ORDER BY queue, kind, parent_id, partition, priority DESC, id LIMIT ?) RETURNING id, token, config_json"
)
COMPLETE = (
    "UPDATE job SET state = 3, lease_until = NULL, finished_at = ?, result_json = 'null'"
    " WHERE id IN (SELECT value FROM json_each(?)) AND state = 1"
)
CHECKPOINT_EVERY = 1000  # pages, as the engine does


def row(number: int) -> tuple[object, ...]:
    """Return the values of a job."""
    now = time.time()
    own = {**FIXED, "config_json": str(number), "run_at": now, "created_at": now}
    return tuple(own.get(column) for column in COLUMNS)


@contextmanager
def opened(folder: Path) -> Iterator[apsw.Connection]:
    """Open a new file in WAL mode with synchronous=FULL."""
    connection = apsw.Connection(str(folder / "raw.db"))
    try:
        connection.execute(
            f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {CHECKPOINT_EVERY}"
        )
        connection.execute(SCHEMA)
        yield connection
    finally:
        connection.close()


def insert(connection: apsw.Connection, numbers: range) -> None:
    """Insert rows in one transaction, with statements of many rows."""
    connection.execute("BEGIN IMMEDIATE")
    for start in range(numbers.start, numbers.stop, CHUNK):
        chunk = range(start, min(start + CHUNK, numbers.stop))
        values = [value for number in chunk for value in row(number)]
        statement = f"INSERT INTO job ({NAMES}) VALUES {', '.join([ROW] * len(chunk))}"
        connection.execute(statement, values)
    connection.execute("COMMIT")


def check(connection: apsw.Connection, count: int, state: int) -> None:
    """Raise unless there are *count* rows in *state*."""
    found = connection.execute("SELECT count(*) FROM job WHERE state = ?", (state,)).get
    if found != count:
        raise AssertionError(f"{found} of {count} rows are in state {state}")


def enqueue_one(watch: Stopwatch, folder: Path, count: int) -> None:
    """Insert one row a transaction."""
    statement = f"INSERT INTO job ({NAMES}) VALUES {ROW}"
    with opened(folder) as connection:
        with watch.over(count):
            for number in range(count):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(statement, row(number))
                connection.execute("COMMIT")
        check(connection, count, 0)


def enqueue_bulk(watch: Stopwatch, folder: Path, count: int) -> None:
    """Insert a thousand rows a transaction."""
    inserted(watch, folder, count, BULK)


def enqueue_groups(watch: Stopwatch, folder: Path, count: int) -> None:
    """Insert 256 rows a transaction."""
    inserted(watch, folder, count, CHUNK)


def inserted(watch: Stopwatch, folder: Path, count: int, size: int) -> None:
    """Insert rows, *size* a transaction."""
    with opened(folder) as connection:
        with watch.over(count):
            for start in range(0, count, size):
                insert(connection, range(start, min(start + size, count)))
        check(connection, count, 0)


def drain(watch: Stopwatch, folder: Path, count: int, size: int) -> None:
    """Complete what was claimed and claim *size* more, in one transaction, until none is left."""
    with opened(folder) as connection:
        for start in range(0, count, BULK):
            insert(connection, range(start, min(start + BULK, count)))
        ids: list[int] = []
        with watch.over(count):
            while True:
                now = time.time()
                connection.execute("BEGIN IMMEDIATE")
                if ids:
                    connection.execute(COMPLETE, (now, f"[{','.join(map(str, ids))}]"))
                ids = [job_id for job_id, _, _ in connection.execute(CLAIM, (now + 60, now, size))]
                connection.execute("COMMIT")
                if not ids:
                    break
        check(connection, count, 3)


def drain_by_1(watch: Stopwatch, folder: Path, count: int) -> None:
    """Claim and complete one at a time."""
    drain(watch, folder, count, 1)


def drain_by_16(watch: Stopwatch, folder: Path, count: int) -> None:
    """Claim and complete 16 at a time."""
    drain(watch, folder, count, 16)


def drain_by_64(watch: Stopwatch, folder: Path, count: int) -> None:
    """Claim and complete 64 at a time."""
    drain(watch, folder, count, 64)


def drain_by_256(watch: Stopwatch, folder: Path, count: int) -> None:
    """Claim and complete 256 at a time."""
    drain(watch, folder, count, 256)
