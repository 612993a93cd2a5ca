"""Owns the messages of housekeeping: pruning and backups in small steps, and the reads that go with them."""

from __future__ import annotations

from typing import ClassVar

from ..engine.archive import Archived, Part
from ..engine.backup_file import PAGES_A_STEP, BackupProgress
from ..engine.integrity import Finding
from ..engine.prune_queries import Prunable
from ..engine.queries import Queries
from ..engine.retention import Retention
from ..engine.store import Store
from .messages import Footing, Request
from .query_messages import Query

LEAVING_AT_ONCE = 200  # jobs, in one transaction


class PruneJobs(Request, frozen=True, kw_only=True):
    """Have some jobs leave: those below jobs that have left, else roots whose time is over; reply how many."""

    footing: ClassVar[Footing] = Footing.LOOSE
    retention: Retention
    now: float

    def apply(self, store: Store) -> int:
        """Have them leave."""
        return store.prunes.take_below(LEAVING_AT_ONCE) or store.prunes.take_over(
            self.retention, self.now, LEAVING_AT_ONCE
        )


class PruneRun(Request, frozen=True, kw_only=True):
    """Have one root leave for an archive that has ended, whenever that was."""

    footing: ClassVar[Footing] = Footing.LOOSE
    job_id: int
    archive: str

    def apply(self, store: Store) -> None:
        """Have it leave."""
        store.prunes.take_run(self.job_id, self.archive)


class DeletePruned(Request, frozen=True, kw_only=True):
    """Delete what belonged to jobs that have left, up to what is archived of it."""

    footing: ClassVar[Footing] = Footing.LOOSE
    archived: tuple[Archived, ...]

    def apply(self, store: Store) -> None:
        """Delete it."""
        store.prunes.delete(self.archived)


class ListParts(Query, frozen=True, kw_only=True):
    """Reply the next ``Part`` records of jobs that have left, perhaps none."""

    def read(self, queries: Queries) -> list[Part]:
        """Read them."""
        return queries.prunes.parts()


class ListPrunable(Query, frozen=True, kw_only=True):
    """Reply what a retention is over for, as ``Prunable`` records."""

    retention: Retention
    now: float

    def read(self, queries: Queries) -> list[Prunable]:
        """Read it."""
        return queries.prunes.prunable(self.retention, self.now)


class CheckIntegrity(Query, frozen=True, kw_only=True):
    """Reply what is wrong with the file and the rows in it, as ``Finding`` records."""

    is_quick: bool = False

    def read(self, queries: Queries) -> list[Finding]:
        """Look."""
        return queries.integrity(is_quick=self.is_quick)


class ListUndone(Request, frozen=True, kw_only=True):
    """Reply what an engine that runs does not leave as it is, as ``Finding`` records."""

    def apply(self, store: Store) -> list[Finding]:
        """Look."""
        return store.undone()


class CutWal(Request, frozen=True, kw_only=True):
    """Write the whole write-ahead log back and cut it short, if nobody reads an old state of the file."""

    footing: ClassVar[Footing] = Footing.NONE

    def apply(self, store: Store) -> None:
        """Try it."""
        store.truncate_wal()


class BeginBackup(Request, frozen=True, kw_only=True):
    """Begin to copy the database into an empty file; reply ``BackupProgress``. One that was under way ends."""

    footing: ClassVar[Footing] = Footing.NONE
    building: str

    def apply(self, store: Store) -> BackupProgress:
        """Begin it."""
        return store.backups.begin(self.building)


class StepBackup(Request, frozen=True, kw_only=True):
    """Copy some more pages; reply ``BackupProgress``."""

    footing: ClassVar[Footing] = Footing.NONE
    pages: int = PAGES_A_STEP

    def apply(self, store: Store) -> BackupProgress:
        """Copy them."""
        return store.backups.step(self.pages)


class EndBackup(Request, frozen=True, kw_only=True):
    """Leave a backup as it is."""

    footing: ClassVar[Footing] = Footing.NONE

    def apply(self, store: Store) -> None:
        """Leave it."""
        store.backups.end()
