"""Owns database files with many jobs, made in a short time: copies of rows that the engine itself has made.

Two jobs are stored and one of them is run, by the engine; then plain SQL multiplies their rows, without indexes and
triggers, which come back at the end. So the file has whatever schema the engine has.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from bequest import Engine, JobContext

KIND = "noop"
PENDING = 0.8  # of all jobs; the others have completed
STEP = 500_000  # rows in a transaction


def grown(folder: Path, rows: int) -> Path:
    """Return a file with so many jobs of ``KIND``; it is made once and then used again as it is."""
    path = folder / f"grown {rows}.db"
    if not path.exists():
        making = folder / f"making {rows}.db"
        begin(making)
        multiply(making, rows)
        making.replace(path)
    return path


def begin(path: Path) -> None:
    """Make a file with a job that has completed and one that is pending."""
    engine = Engine(path)

    @engine.kind(KIND)
    def noop(job: JobContext, number: int) -> None:
        """Do nothing."""

    with engine:
        engine.enqueue(noop, 1).result(60)
        engine.pause()
        engine.enqueue(noop, 2)


def multiply(path: Path, rows: int) -> None:
    """Copy its two jobs until there are *rows*, of which ``PENDING`` are pending."""
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000")
        later = list(
            connection.execute(
                "SELECT type, name, sql FROM sqlite_schema"
                " WHERE tbl_name = 'job' AND type IN ('index', 'trigger') AND sql IS NOT NULL"
            )
        )
        for kind, name, _ in later:
            connection.execute(f"DROP {kind} {name}")
        pending = int(rows * PENDING)
        copy(connection, "state > 0", rows - pending - 1)
        copy(connection, "state = 0", pending - 1)
        connection.execute("UPDATE stat SET pending = ?, completed = ?", (pending, rows - pending))
        for _, _, sql in later:
            connection.execute(sql)
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def copy(connection: apsw.Connection, which: str, times: int) -> None:
    """Copy the first row of a state so often."""
    columns = [name for _, name, _, _, _, _, hidden in connection.execute("PRAGMA table_xinfo(job)") if not hidden]
    others = ", ".join(name for name in columns if name != "id")
    row_id = connection.execute(f"SELECT min(id) FROM job WHERE {which}").get
    for start in range(0, times, STEP):
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            f" INSERT INTO job ({others}) SELECT {others} FROM n CROSS JOIN job WHERE id = ?",
            (min(STEP, times - start), row_id),
        )
