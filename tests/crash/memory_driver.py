"""Lets many jobs go through an engine in a process of its own, and says what that process held meanwhile."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PROGRAM = Path(__file__).with_name("memory_program.py")
DEADLINE_S = 7_200
WARM_UP = 2  # of the looks, in which caches fill
JOBS_A_SLOPE = 10_000


class Held(NamedTuple):
    """What the process held."""

    resident: tuple[int, ...]  # bytes, at each look after the first
    blocks: tuple[int, ...]  # of memory that Python has given out, likewise
    slope: float  # of the resident size, bytes for each 10,000 jobs
    wal: int  # bytes, at most
    completed: int
    seen: int  # events
    before: tuple[int, int]  # threads and open files, before the engine was started
    left: tuple[int, int]  # and after it has stopped


def let_through(folder: Path, jobs: int, a_time: int, *, reader: str = "none") -> Held:
    """Let so many jobs through, and look after each *a_time* of them."""
    said = subprocess.run(
        [sys.executable, PROGRAM, folder / "jobs.db", str(jobs), str(a_time), reader],
        stdout=subprocess.PIPE,
        timeout=DEADLINE_S,
        check=True,
    ).stdout
    *looks, end = map(json.loads, said.splitlines())
    looks = looks[WARM_UP:]
    resident = tuple(one["resident"] for one in looks)
    slope = statistics.linear_regression([one["done"] / JOBS_A_SLOPE for one in looks], resident).slope
    return Held(
        resident=resident,
        blocks=tuple(one["blocks"] for one in looks),
        slope=slope,
        wal=end["wal"],
        completed=end["completed"],
        seen=end["seen"],
        before=tuple(end["before"]),
        left=tuple(end["left"]),
    )
