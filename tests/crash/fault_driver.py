"""Fails single operations of the disk under a whole engine, and holds what it says and keeps against what is true."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

from engine_workload import EngineWorkload, faults_after, is_true_cause

from bequest.testing.disk_vfs import ErrorName, OperationName
from bequest.testing.faulty_disk import FaultPlan, FaultyDisk

ALL: tuple[OperationName, ...] = ("write", "sync", "truncate", "read", "open", "delete")
ERRORS: tuple[ErrorName, ...] = ("io", "full")


class Tally:
    """What came of all faults."""

    def __init__(self) -> None:
        self.runs = 0
        self.met = 0  # runs in which the fault was met
        self.refused = 0  # calls that were answered with an error
        self.failed = 0  # engines that said so
        self.faults: list[str] = []

    def __str__(self) -> str:
        return (
            f"{self.met} faults met, {self.refused} calls refused, {self.failed} engines failed, and"
            f" {len(self.faults)} times something was lost, doubled or misnamed"
        )


def count_operations(folder: Path, operations: tuple[OperationName, ...] = ALL) -> int:
    """Return how many operations there are to fail."""
    with FaultyDisk(FaultPlan(operations=operations)) as disk:
        workload = EngineWorkload(folder / f"counted {'-'.join(operations)}.db", disk.vfs)
        workload.start()
        workload.enqueue_all()
        workload.go_on()
        workload.engine.stop()
        return disk.met


def plans_of(folder: Path, share: float, seed: int) -> list[FaultPlan]:
    """Return plans for that *share* of all operations, of each kind at least one: each error, once and for good."""
    random = Random(seed)  # noqa: S311 - repeated by its seed
    plans: list[FaultPlan] = []
    for operation in ALL:
        count = count_operations(folder, (operation,))
        numbers = range(1, count + 1)
        plans += [
            FaultPlan(at=at, operations=(operation,), error=error, is_sticky=is_sticky, is_short=random.random() < 0.5)
            for error in ERRORS
            for is_sticky in (False, True)
            for at in random.sample(numbers, max(1, round(share * count)))
        ]
    return plans


def fail_each(folder: Path, plans: Sequence[FaultPlan]) -> Tally:
    """Have an engine work once for each plan, on a new disk."""
    tally = Tally()
    for plan in plans:
        (work := folder / "faulty").mkdir()
        fail_once(work / "jobs.db", plan, tally)
        shutil.rmtree(work)
    return tally


def fail_once(path: Path, plan: FaultPlan, tally: Tally) -> None:
    """Have an engine work on a disk that fails as planned, and go on once that is over; note what was wrong."""
    faults: list[str] = []
    with FaultyDisk(plan) as disk:
        workload = EngineWorkload(path, disk.vfs)
        is_started = workload.start()
        if is_started:
            workload.enqueue_all()
        if plan.is_sticky:
            workload.go_on(moments=4)
            disk.heal()
        if not is_started and not workload.start():
            faults.append("it does not start on a disk that works")
        if workload.is_running:
            workload.enqueue_all()
        if not workload.go_on():
            faults.append(f"it neither goes on nor has failed: {workload.engine.health()}")
        tally.failed += not workload.is_running
        workload.engine.stop()
        disk.heal()
        tally.met += disk.failed > 0
    faults += faults_after(path, workload)
    faults += [f"{type(error).__name__}: {error}" for error in workload.errors if not is_true_cause(error)]
    tally.runs += 1
    tally.refused += len(workload.errors)
    tally.faults += [f"{plan}: {fault}" for fault in faults]
