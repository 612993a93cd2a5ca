"""Owns how a file is connected to: through which VFS, with which settings, for writing or for reading only.

A VFS is what SQLite reaches files through. Its own is taken unless another is named, which whoever names it has
registered: those of ``testing/`` fail or lose on purpose.
"""

from __future__ import annotations

from typing import Literal

import apsw

from .errors import StoreError

Durability = Literal["full", "relaxed"]

BUSY_TIMEOUT_MS = 5_000  # a reader that takes part in recovery holds the file for an instant
SETTINGS = "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY"
SYNCHRONOUS = {"full": "FULL", "relaxed": "NORMAL"}


def check_vfs(vfs: str | None) -> None:
    """Raise ``StoreError`` for the name of a VFS that is not registered; None is SQLite's own."""
    names = apsw.vfs_names()
    if vfs is not None and vfs not in names:
        raise StoreError(f"asked for the VFS {vfs!r}, found {', '.join(map(repr, names))}; register it or name another")


def connect(path: str, durability: Durability, vfs: str | None) -> apsw.Connection:
    """Connect to *path* for writing; what is gone is not made anew, empty."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    _keep_plans(connection)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # until a close is asked for
    run_all(
        connection,
        f"{SETTINGS}; PRAGMA synchronous={SYNCHRONOUS[durability]}; PRAGMA wal_autocheckpoint=0;"
        "PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON",
    )
    return connection


def connect_to_read(path: str, vfs: str | None) -> apsw.Connection:
    """Connect to *path* for reading only, beside its owner."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    _keep_plans(connection)
    run_all(connection, f"{SETTINGS}; PRAGMA query_only=ON")
    return connection


def run_all(connection: apsw.Connection, sql: str) -> None:
    """Run several statements; apsw stops before the one after a row, until that row is fetched."""
    connection.execute(sql).fetchall()


def _keep_plans(connection: apsw.Connection) -> None:
    """Have a statement planned once, not again for each value that it is given.

    Built with STAT4, as APSW's is, SQLite plans anew, triggers and all, whenever a value bound to a compared column
    has changed: 0.2 ms at each claim. https://www.sqlite.org/queryplanner-ng.html#qpstab
    """
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
