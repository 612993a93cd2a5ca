"""Owns what an engine says of itself."""

from __future__ import annotations

import enum

from ..engine.backup_file import BackupProgress
from ..engine.database import WAL_BOUND_BYTES
from ..engine.records import Record


class EngineState(enum.StrEnum):
    """Where an engine stands."""

    STOPPED = "stopped"
    RUNNING = "running"
    FAILED = "failed"  # a part of it kept dying; cause says why


class DiskFault(Record, frozen=True, kw_only=True):
    """That the database cannot be written."""

    since: float  # in seconds since the epoch, when the first write failed that none has succeeded after
    cause: str  # of the last one


class Health(Record, frozen=True, kw_only=True):
    """What an engine says of itself."""

    state: EngineState
    cause: str | None = None
    restarts: int = 0
    abandoned: int = 0  # threads whose handlers were given up and have not returned
    wal_bytes: int | None = None  # of the write-ahead log, while it is over its bound because somebody reads on and on
    disk_fault: DiskFault | None = None  # from a write that failed until one succeeds
    backup: BackupProgress | None = None  # of the one that is under way


def running_health(wal_bytes: int, *, cause: str | None, restarts: int) -> Health:
    """Return the health of a started engine whose log has that size; with a *cause* it has failed."""
    return Health(
        state=EngineState.RUNNING if cause is None else EngineState.FAILED,
        cause=cause,
        restarts=restarts,
        wal_bytes=wal_bytes if wal_bytes > WAL_BOUND_BYTES else None,
    )
