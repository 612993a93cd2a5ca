"""Sends programs storms of signals, at moments drawn from a seed, and looks at how they ended and what they left."""

from __future__ import annotations

import random
import select
import signal
from collections import Counter
from pathlib import Path

from nursery import Nurseling, Nursery, nursery_of

from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries
from bequest.engine.records import NewJob, State
from bequest.engine.store import Store

PROGRAM = Path(__file__).with_name("signal_program.py")
NUMBERS = {
    "daemon": (signal.SIGTERM, signal.SIGINT),
    "crawl": (signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
}
PAGES = 50  # that a crawl may read in one life, so that it never comes to its end
MOST_AT_ONCE = 20
LATEST_S = 0.3  # until the first signal
LONGEST_S = 0.004  # between two


def storm_often(folder: Path, what: str, storms: int, seed: int) -> Counter[int]:
    """Send so many storms; return how often a program ended with which code. Raises ``AssertionError``."""
    chance = random.Random(seed)  # noqa: S311
    database = folder / "jobs.db"
    codes: Counter[int] = Counter()
    with nursery_of(PROGRAM) as nursery:
        for number in range(storms):
            if what == "daemon":
                fill(database, with_processes=number % 8 == 0)
            said = folder / f"{number}.txt"
            code = storm(nursery, (what, database, said), chance)
            codes[code] += 1
            text = said.read_text("utf-8")
            assert "Traceback" not in text, f"seed {seed}, storm {number}: {text}"
            check_order(database, f"seed {seed}, storm {number}, {code}: {text}")
    return codes


def fill(database: Path, *, with_processes: bool) -> None:
    """Put jobs into the file."""
    store = Store.open(database, clock=SystemClock(), durability="relaxed")
    jobs = [NewJob(kind="short")] * 20 + [NewJob(kind="waits")] * 2
    jobs += [NewJob(kind="in a process", queue="processes")] * with_processes
    with store.group():
        store.jobs.create(jobs)
    store.close()


def storm(nursery: Nursery, arguments: tuple[object, ...], chance: random.Random) -> int:
    """Start the program and send it a storm; return its exit code, which must be that of a signal, or good."""
    child = nursery.start(*arguments)
    child.stdin.write(b"." * PAGES)
    assert child.stdout.readline() == b"listens\n"
    pause(child, chance.uniform(0.0, LATEST_S))
    numbers = [chance.choice(NUMBERS[str(arguments[0])]) for _ in range(chance.randint(1, MOST_AT_ONCE))]
    for number in numbers:
        child.send_signal(number)
        pause(child, chance.uniform(0.0, LONGEST_S))
    lines = child.stdout.readlines()  # until it, and whatever else holds its output, has ended
    code = child.wait()
    right = {0} if arguments[0] == "daemon" else {128 + number for number in numbers}  # of two at once either is first
    if code == 0:
        assert len(lines) == 1, (lines, numbers)
        said = int(lines[0].split()[1])
        assert said in right, (lines, numbers)
        return said
    # The signals were given back when it had stopped, and the next of them ended it.
    assert arguments[0] == "daemon", (code, lines, numbers)
    assert code in (-signal.SIGTERM, 1), (code, lines, numbers)
    return code


def pause(child: Nurseling, seconds: float) -> None:
    """Give it so long, unless it ends before."""
    poll = select.poll()
    poll.register(child.stdout.fileno(), 0)
    poll.poll(seconds * 1000)


def check_order(database: Path, where: str) -> None:
    """Raise unless the database was closed in order: nothing is leased, and there is no log left."""
    if not database.exists():  # it was stopped before it made one
        return
    wal = Path(f"{database}-wal")  # whoever only reads makes an empty one
    assert not wal.exists() or not wal.stat().st_size, f"{where}: the database was not closed"
    reader = open_reader(str(database), clock=SystemClock())
    found = Queries(reader).jobs_in(State.RUNNING)
    reader.close()
    assert found == [], f"{where}: {len(found)} leases were not given back"
