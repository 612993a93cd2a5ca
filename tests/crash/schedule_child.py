"""A program with a schedule that is killed: the real engine, on a clock that whoever started it moves.

    schedule_child.py DATABASE NOW

It reads one byte from stdin for each interval that is to pass, and writes ``now SECONDS`` to stdout once all that fell
due has been done.
"""

from __future__ import annotations

import sys

from bequest import Engine, JobContext
from bequest.testing.manual_clock import ManualClock

EVERY_S = 10.0


def main(database: str, now: str) -> None:
    """Let time pass until somebody kills us."""
    clock = ManualClock(float(now))
    with Engine(database, clock=clock) as engine:

        @engine.kind("report")
        def report(job: JobContext) -> None:
            """Do nothing; the job is what counts."""

        engine.schedules.put("often", report, every_s=EVERY_S, catch_up="all", overlap="allow")
        while sys.stdin.buffer.read(1):
            clock.advance(EVERY_S)
            engine.wait_idle(60)
            sys.stdout.write(f"now {clock.now()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
