"""Owns the truth: one database file, its owner lock, and every verb that reads or writes it.

    with store.group():          # one transaction; durable when the block has ended (I1)
        store.jobs.create(...)
        store.claims.claim(...)

All verbs run inside a group. Used by one thread at a time; holds I19: closing and opening again changes no row.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from .attempt_store import AttemptStore
from .backup_store import BackupStore
from .changes import Changes, Stall
from .claim_store import ClaimStore
from .clock import Clock
from .completion_store import CompletionStore
from .control_store import ControlStore
from .credential_store import CredentialStore
from .database import MEMORY, Database, database_at
from .database_connection import Durability, check_vfs
from .database_file import check_file, open_database
from .definition_store import DefinitionStore
from .document_store import DocumentStore
from .integrity import Finding, find_broken
from .job_inserts import JobInserts
from .job_store import JobStore
from .lease_store import LeaseStore
from .log_store import LogStore
from .owner import OwnerLock
from .parent_store import ParentStore
from .prune_store import PruneStore
from .queries import Queries
from .rotation_store import RotationStore
from .row_checks import UNDONE_JOBS, UNDONE_SCHEDULES
from .run_status import status_of
from .schedule_store import ScheduleStore
from .stat_store import StatStore


class Store:
    """Every verb of the database, by aggregate."""

    def __init__(self, database: Database, lock: OwnerLock | None) -> None:
        self.changes = Changes()
        inserts = JobInserts(database, self.changes)
        self.parents = ParentStore(database, self.changes, inserts)
        self.jobs = JobStore(database, self.changes, inserts, self.parents)
        self.control = ControlStore(database, self.changes, inserts, self.parents)
        self.claims = ClaimStore(database, self.changes)
        self.stats = StatStore(database, self.changes)
        self.documents = DocumentStore(database)
        self.logs = LogStore(database)
        attempts = AttemptStore(database, self.changes, self.parents, self.claims)
        self.leases = LeaseStore(database, self.changes, attempts)
        self.completions = CompletionStore(database, attempts, self.parents, self.documents, self.logs)
        self.schedules = ScheduleStore(database, self.changes, self.jobs, self.claims)
        self.definitions = DefinitionStore(database)
        self.credentials = CredentialStore(database, self.changes)
        self.rotation = RotationStore(database, self.credentials)
        self.queries = Queries(database)
        self.prunes = PruneStore(database, self.changes)
        self.backups = BackupStore(database)
        self._database = database
        self._lock = lock

    @classmethod
    def open(cls, path: Path | str, *, clock: Clock, durability: Durability = "full", vfs: str | None = None) -> Store:
        """Open the database at *path* as its one owner, making it if it does not exist; ``":memory:"`` is none's file.

        SQLite reaches the file through the VFS named *vfs*, None is its own; one that is not registered is refused
        before anything is written. Raises ``DatabaseOwnedError`` and all that ``open_database`` raises.
        """
        check_vfs(vfs)
        where = database_at(path)
        if where == MEMORY:
            return cls(open_database(where, durability=durability, clock=clock, vfs=vfs), None)
        check_file(Path(where))  # before anything is written beside it
        lock = OwnerLock(Path(where))
        lock.acquire()
        try:
            return cls(open_database(where, durability=durability, clock=clock, vfs=vfs), lock)
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

    @property
    def rollbacks(self) -> int:
        """Grows whenever what was done in a group may have been undone."""
        return self._database.rollbacks

    def group(self) -> AbstractContextManager[None]:
        """Run the block as one transaction; raises ``CommitInDoubtError`` when the commit itself fails."""
        return self._counted(self._database.group())

    def loose_group(self) -> AbstractContextManager[None]:
        """Run the block as a group in which foreign keys are neither looked at nor followed; for pruning."""
        return self._counted(self._database.loose_group())

    @contextmanager
    def _counted(self, transaction: AbstractContextManager[None]) -> Generator[None]:
        self.changes.clear()
        try:
            with transaction:
                self.leases.follow_clock()
                yield
                if self.changes.moves:
                    self.follow_up()
                    self.stats.count()
                    self._note_stalls()
        except BaseException:
            self.changes.clear()  # it is undone, or in doubt: nobody is to be told of it
            raise

    def _note_stalls(self) -> None:
        """Note the runs that go no further until a credential is put right."""
        for job_id in sorted(self.changes.page_roots):
            view = self.queries.find(job_id)
            is_stalled = view is not None and status_of(view).is_stalled
            why = self.queries.why_stalled(job_id) if is_stalled else None
            if why is not None:
                self.changes.notices.append(Stall(job_id, *why))

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Run the block so that it is undone alone when it raises."""
        mark = self.changes.mark()
        try:
            with self._database.savepoint():
                yield
        except BaseException:
            self.changes.undo(mark)
            raise

    def follow_up(self) -> None:
        """Make the jobs that were to come after one that has ended."""
        self.jobs.follow_up()
        self.schedules.follow_up()

    def is_idle(self) -> bool:
        """Return whether no job runs or is due and no parent can be judged."""
        return not self.claims.has_work() and not any(self.parents.ripe(self.parents.waiting()))

    def undone(self) -> list[Finding]:
        """Return what an engine does not leave as it is while it runs: it may be in the middle of it."""
        ripe = self.parents.ripe(self.parents.waiting()).to_judge
        found = [Finding(check="I9", message=f"job {one} waits and all below it has ended") for one in ripe]
        found += find_broken(self._database, UNDONE_JOBS, (self.now,))
        if not self.claims.is_kept:
            found += find_broken(self._database, UNDONE_SCHEDULES, (self.now,))
        return found

    @property
    def is_wal_over(self) -> bool:
        """Whether somebody reads an old state of the file, so that the WAL has grown past its bound."""
        return self._database.is_wal_over

    @property
    def wal_bytes(self) -> int:
        """The size of the WAL's file; any thread may ask."""
        return self._database.wal_bytes

    def checkpoint(self) -> None:
        """Write the WAL back if it has grown large; between groups."""
        self._database.checkpoint()

    def truncate_wal(self) -> None:
        """Write the whole WAL back; for when nothing else is due."""
        self._database.truncate_wal()

    def reopen(self) -> None:
        """Close and open the file again, after a commit in doubt; the lock is kept."""
        self._database.reopen()

    def abandon(self) -> None:
        """Leave the file as the end of the process would: what was not committed is lost, and the WAL stays."""
        self._database.abandon()
        self._release()

    def close(self) -> None:
        """Close the file and give up the lock."""
        self._database.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
