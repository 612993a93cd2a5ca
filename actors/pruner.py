"""Owns the order of pruning: jobs leave, what belonged to them is archived and synced, and only then it is deleted.

Each step is one short transaction of the manager's, so nobody waits long for it. The archive is written on the thread
of whoever prunes, never on the manager's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..engine.archive import Archived, Part, append, archive_at, line_of
from ..engine.clock import Clock
from ..engine.retention import Retention
from .address import Address
from .housekeeping_messages import DeletePruned, ListParts, PruneJobs


class Pruner:
    """Prunes for any number of threads, one step at a time."""

    def __init__(self, manager: Address, reader: Address, clock: Clock) -> None:
        self._manager = manager
        self._reader = reader
        self._clock = clock
        self._lock = manager.threads.lock()

    def archive_at(self, path: str) -> str:
        """Return the archive that *path* leads to, made if it is not there, once no step writes to it.

        Raises ``ArchiveError``.
        """
        with self._lock:
            return str(archive_at(path))

    def step(self, retention: Retention, now: float) -> int | None:
        """Do a little of what is to be pruned at *now*; return how many jobs left by it, None when all is done.

        What an interrupted pruning has left comes first, and goes to the archive that it was to go to. Raises
        ``ArchiveError``, with all that left still in the database.
        """
        with self._lock:
            parts: list[Part] = self._reader.ask(ListParts())
            if parts:
                self._finish(parts)
                return 0
            left: int = self._manager.ask(PruneJobs(retention=retention, now=now))
            return left or None

    def _finish(self, parts: Sequence[Part]) -> None:
        lines: dict[str, list[bytes]] = {}
        for part in parts:
            if part.archive is not None:
                lines.setdefault(part.archive, []).append(line_of(part, self._clock.now()))
        for archive, added in lines.items():
            append(Path(archive), added)
        archived = tuple(
            Archived(job_id=part.job_id, last_error_id=part.last_error_id, last_log_id=part.last_log_id)
            for part in parts
        )
        self._manager.ask(DeletePruned(archived=archived))
