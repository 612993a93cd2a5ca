"""Owns what a program asks of an engine about its database: prune, archive, back up, examine, and read logs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from ..engine.archive import archive_at
from ..engine.backup_file import BackupProgress, building_at
from ..engine.clock import Clock
from ..engine.database import MEMORY
from ..engine.database_file import open_reader
from ..engine.errors import BackupError, BequestError, EngineStoppedError
from ..engine.integrity import Finding
from ..engine.log_queries import LogLine
from ..engine.prune_queries import Prunable
from ..engine.queries import Queries
from ..engine.retention import Retention
from .address import Address
from .given import check_retention, checked_path
from .housekeeping_messages import BeginBackup, CheckIntegrity, EndBackup, ListPrunable, PruneRun, StepBackup
from .pruner import Pruner
from .query_messages import ListLogs
from .threads import Threads

INTEGRITY_TIMEOUT_S = 600.0


class Housekeeping:
    """The part of ``Engine`` that is about its database."""

    manager: Address
    _reader: Address
    _clock: Clock
    _path: str

    def __init__(self, retention: Retention | None, vfs: str | None, threads: Threads) -> None:
        self._retention = retention
        self._vfs = vfs
        self._housekeeper = Address("housekeeper", threads)
        self._pruner: Pruner | None = None
        self._backup: BackupProgress | None = None  # of the one that is under way
        self._backing_up = threading.Lock()

    def prune(self, retention: Retention) -> int:
        """Delete all runs and jobs that have ended and that *retention* is over for now; return how many jobs.

        It goes in small steps, between which others are served; a run leaves whole, its root first. Where the retention
        names an archive, what leaves is durable in it before it is deleted. An interrupted pruning is finished by the
        next. Raises ``ArchiveError`` before anything has left, or with what left still in the database.
        """
        check_retention(retention)
        pruner = self._running_pruner()
        retention = with_archive(retention, pruner.archive_at)
        now = self._clock.now()
        pruned = 0
        while (left := pruner.step(retention, now)) is not None:
            pruned += left
        return pruned

    def prunable(self, retention: Retention) -> list[Prunable]:
        """Return what ``prune`` would delete now, by kind and state; nothing is deleted."""
        check_retention(retention)
        found: list[Prunable] = self._reader.ask(ListPrunable(retention=retention, now=self._clock.now()))
        return found

    def archive(self, path: str | os.PathLike[str], job_id: int) -> None:
        """Move a job without a parent that has ended, with all below it, to the end of the file *path*.

        One JSON object a line, durable before it is deleted. Raises ``ArchiveError``, ``JobNotFoundError``, and
        ``TransitionError`` for what has not ended or has a parent.
        """
        archive = self._running_pruner().archive_at(checked_path(path))
        self.manager.ask(PruneRun(job_id=job_id, archive=archive))
        self.prune(Retention())

    def backup(
        self, path: str | os.PathLike[str], *, on_progress: Callable[[BackupProgress], None] = lambda _: None
    ) -> BackupProgress:
        """Copy the database to *path* while it is written to; durable on return, and complete as of shortly before.

        It is copied in small steps, between which others are served, and *on_progress* is called after each, on this
        thread. The file is readable by its owner only, and takes the place of an older backup at once. Raises
        ``BackupError``, also while another backup is under way; then *path* is as it was.
        """
        self._check_process()
        target = checked_path(path)
        if not callable(on_progress):
            raise BackupError(f"on_progress is a function, found a {type(on_progress).__name__}")
        if not self._backing_up.acquire(blocking=False):
            raise BackupError(f"asked to back up to {target}, found another backup under way; wait for its end")
        try:
            with building_at(Path(target), source=self._path) as building:
                return self._copy(str(building), on_progress)
        finally:
            self._backup = None
            self._backing_up.release()

    def integrity(self, *, is_quick: bool = False, timeout_s: float = INTEGRITY_TIMEOUT_S) -> list[Finding]:
        """Return what is wrong with the file and the rows in it, nothing when all is well; *is_quick* looks at less.

        It reads beside everything else, on this thread, and for as long as one check takes the write-ahead log cannot
        be cut short. Raises ``DeadlineError`` after *timeout_s* seconds.
        """
        self._check_process()
        query = CheckIntegrity(is_quick=is_quick)
        if self._path == MEMORY:
            found: list[Finding] = self.manager.ask(query, timeout_s=timeout_s)
            return found
        reader = open_reader(self._path, clock=self._clock, vfs=self._vfs)
        try:
            with reader.deadline(timeout_s, gives_way=False):
                return query.read(Queries(reader))
        finally:
            reader.close()

    def logs(self, job_id: int, *, level: str = "DEBUG", after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Return up to *limit* lines of the log of a job and all below it, of *level* or above, in one order.

        Each has a number, and *after* the number of the last one read come those that were written later; it can be
        kept. Raises ``JobNotFoundError`` and ``LogLevelError``.
        """
        found: list[LogLine] = self._reader.ask(ListLogs(job_id=job_id, level=level, after_id=after, limit=limit))
        return found

    def _copy(self, building: str, on_progress: Callable[[BackupProgress], None]) -> BackupProgress:
        try:
            progress: BackupProgress = self.manager.ask(BeginBackup(building=building))
            while not progress.is_complete:
                progress = self.manager.ask(StepBackup())
                self._backup = progress
                on_progress(progress)
        finally:
            with suppress(BequestError):
                self.manager.ask(EndBackup())
        return progress

    def _check_process(self) -> None:
        """Raise ``ForkError`` in a forked child."""
        raise NotImplementedError

    def _running_pruner(self) -> Pruner:
        self._check_process()
        if self._pruner is None:
            raise EngineStoppedError("the engine is not running; start it, or use it in a with block")
        return self._pruner


def with_archive(retention: Retention, archive_at: Callable[[str], Path | str] = archive_at) -> Retention:
    """Return *retention* with the place of its archive made out, and the file there; raises ``ArchiveError``."""
    if retention.archive is None:
        return retention
    return msgspec.structs.replace(retention, archive=str(archive_at(retention.archive)))
