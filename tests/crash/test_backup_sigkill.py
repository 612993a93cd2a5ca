"""A backup is killed with SIGKILL at every step: it is whole or absent, and the database is as it was (I1)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries
from bequest.engine.records import NewJob
from bequest.engine.store import Store

CHILD = Path(__file__).with_name("backup_child.py")
JOBS = 1_500
SIZE = 4_000  # of each job: six steps and more
DEADLINE_S = 120


def fill(database: Path) -> None:
    store = Store.open(database, clock=SystemClock(), durability="relaxed")
    with store.group():
        store.jobs.create([NewJob(kind="page", config="x" * SIZE)] * JOBS)
    store.close()


def back_up_and_kill(database: Path, file: Path, steps: int, *, within: bool) -> bytes:
    """Kill the program after so many steps, or *within* the one after them; return the last that it said."""
    child = subprocess.Popen(
        [sys.executable, CHILD, database, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert child.stdin is not None
    assert child.stdout is not None
    said = b""
    for step in range(1, steps + 1):
        said = child.stdout.readline()
        if said.startswith(b"durable"):
            break
        if step < steps or within:
            child.stdin.write(b".")
    child.kill()
    child.wait(DEADLINE_S)
    child.stdin.close()
    child.stdout.close()
    return said


def jobs_in(file: Path) -> int:
    """Return how many jobs a database has, and find it whole."""
    reader = open_reader(str(file), clock=SystemClock())
    assert Queries(reader).integrity() == []
    ((count,),) = reader.rows("SELECT count(*) FROM job")
    reader.close()
    return int(count)


@pytest.mark.parametrize("within", [False, True])
def test_killed_backup_is_whole_or_absent(tmp_path: Path, within: bool) -> None:
    """Killed at any step there is no file, or one with all that was acknowledged; the next one is not in its way."""
    database = tmp_path / "jobs.db"
    fill(database)
    absent = steps = 0
    said = b""

    while not said.startswith(b"durable"):
        file = tmp_path / f"copy-{steps % 3}.db"  # most meet what an earlier kill left
        file.unlink(missing_ok=True)
        said = back_up_and_kill(database, file, steps, within=within)
        acknowledged = jobs_in(database)
        if file.exists():
            assert JOBS <= jobs_in(file) <= acknowledged
        absent += not file.exists()
        steps += 1

    assert jobs_in(file) == int(said.split()[1])
    assert absent >= 6
