"""Owns the truth: one database file, its owner lock, and every verb that reads or writes it.

    with store.group():          # one transaction; durable when the block has ended (I1)
        store.jobs.create(...)
        store.leases.claim(...)

All verbs run inside a group. Used by one thread at a time; holds I19: closing and opening again changes no row.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .changes import Changes
from .clock import Clock
from .credential_store import CredentialStore
from .database import MEMORY, Database, Durability, database_at
from .database_file import check_file, open_database
from .definition_store import DefinitionStore
from .document_store import DocumentStore
from .job_store import JobStore
from .lease_store import LeaseStore
from .log_store import LogStore
from .owner import OwnerLock
from .queries import Queries


class Store:
    """Every verb of the database, by aggregate."""

    def __init__(self, database: Database, lock: OwnerLock | None) -> None:
        self.changes = Changes()
        self.jobs = JobStore(database, self.changes)
        self.documents = DocumentStore(database)
        self.logs = LogStore(database)
        self.leases = LeaseStore(database, self.changes, self.jobs, self.documents, self.logs)
        self.definitions = DefinitionStore(database)
        self.credentials = CredentialStore(database, self.changes)
        self.queries = Queries(database)
        self._database = database
        self._lock = lock

    @classmethod
    def open(cls, path: Path | str, *, clock: Clock, durability: Durability = "full") -> Store:
        """Open the database at *path* as its one owner, making it if it does not exist; ``":memory:"`` is none's file.

        Raises ``DatabaseOwnedError`` and all that ``open_database`` raises.
        """
        where = database_at(path)
        if where == MEMORY:
            return cls(open_database(where, durability=durability, clock=clock), None)
        check_file(Path(where))  # before anything is written beside it
        lock = OwnerLock(Path(where))
        lock.acquire()
        try:
            return cls(open_database(where, durability=durability, clock=clock), lock)
        except BaseException:
            lock.release()
            raise

    @property
    def now(self) -> float:
        """The time of the group that is open, in seconds since the epoch."""
        return self._database.now

    @property
    def total_changes(self) -> int:
        """How many rows were changed since opening; grows with every write."""
        return self._database.total_changes

    @contextmanager
    def group(self) -> Generator[None]:
        """Run the block as one transaction; raises ``CommitInDoubtError`` when the commit itself fails."""
        self.changes.clear()
        with self._database.group():
            yield

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Run the block so that it is undone alone when it raises."""
        with self._database.savepoint():
            yield

    def checkpoint(self) -> None:
        """Write the WAL back if it has grown large; between groups."""
        self._database.checkpoint()

    def truncate_wal(self) -> None:
        """Write the whole WAL back; for when nothing else is due."""
        self._database.truncate_wal()

    def reopen(self) -> None:
        """Close and open the file again, after a commit in doubt; the lock is kept."""
        self._database.reopen()

    def close(self) -> None:
        """Close the file and give up the lock."""
        self._database.close()
        if self._lock is not None:
            self._lock.release()
