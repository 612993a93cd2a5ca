"""Answers for Bequest what is asked about files that have grown."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from contenders.bequest_jobs import BULK, PATIENCE_S
from grown_file import KIND, grown
from stopwatch import Stopwatch

from bequest import Engine, JobContext, child

LARGE, LARGE_QUICKLY, SMALL = 10_000_000, 200_000, 10_000
METADATA = {"auth_id": "wiki"}
KILLED = """
import sys, threading
from bequest import Engine, JobContext
engine = Engine(sys.argv[1])
ran = threading.Semaphore(0)
@engine.kind(sys.argv[2])
def noop(job: JobContext, number: int) -> None:
    ran.release()
engine.start()
engine.resume()
for _ in range(1000):
    ran.acquire()
print("ready", flush=True)
threading.Event().wait()
"""


def large(watch: Stopwatch) -> Path:
    """Return the file of ten million jobs, or of as many as a quick measurement makes."""
    rows = LARGE_QUICKLY if watch.is_quick else LARGE
    watch.note(rows=rows)
    return grown(watch.shared, rows)


def small(watch: Stopwatch, folder: Path) -> Path:
    """Return a fresh file of ten thousand jobs."""
    return Path(shutil.copy(grown(watch.shared, SMALL), folder / "jobs.db"))


def claim_large(watch: Stopwatch, folder: Path, count: int) -> None:
    """Run jobs of a large file."""
    claim(watch, large(watch), count)


def claim_small(watch: Stopwatch, folder: Path, count: int) -> None:
    """Run jobs of a small file."""
    claim(watch, small(watch, folder), count)


def claim(watch: Stopwatch, path: Path, count: int) -> None:
    """Run *count* of the jobs that are there."""
    calls = itertools.count(1)
    enough = threading.Event()
    engine = Engine(path)

    @engine.kind(KIND)
    def noop(job: JobContext, number: int) -> None:
        if next(calls) == count:
            enough.set()

    with engine:
        engine.pause()
        with watch.over(count):
            engine.resume()
            if not enough.wait(PATIENCE_S):
                raise AssertionError("not enough jobs ran")
        engine.pause()


def enqueue_large(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs in a large file."""
    enqueue(watch, large(watch), count)


def enqueue_small(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs in a small file."""
    enqueue(watch, small(watch, folder), count)


def enqueue(watch: Stopwatch, path: Path, count: int) -> None:
    """Make *count* jobs more, a thousand at a time."""
    engine = Engine(path)

    @engine.kind(KIND)
    def noop(job: JobContext, number: int) -> None:
        """Do nothing."""

    with engine:
        engine.pause()
        before = sum(one.jobs.total for one in engine.stats())
        with watch.over(count):
            for start in range(0, count, BULK):
                engine.enqueue_many(noop, range(start, min(start + BULK, count)))
        made = sum(one.jobs.total for one in engine.stats()) - before
    if made != count:
        raise AssertionError(f"{made} of {count} jobs were made")


def start_after_kill(watch: Stopwatch, folder: Path, count: int) -> None:
    """Start on a large file whose last engine was killed as it worked, until the first handler runs."""
    path = large(watch)
    victim = subprocess.Popen([sys.executable, "-c", KILLED, str(path), KIND], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    if victim.stdout.readline() != b"ready\n":
        raise AssertionError("the engine that was to be killed did not come up")
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    ran = threading.Event()
    engine = Engine(path)

    @engine.kind(KIND)
    def noop(job: JobContext, number: int) -> None:
        ran.set()

    with watch.over(1):
        engine.start()
        if not ran.wait(PATIENCE_S):
            raise AssertionError("no job ran")
    engine.pause()
    engine.stop()


def bytes_plain(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make jobs, a thousand at a time, and see how large the file is."""

    def make(engine: Engine) -> None:
        kind = engine.kind(KIND)(nothing)
        for start in range(0, count, BULK):
            engine.enqueue_many(kind, range(start, min(start + BULK, count)))

    sized(watch, folder, count, make)


def bytes_url(watch: Stopwatch, folder: Path, count: int) -> None:
    """Make children with a URL each, which is their key too, and see how large the file is."""

    def make(engine: Engine) -> None:
        picture, album = engine.kind("picture")(visit), engine.kind("album")(rest)
        urls = [f"https://wiki.example/articles/{number:07}/on-things" for number in range(count)]
        engine.enqueue(album, children=[child(picture, {"url": url}, key=url) for url in urls], metadata=METADATA)

    sized(watch, folder, count, make)


def sized(watch: Stopwatch, folder: Path, count: int, make: Callable[[Engine], None]) -> None:
    """Note by how many bytes a job the file of a stopped engine grows."""
    path = folder / "jobs.db"
    with Engine(path):
        pass
    before = path.stat().st_size
    engine = Engine(path)
    with engine:
        engine.pause()
        with watch.over(count):
            make(engine)
    watch.note(bytes=(path.stat().st_size - before) / count)


def nothing(job: JobContext, number: int) -> None:
    """Do nothing."""


def visit(job: JobContext, config: dict[str, str]) -> None:
    """Do nothing."""


def rest(job: JobContext) -> None:
    """Do nothing."""
