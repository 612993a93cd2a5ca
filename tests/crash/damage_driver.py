"""Damages a database as often as asked, in processes of their own, for one that crashes or hangs must be noticed."""

from __future__ import annotations

import json
import select
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from nursery import Nurseling, nursery_of

PROGRAM = Path(__file__).with_name("damage_program.py")
CASES_A_PROCESS = 50
DEADLINE_S = 60.0  # of one case


class Damaged(NamedTuple):
    """What was done."""

    cases: int
    refused: int  # in which the file was not opened at all, and left as it was
    reported: int  # in which it was, and whoever met the damage, and the examination, said so
    unnoticed: int  # in which nothing was: the damage lies where nothing is


def damage_often(folder: Path, cases: int, seed: int) -> Damaged:
    """Damage so often; raises ``AssertionError``, which names the seeds of what went wrong."""
    came: Counter[str] = Counter()
    faults: list[str] = []
    with nursery_of(PROGRAM) as nursery:
        for first in range(seed, seed + cases, CASES_A_PROCESS):
            count = min(CASES_A_PROCESS, seed + cases - first)
            child = nursery.start(folder, first, count)
            for case in range(first, first + count):
                damage, met, found = outcome(child, case)
                came[kind_of(met)] += 1
                faults += [f"seed {case}, {damage}: {fault}" for fault in found]
            code = child.wait()
            assert code == 0, f"seeds from {first} on: the process ended with {code}"
    assert not faults, "\n".join(faults)
    return Damaged(cases, came["refused"], came["reported"], came["unnoticed"])


def outcome(child: Nurseling, case: int) -> tuple[str, list[str], list[str]]:
    """Return the damage, what was met and what is a fault."""
    poll = select.poll()
    poll.register(child.stdout.fileno(), select.POLLIN)
    if not poll.poll(DEADLINE_S * 1000):
        child.kill()
        raise AssertionError(f"seed {case}: hangs")
    line = child.stdout.readline()
    if not line:
        raise AssertionError(f"seed {case}: the process ended with {child.wait()}")
    seed, damage, met, faults = json.loads(line)
    assert seed == case
    return damage, met, faults


def kind_of(met: list[str]) -> str:
    """Return what came of a case."""
    if met and all(one.startswith("refused") for one in met):
        return "refused"
    if any("CorruptError" in one or one == "findings" for one in met):
        return "reported"
    return "unnoticed"
