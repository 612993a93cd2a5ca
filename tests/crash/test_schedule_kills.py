"""A program with a schedule is killed with SIGKILL at any moment, and no fire time is lost or doubled (I1, I20)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from nursery import Nursery, nursery_of

from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries

CHILD = Path(__file__).with_name("schedule_child.py")
KILLS = 20
START = 1_800_000_000.0
EVERY_S = 10.0
MOST_AT_ONCE = 5


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """Give what forks the program."""
    with nursery_of(CHILD) as nursery:
        yield nursery


def let_pass(nursery: Nursery, database: Path, now: float) -> float:
    """Let one interval pass, have all done that is due, and return the time then."""
    return float(nursery.start(database, now).communicate(b".").split()[-1])


def pass_and_kill(nursery: Nursery, database: Path, now: float, chance: random.Random) -> tuple[list[float], float]:
    """Let some intervals pass and kill the program somewhere among them.

    Return the times up to which all was done, as it said, and the time that it may have come to.
    """
    child = nursery.start(database, now)
    intervals = chance.randint(1, MOST_AT_ONCE)
    child.stdin.write(b"." * intervals)
    lines = [child.stdout.readline() for _ in range(chance.randint(0, intervals))]
    child.kill()
    lines += child.stdout.read().splitlines(keepends=True)  # what it had still said before it died
    child.wait()
    return [float(line.split()[1]) for line in lines if line.endswith(b"\n")], now + intervals * EVERY_S


def times_until(end: float) -> list[float]:
    """Return the fire times that come up to *end*."""
    return [START + EVERY_S * number for number in range(1, round((end - START) / EVERY_S) + 1)]


def fire_times_in(database: Path) -> list[float]:
    """Return the fire times that have had a job, one for each job."""
    reader = open_reader(str(database), clock=SystemClock())
    found = [view.job.metadata["fire_at"] for view in Queries(reader).jobs(limit=10_000)]
    reader.close()
    return found


def test_schedule_survives_kills(tmp_path: Path, nursery: Nursery) -> None:
    """What was acknowledged is there after any kill, and in the end each interval has had its one job."""
    database = tmp_path / "jobs.db"
    chance = random.Random(20_261_125)  # noqa: S311
    now = done = let_pass(nursery, database, START)

    for _ in range(KILLS):
        said, now = pass_and_kill(nursery, database, now, chance)
        done = max([done, *said])
        found = fire_times_in(database)
        assert len(found) == len(set(found))
        assert set(found) >= set(times_until(done))

    end = let_pass(nursery, database, now)
    assert sorted(fire_times_in(database)) == times_until(end)
