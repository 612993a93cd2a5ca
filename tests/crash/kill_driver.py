"""Kills a busy program as often as asked, at moments drawn from a seed, and looks after each kill at what is left."""

from __future__ import annotations

import random
import select
from pathlib import Path
from typing import NamedTuple

from kill_oracle import Said
from nursery import Nurseling, Nursery, nursery_of

PROGRAM = Path(__file__).with_name("kill_program.py")
KILLS_A_FILE = 20  # then all that is left comes to its end, and a new file is begun
START = 1_800_000_000.0
LIFE_S = 10_000.0  # of the program's clock, from one life to the next
MOST_HEARD = 60
LATEST_S = 0.03  # within which a kill comes in a start or a stop


class Killed(NamedTuple):
    """What was done."""

    kills: int
    acknowledged: int
    starting: int  # of the kills, before the engine had started
    stopping: int  # and while it stopped, or after that


def kill_often(folder: Path, kills: int, seed: int) -> Killed:
    """Kill so often; raises ``AssertionError``, which names what was lost and how to do it again."""
    chance = random.Random(seed)  # noqa: S311
    acknowledged, moments = 0, []
    with nursery_of(PROGRAM) as nursery:
        for number in range(0, kills, KILLS_A_FILE):
            said = Said(folder / f"{number}.db", folder / f"{number}.jsonl")
            for life in range(number, min(number + KILLS_A_FILE, kills)):
                moments.append(live_and_die(nursery, said, life, chance))
                check(said, seed, life)
            finish(nursery, said, number)
            check(said, seed, number, is_over=True)
            acknowledged += said.heard
    return Killed(kills, acknowledged, moments.count("starting"), moments.count("stopping"))


def live_and_die(nursery: Nursery, said: Said, life: int, chance: random.Random) -> str:
    """Start the program, kill it at some moment, and return which."""
    how = "processes" if life % 6 == 5 else "live"
    child = nursery.start(said.database, said.archive, f"{said.database.stem}-{life}", START + life * LIFE_S, how)
    moment = chance.choices(["starting", "living", "stopping"], [1, 6, 1])[0]
    lines = [child.stdout.readline() for _ in range(1 if moment == "starting" else chance.randint(2, MOST_HEARD))]
    if moment == "stopping":
        child.stdin.write(b".")
    let_live(child, chance.uniform(0.0, LATEST_S))
    child.kill()
    said.hear(lines + child.stdout.readlines())  # what it had still said before it died
    child.wait()
    return moment


def let_live(child: Nurseling, seconds: float) -> None:
    """Give it so long, unless it ends before."""
    poll = select.poll()
    poll.register(child.stdout.fileno(), 0)
    poll.poll(seconds * 1000)


def finish(nursery: Nursery, said: Said, number: int) -> None:
    """Let all that is left come to its end."""
    child = nursery.start(said.database, said.archive, "end", START + (number + KILLS_A_FILE) * LIFE_S, "end")
    lines = child.communicate().splitlines(keepends=True)
    assert lines[-1] == b'["is", "finished"]\n', lines
    said.hear(lines)


def check(said: Said, seed: int, life: int, *, is_over: bool = False) -> None:
    """Raise ``AssertionError`` for what is lost, half there or wrong."""
    found = said.faults_found(is_over=is_over)
    assert found == [], f"seed {seed}, life {life}: {found}"
