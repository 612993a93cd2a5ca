"""What property tests draw of a disk: plans that an engine lives through, or refuses to by its own error."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import find, given, settings

from bequest.engine.errors import StoreError
from bequest.engine.records import NewJob
from bequest.engine.store import Store
from bequest.testing.disk_vfs import OperationName
from bequest.testing.faulty_disk import FaultPlan, FaultyDisk
from bequest.testing.manual_clock import ManualClock
from bequest.testing.strategies import fault_plans

WRITES: tuple[OperationName, ...] = ("write", "sync", "truncate")


@settings(max_examples=40)
@given(fault_plans(operations=WRITES, latest=30))
def test_fault_plans_are_what_a_disk_goes_by(plan: FaultPlan) -> None:
    """Under each a store answers or raises its own error, and no more has failed than the plan says."""
    with tempfile.TemporaryDirectory() as folder, FaultyDisk(plan) as disk:
        try:
            store = Store.open(Path(folder, "jobs.db"), clock=ManualClock(), vfs=disk.vfs)
        except StoreError:
            assert disk.failed
            return
        try:
            with store.group():
                store.jobs.create([NewJob(kind="work")])
        except StoreError:
            assert disk.failed
        finally:
            store.close()

        assert disk.failed <= 1 or plan.is_sticky


def test_fault_plans_shrink() -> None:
    """What fails for any fault fails in the end for the first read, once and whole."""
    found = find(fault_plans(), lambda plan: plan.at is not None)

    assert found == FaultPlan(at=1, operations=("read",))
