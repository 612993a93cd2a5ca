"""Cuts the power of the model at operations of a store's work, and holds what is left against what was acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar
from unittest import mock

from store_workload import StoreWorkload, digest

from bequest.engine import database as database_module
from bequest.engine.database_connection import Durability
from bequest.engine.errors import BequestError
from bequest.engine.records import NewJob
from bequest.engine.store import Store
from bequest.testing.disk_vfs import Disk, Operation
from bequest.testing.manual_clock import ManualClock
from bequest.testing.power_cut import PowerCut

T = TypeVar("T")

NAME = "jobs.db"
GROUPS = 30  # of an episode, at most
SHARE = 0.2  # of the operations at which the power is cut; of reads a tenth of that
GOES_ON = 0.8  # of the episodes begin with what a cut in the last one has left
CHECKPOINT_PAGES = 25  # so that the log is written back all the time
SMALL_CACHE = "PRAGMA cache_size=12"  # pages: what does not fit is written to the log before its commit


class Cut(NamedTuple):
    """A power cut: what it left, and what had been done."""

    left: dict[str, bytes]
    operation: str  # that was about to be done
    doing: str
    acknowledged: int  # so many commits


class Tally:
    """What came of all cuts."""

    def __init__(self) -> None:
        self.cuts = 0
        self.lost = 0  # cuts that took something acknowledged
        self.kept = 0  # cuts in a commit that was there all the same
        self.faults: list[str] = []  # what no cut may do: half a group, a file that does not open, a finding
        self.operations: Counter[str] = Counter()
        self.doings: Counter[str] = Counter()

    def __str__(self) -> str:
        return (
            f"{self.lost} of {self.cuts} cuts lost an acknowledged write, {self.kept} kept the commit under way, and"
            f" {len(self.faults)} left half a group, a finding or no database"
        )


class CutAnywhere(PowerCut):
    """Has *keep* told of each operation before it is done, and goes on."""

    def __init__(self, seed: int, keep: Callable[[PowerCut, Operation], None], *, lies: bool) -> None:
        super().__init__(seed, lies=lies)
        self._keep = keep

    def before(self, operation: Operation) -> None:
        self._keep(self, operation)


class Unsynced(Disk):
    """SQLite's own files, which nobody waits for: to look at what is left needs no durability."""

    syncs = False


class Episode:
    """A store that works for a while, on a new file or on what a cut has left with the rows of digest *base*."""

    def __init__(self, work: Path, seed: int, base: str | None, *, durability: Durability, lies: bool) -> None:
        self.cuts: list[Cut] = []
        self.states = [] if base is None else [base]  # digests of the rows after each commit
        self._acknowledged = len(self.states)
        self._random = Random(seed)  # noqa: S311 - repeated by its seed
        self._work = work
        self._durability = durability
        self._lies = lies
        self._seed = seed
        self._doing = "open"
        self._clock = ManualClock()

    def run(self) -> None:
        """Open, work, and close."""
        workload = StoreWorkload(self._random)
        with CutAnywhere(self._seed, self._keep, lies=self._lies) as disk:
            store = Store.open(self._work / NAME, clock=self._clock, vfs=disk.vfs, durability=self._durability)
            if not self.states:
                self._acknowledge(store)
            if self._random.random() < 0.3:
                store._database.script(SMALL_CACHE)
            for _ in range(self._random.randint(3, GROUPS)):
                self._tidy(store)
                self._doing = "group"
                with store.group():
                    workload.step(store)
                self._acknowledge(store)
                self._clock.advance(self._random.choice((0.0, 1.0, 20.0)))
            self._doing = "close"
            store.close()

    def _tidy(self, store: Store) -> None:
        """Do what the manager does between groups."""
        chance = self._random.random()
        if chance < 0.1:
            self._doing = "truncate"
            store.truncate_wal()
        elif chance < 0.15:
            self._doing = "open"
            store.reopen()
        else:
            self._doing = "checkpoint"
            store.checkpoint()

    def _acknowledge(self, store: Store) -> None:
        self._acknowledged += 1
        self._doing = "idle"
        self.states.append(digest(store))

    def _keep(self, disk: PowerCut, operation: Operation) -> None:
        if self._random.random() < (SHARE / 10 if operation.name == "read" else SHARE):
            self.cuts.append(Cut(disk.left(), operation.name, self._doing, self._acknowledged))


def cut_power(work: Path, cuts: int, seed: int, *, durability: Durability = "full", lies: bool = False) -> Tally:
    """Cut the power so many times, in episodes each of which goes on from what a cut in the last one has left."""
    tally, random = Tally(), Random(seed)  # noqa: S311 - repeated by its seed
    left: dict[str, bytes] = {}
    base: str | None = None
    with mock.patch.object(database_module, "CHECKPOINT_PAGES", CHECKPOINT_PAGES):
        while tally.cuts < cuts:
            number = random.getrandbits(32)
            fill(work, left)
            episode = Episode(work, number, base, durability=durability, lies=lies)
            episode.run()
            found = [
                judge(work, cut, episode.states, tally, f"seed {seed}, episode {number}, cut {index}")
                for index, cut in enumerate(episode.cuts)
            ]
            goes_on = not lies and random.random() < GOES_ON
            left, base = random.choice(
                [(cut.left, one) for cut, one in zip(episode.cuts, found, strict=True)] if goes_on else [({}, None)]
            )
    return tally


def fill(folder: Path, left: dict[str, bytes]) -> None:
    """Have *folder* hold nothing but what is *left*, in new files: ext4 waits for one that is cut to nothing first."""
    for file in folder.iterdir():
        file.unlink()
    for name, content in left.items():
        folder.joinpath(name).write_bytes(content)


def judge(work: Path, cut: Cut, states: list[str], tally: Tally, where: str) -> str | None:
    """Note what a cut has left; return the digest of its rows, None where there is no database."""
    tally.cuts += 1
    tally.operations[cut.operation] += 1
    tally.doings[cut.doing] += 1
    where = f"{where}: {cut.operation} during {cut.doing}"
    fill(work, cut.left)
    found = look(work / NAME, tally, where)
    before, under_way = states[: cut.acknowledged], states[cut.acknowledged : cut.acknowledged + 1]
    if found != (before[-1] if before else None):
        if [found] == under_way:
            tally.kept += 1
        elif found in before or found is None:
            tally.lost += 1
        else:
            tally.faults.append(f"{where}: half a group")
    return found


def look(path: Path, tally: Tally, where: str) -> str | None:
    """Open what a cut has left, examine it, return the digest of its rows, and write to it."""
    if not path.exists():
        return None
    try:
        with Unsynced() as disk:
            store = Store.open(path, clock=ManualClock(), vfs=disk.vfs)
            try:
                found = digest(store)
                with store.group():
                    findings = store.queries.integrity()
                    store.jobs.create([NewJob(kind="page")])
            finally:
                store.close()
    except BequestError as error:
        tally.faults.append(f"{where}: {error}")
        return None
    tally.faults += [f"{where}: {finding}" for finding in findings]
    return found
