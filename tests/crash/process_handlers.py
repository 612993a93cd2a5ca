"""Handlers that run in processes of their own, as a module that those can import."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bequest import Discard, Engine, JobContext, Kind, OnFailure, Retry, Snooze

ONCE = Retry(max_attempts=1)


class Place(msgspec.Struct):
    """Where a handler says what it has to say."""

    path: str


class ApiError(Exception):
    """An error that pickle cannot make again: its class takes something else than its message."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"the server said {status}")
        self.status = status
        self.body = body


class LocalError(Exception):
    """An error that holds what cannot be sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = open(os.devnull)  # noqa: PTH123, SIM115


@dataclass(frozen=True)
class FrozenError(Exception):
    """An error that lets nothing be set."""

    status: int


class Opaque:
    """Something that is no JSON and cannot be sent."""

    def __reduce__(self) -> str:
        raise TypeError("not to be sent")


def good(job: JobContext) -> int:
    """Return the number of its process."""
    return os.getpid()


def leaves(job: JobContext) -> None:
    """End the process."""
    os._exit(7)


def killed(job: JobContext) -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def segfaults(job: JobContext) -> None:
    """Read where there is nothing."""
    ctypes.string_at(0)


def exits(job: JobContext) -> None:
    """Ask the program to end."""
    sys.exit(3)


def interrupts(job: JobContext) -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


def misses(job: JobContext) -> None:
    """Raise an OSError, which is not the end of the connection."""
    Path("/nowhere/at/all").read_text()


def meets_end(job: JobContext) -> None:
    """Raise an EOFError, which is not one either."""
    raise EOFError("the file is short")


def refused(job: JobContext) -> None:
    """Raise an error that pickle cannot make again."""
    raise ApiError(503, "later")


def unsendable(job: JobContext) -> None:
    """Raise an error that holds what cannot be sent."""
    raise LocalError("holds a file")


def freezes(job: JobContext) -> None:
    """Raise an error that lets nothing be set."""
    raise FrozenError(503)


def wide(job: JobContext) -> str:
    """Return something of another type than it promises."""
    return 3  # type: ignore[return-value]


def opaque(job: JobContext) -> Any:
    """Return something that is no JSON."""
    return Opaque()


def discards(job: JobContext) -> None:
    """Give up for good."""
    raise Discard("of no use")


def snoozes(job: JobContext, place: Place) -> int:
    """Ask twice to be run again at once."""
    with Path(place.path).open("a") as runs:
        runs.write(f"{job.attempt} ")
    if len(Path(place.path).read_text().split()) < 3:
        raise Snooze(0.0, "not yet")
    return job.attempt


def spins(job: JobContext, place: Place) -> None:
    """Say who it is, and never return."""
    Path(place.path).write_text(str(os.getpid()))
    while True:
        pass


def has_a_child(job: JobContext, place: Place) -> None:
    """Start a process that does nothing for long, say which, and wait for it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(place.path).write_text(str(child.pid))
    child.wait()


def forks(job: JobContext) -> int:
    """Let a forked child return into code that is not its own, and return its exit code."""
    child = os.fork()
    if child == 0:
        return 5
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def pools(job: JobContext) -> int:
    """Use processes of its own."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.map(abs, [-1, -2, -3]))


def spawns(job: JobContext) -> int:
    """Use processes that are begun anew."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(abs, [-1, -2, -3]))


def ends_a_pool(job: JobContext) -> int:
    """Leave a pool whose process is in the middle of something, and is ended by SIGTERM."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply_async(signal.pause)
    return 0


def ends_a_process(job: JobContext) -> int | None:
    """End by SIGTERM a process that was forked, and return its exit code."""
    process = multiprocessing.get_context("fork").Process(target=signal.pause)
    process.start()
    process.terminate()
    process.join()
    return process.exitcode


async def awaits(job: JobContext) -> str:
    """Be async in a process."""
    await asyncio.sleep(0)
    return "awaited"


def talks(job: JobContext) -> int:
    """Say all that a handler can say."""
    job.progress(1, 2, "half")
    job.log("from a process", level="WARNING", where="there")
    job.update_metadata(team="harbour")
    job.heartbeat()
    job.check()
    assert not job.cancelled
    assert job.metadata["team"] == "harbour"
    assert job.parent_metadata() == {}
    job.spawn(job_of("good"), key="a", delay_s=0.0)
    job.spawn(job_of("good"), key="b", on_failure=OnFailure.IGNORE)
    return job.increment("seen", 2)


def misspeaks(job: JobContext) -> None:
    """Say what no file can hold."""
    job.log("hello", level="LOUD")


def asks_for_too_much(job: JobContext) -> None:
    """Ask for something that no context has, and that cannot be sent."""
    job.log(Opaque())  # type: ignore[arg-type]


engine = Engine(":memory:")
kinds: dict[str, Kind[Any, Any]] = {}


def job_of(name: str) -> Kind[Any, Any]:
    """Return the kind of that name."""
    return kinds[name]


for handler in (
    good,
    leaves,
    killed,
    segfaults,
    exits,
    interrupts,
    misses,
    meets_end,
    refused,
    unsendable,
    freezes,
    wide,
    opaque,
    discards,
    snoozes,
    has_a_child,
    forks,
    pools,
    spawns,
    ends_a_pool,
    ends_a_process,
    awaits,
    talks,
    misspeaks,
    asks_for_too_much,
    spins,
):
    name = handler.__name__
    kinds[name] = engine.kind(name, run_in="process", retry=ONCE)(handler)
