"""How long does ``import bequest`` take, and how long a start and stop without a browser?

Supports the README's claim that it is light to embed. Imports are measured in fresh interpreters, beside one that
imports nothing; so is the first start of a process, which also imports what it needs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import line

from bequest import Engine, JobContext

ROUNDS = 15
QUEUES = 5
FIRST = """
import sys, time
from bequest import Engine
began = time.perf_counter()
with Engine(sys.argv[1]):
    pass
print((time.perf_counter() - began) * 1000)
"""


def started(code: str) -> float:
    """Return the milliseconds that a fresh interpreter takes for *code*."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1000


def first(path: Path | str) -> float:
    """Return the milliseconds of the first start and stop in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", FIRST, str(path)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def cycle(path: Path | str, queues: int = 0) -> float:
    """Return the milliseconds from the start of an engine to the end of its stop, with a handler for each queue."""
    engine = Engine(path)
    for number in range(queues):
        engine.kind(f"kind {number}", queue=f"queue {number}")(nothing)
    began = time.perf_counter()
    with engine:
        pass
    return (time.perf_counter() - began) * 1000


def nothing(job: JobContext) -> None:
    """Do nothing."""


def main() -> None:
    """Print all measurements."""
    line("python -c pass", [started("pass") for _ in range(ROUNDS)], "ms")
    line("python -c 'import bequest'", [started("import bequest") for _ in range(ROUNDS)], "ms")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "jobs.db"
        line("engine start and stop, a file", [cycle(file) for _ in range(ROUNDS)], "ms")
        line(f"  with handlers in {QUEUES} queues", [cycle(file, QUEUES) for _ in range(ROUNDS)], "ms")
        line("  a new file", [cycle(Path(folder) / f"{number}.db") for number in range(ROUNDS)], "ms")
        line("  in memory", [cycle(":memory:") for _ in range(ROUNDS)], "ms")
        line("  the first of a process", [first(file) for _ in range(ROUNDS)], "ms")


if __name__ == "__main__":
    main()
