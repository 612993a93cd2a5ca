"""Kills the owner of a database in all company that it can have, and takes the database over at once."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from lock_program import WAYS
from nursery import nursery_of

from bequest import DatabaseOwnedError
from bequest.engine.clock import SystemClock
from bequest.engine.store import Store

PROGRAM = Path(__file__).with_name("lock_program.py")


def kill_owners(folder: Path, kills: int, seed: int) -> None:
    """Kill so many owners; raises for one whose lock keeps others out afterwards, or does not before."""
    chance = random.Random(seed)  # noqa: S311
    database = folder / "jobs.db"
    ways = [WAYS[number % len(WAYS)] for number in range(kills)]
    chance.shuffle(ways)
    with nursery_of(PROGRAM) as nursery:
        for number, way in enumerate(ways):
            pipe = folder / f"{number}.pipe"
            os.mkfifo(pipe)
            keeps = os.open(pipe, os.O_RDWR)  # while it is open, who outlives the owner lives
            owner = nursery.start(database, pipe, way)
            assert owner.stdout.readline() == b"owns\n"
            with pytest.raises(DatabaseOwnedError, match=f"owned by process {owner.pid} on"):
                Store.open(database, clock=SystemClock())
            owner.kill()
            assert owner.wait() < 0
            Store.open(database, clock=SystemClock()).close()  # at once, and while all that it left still lives
            os.close(keeps)
