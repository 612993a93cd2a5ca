"""Owns the backup that is under way on the store's own connection, a step at a time, between groups.

On a connection of its own it would begin anew with every commit; on this one what is written meanwhile is in it.
"""

from __future__ import annotations

from .backup_file import BackupProgress
from .database import Database
from .database_copy import Copy
from .errors import BackupError


class BackupStore:
    """The one backup of the store; its steps run outside of every group."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._copy: Copy | None = None

    def begin(self, building: str) -> BackupProgress:
        """Begin to copy into the empty file at *building*; a backup that was under way ends. Raises ``BackupError``."""
        self.end()
        self._copy = self._database.copy_to(building)
        return BackupProgress(done=0, total=1)

    def step(self, pages: int) -> BackupProgress:
        """Copy so many more pages; raises ``BackupError`` when none is under way, or when it cannot go on."""
        if self._copy is None:
            raise BackupError("asked to go on with a backup, found none under way; begin it anew")
        done, total = self._copy.step(pages)
        progress = BackupProgress(done=done, total=total)
        if progress.is_complete:
            self.end()
        return progress

    def end(self) -> None:
        """Leave the backup as it is, complete or not."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None
