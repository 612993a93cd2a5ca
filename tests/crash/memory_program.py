"""An engine through which many jobs go: with somebody who reads all events, one who never reads any, and lost futures.

    memory_program.py DATABASE JOBS A_TIME READER

After each so many it writes a JSON object with what it holds to stdout, and in the end what is left once it stopped.
With READER ``stays`` another connection keeps an old state of the file for all that time.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from bequest import Engine, JobContext
from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader

AT_ONCE = 500
PATIENCE_S = 300.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def held(database: str, done: int) -> dict[str, Any]:
    """Return what this process holds."""
    gc.collect()
    return {
        "done": done,
        "resident": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES,
        "blocks": sys.getallocatedblocks(),
        "wal": Path(f"{database}-wal").stat().st_size,
    }


def say(found: dict[str, Any]) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def opened() -> tuple[int, int]:
    """Return how many threads and open files there are."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def stay(database: str) -> Any:
    """Keep an old state of the file until the end of the block."""
    reader = open_reader(database, clock=SystemClock())
    reader.run("BEGIN")
    reader.rows("SELECT count(*) FROM job")
    return closing(reader)


def live(database: str, jobs: int, a_time: int, *, has_reader: bool) -> None:
    """Have the jobs go through."""
    engine = Engine(database)
    with Engine(database):  # imports, and whatever else is there once
        pass
    before = opened()
    most_wal = 0

    @engine.kind("echo")
    def echo(job: JobContext, number: int) -> int:
        return number

    with engine, stay(database) if has_reader else nullcontext():
        unread, seen = engine.events(), [0]
        engine.on_event(lambda _event: seen.__setitem__(0, seen[0] + 1))
        for done in range(0, jobs, AT_ONCE):
            engine.enqueue_many(echo, range(AT_ONCE // 2), tags=["many"])
            for number in range(AT_ONCE // 2):
                engine.enqueue_later(echo, number)  # and nobody looks at the future
            engine.wait_idle(PATIENCE_S)
            most_wal = max(most_wal, Path(f"{database}-wal").stat().st_size)
            if (done + AT_ONCE) % a_time == 0:
                say(held(database, done + AT_ONCE))
        completed = sum(one.jobs.completed for one in engine.stats())
        unread.close()
    left = opened()
    say({"completed": completed, "before": before, "left": left, "wal": most_wal, "seen": seen[0]})


if __name__ == "__main__":
    live(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), has_reader=sys.argv[4] == "stays")
