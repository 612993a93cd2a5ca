"""What the tests of disks do to a store: small groups of its real verbs, from a seed; and a digest of all rows."""

from __future__ import annotations

import hashlib
from random import Random

from bequest.engine.definitions import Definition
from bequest.engine.errors import BequestError, StoreError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Document, JobError, Lease, LeaseRef, LogEntry, NewJob, State
from bequest.engine.store import Store

TERMS = [KindTerms(kind="page"), KindTerms(kind="flow")]
LEASE_S = 60.0
ENDS = (State.COMPLETED, State.COMPLETED, State.COMPLETED, State.FAILED, State.PENDING)
LARGE = 40_000  # bytes of a document that takes several pages


class StoreWorkload:
    """Does one step after the other; a step is what goes on inside one group."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._leases: list[Lease] = []
        self._parents: list[int] = []
        self._steps = (
            self.enqueue,
            self.enqueue,
            self.spawn,
            self.claim,
            self.claim,
            self.complete,
            self.complete,
            self.complete,
            self.merge,
            self.increment,
            self.log,
            self.release,
            self.judge,
            self.cancel,
            self.define,
        )

    def step(self, store: Store) -> None:
        """Do up to three things that belong together, each of which may be refused alone."""
        for _ in range(self._random.randint(1, 3)):
            try:
                with store.savepoint():
                    self._random.choice(self._steps)(store)
            except StoreError:
                raise
            except BequestError:
                pass  # such as a parent that is sealed: the model is the rows, whatever they are

    def enqueue(self, store: Store) -> None:
        """Make jobs, some of them under a key that is taken, and now and then one that waits for children."""
        number = self._random.randrange(30)
        store.jobs.create([NewJob(kind="page", key=f"key {number}"), NewJob(kind="page", max_attempts=2)])
        if self._random.random() < 0.5:
            made = store.jobs.create([NewJob(kind="flow", state=State.WAITING, metadata={"auth_id": "wiki"})])
            self._parents.append(made[0].job_id)

    def spawn(self, store: Store) -> None:
        """Make children of a parent, and perhaps seal it."""
        children = [NewJob(kind="page", key=f"child {self._random.randrange(9)}") for _ in range(3)]
        store.parents.spawn(self._parent(), children, seal=self._random.random() < 0.4)

    def claim(self, store: Store) -> None:
        """Take some jobs."""
        self._leases += store.claims.claim("default", TERMS, self._random.randint(1, 4), LEASE_S)

    def complete(self, store: Store) -> None:
        """End attempts with all that may come with it; some of the leases are stale."""
        count = min(len(self._leases), self._random.randint(1, 3))
        chosen = self._random.sample(self._leases, count)
        store.completions.complete([self._completion(store, lease) for lease in chosen])

    def merge(self, store: Store) -> None:
        """Merge keys into a job's metadata."""
        store.jobs.update_metadata(self._job(), {f"label {self._random.randrange(4)}": self._random.random()})

    def increment(self, store: Store) -> None:
        """Add to a counter in a job's metadata."""
        store.jobs.increment_metadata(self._job(), "count", 1)

    def log(self, store: Store) -> None:
        """Add a line to a job's log."""
        store.logs.add([LogEntry(job_id=self._job(), at=store.now, level="INFO", message="a line")])

    def release(self, store: Store) -> None:
        """Give a lease back, and let another one last."""
        if self._leases:
            refs = [LeaseRef(job_id=lease.job_id, token=lease.token) for lease in self._random.sample(self._leases, 1)]
            store.leases.release(refs) if self._random.random() < 0.5 else store.leases.renew(refs, LEASE_S)

    def judge(self, store: Store) -> None:
        """End the parents that are to end."""
        store.parents.judge(store.parents.waiting())

    def cancel(self, store: Store) -> None:
        """Cancel a job with all below it."""
        store.parents.cancel(self._job())

    def define(self, store: Store) -> None:
        """Keep a definition."""
        store.definitions.save(Definition.crawl(f"site {self._random.randrange(3)}", start_urls=["https://a.example/"]))

    def _job(self) -> int:
        return self._random.randint(1, 40)

    def _parent(self) -> int:
        return self._random.choice(self._parents or [1])

    def _completion(self, store: Store, lease: Lease) -> Completion:
        state = self._random.choice(ENDS)
        is_child = lease.parent_id is not None and state is State.COMPLETED
        key = f"https://a.example/{lease.job_id}"
        document = Document(
            url=key,
            url_key=key,
            status=200,
            title="A page",
            markdown="x" * self._random.choice((10, 2_000, LARGE)),
            depth=0,
            auth_id=None,
            fetched_at=store.now,
        )
        return Completion(
            job_id=lease.job_id,
            token=lease.token,
            state=state,
            error=JobError(type="broken", message="broken") if state is not State.COMPLETED else None,
            run_at=store.now if state is State.PENDING else None,
            document=document if is_child else None,
            links=(NewJob(kind="page", key=f"link {self._random.randrange(9)}"),) if is_child else (),
            children=(NewJob(kind="page"),) if state is State.COMPLETED and self._random.random() < 0.2 else (),
            logs=(LogEntry(job_id=lease.job_id, at=store.now, level="INFO", message="ended"),),
        )


def digest(store: Store) -> str:
    """Return what stands for every row of every table of the file."""
    rows = store._database.rows
    found = hashlib.blake2b(digest_size=16)
    with store.group():
        for (table,) in rows("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name"):
            found.update(repr((table, rows(f'SELECT * FROM main."{table}"'))).encode())
    return found.hexdigest()
