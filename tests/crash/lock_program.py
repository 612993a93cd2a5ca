"""A program that owns a database, and has others live beside it that outlive it.

    main(DATABASE, WAY)

It says ``owns`` and then waits for its end; so does whoever it has forked or started, for that of the descriptor 3.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bequest import Engine, JobContext

WAYS = ("alone", "forks", "forks before", "starts", "starts with all", "has a handler")
ENDS = "import sys; sys.stdin.read()"


def waits_in_a_process(job: JobContext) -> None:
    """Run for ever in a process of its own."""
    job.wait(600.0)


def outlive(descriptor: int) -> None:
    """Fork a child that lives until whoever started all of this lets go of the other end."""
    if os.fork() == 0:
        os.read(descriptor, 1)
        os._exit(0)


def main(database: str, pipe: str, way: str) -> None:
    """Own the database."""
    descriptor = os.open(pipe, os.O_RDONLY)
    if way == "forks before":
        outlive(descriptor)
    engine = Engine(Path(database))
    engine.kind("waits", run_in="process")(waits_in_a_process)
    engine.start()
    match way:
        case "forks":
            outlive(descriptor)
        case "starts" | "starts with all":
            subprocess.Popen([sys.executable, "-c", ENDS], stdin=descriptor, close_fds=way == "starts")
        case "has a handler":
            engine.enqueue("waits")
    os.write(1, b"owns\n")
    os.read(0, 1)
