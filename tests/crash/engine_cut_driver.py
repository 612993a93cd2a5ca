"""Cuts the power under a whole engine, and has another one go on with what the medium kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

from engine_workload import EngineWorkload, faults_after
from power_cut_driver import Unsynced

from bequest.testing.power_cut import PowerCut


class Tally:
    """What came of all cuts."""

    def __init__(self) -> None:
        self.cuts = 0
        self.acknowledged = 0  # jobs, before the cuts
        self.faults: list[str] = []


def cut_engines(folder: Path, cuts: int, seed: int) -> Tally:
    """Cut the power so many times, each time at another operation of an engine's life; an error names the *seed*."""
    tally, random = Tally(), Random(seed)  # noqa: S311 - repeated by its seed
    operations = count_operations(folder)
    while tally.cuts < cuts:
        at, number = random.randint(1, operations), random.getrandbits(32)
        (work := folder / "cut").mkdir()
        cut_once(work, number, at, tally, f"seed {seed}, cut {number} at {at}")
        shutil.rmtree(work)
    return tally


def count_operations(folder: Path) -> int:
    """Return how many operations an engine's life has."""
    with PowerCut(0) as disk:
        live(EngineWorkload(folder / "counted.db", disk.vfs))
        return disk.counted.total()


def live(workload: EngineWorkload) -> None:
    """Have an engine start, work and stop, as far as its disk lets it."""
    workload.attempt(workload.engine.start)
    if workload.is_running:
        workload.enqueue_all()
        workload.go_on(moments=3)
    workload.engine.stop()


def cut_once(work: Path, number: int, at: int, tally: Tally, where: str) -> None:
    """Cut the power at one operation, and go on."""
    (left := work / "left").mkdir()
    with PowerCut(number, cut_at=at) as disk:
        workload = EngineWorkload(work / "jobs.db", disk.vfs)
        live(workload)
        tally.cuts += disk.is_cut
        disk.after_cut(left)
    tally.acknowledged += len(workload.acknowledged)
    path = left / "jobs.db"
    faults = faults_after(path, workload)
    with Unsynced() as whole:
        again = EngineWorkload(path, whole.vfs)
        again.acknowledged |= workload.acknowledged
        if not (again.start() and again.go_on()):
            faults.append(f"it does not go on: {again.engine.health()}")
        again.engine.stop()
    faults += [*faults_after(path, again), *map(str, again.errors)]
    tally.faults += [f"{where}: {fault}" for fault in faults]
