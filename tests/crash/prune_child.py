"""A program that prunes in many small steps and is killed.

    prune_child.py DATABASE ARCHIVE

It reads one byte from stdin for each step that it may take, writes ``step`` to stdout after it, and ``pruned`` in the
end.
"""

from __future__ import annotations

import sys

from bequest import Engine, Retention
from bequest.actors import housekeeping_messages
from bequest.actors.pruner import Pruner
from bequest.engine import prune_queries


class TalkingPruner(Pruner):
    """A pruner that takes a step when it may, and says so."""

    def step(self, retention: Retention, now: float) -> int | None:
        """Take a step and say so."""
        sys.stdin.buffer.read(1)
        left = super().step(retention, now)
        sys.stdout.write("step\n")
        sys.stdout.flush()
        return left


def main(database: str, archive: str) -> None:
    """Prune all that has ended."""
    housekeeping_messages.LEAVING_AT_ONCE = 4
    prune_queries.ROWS_A_TIME = 7
    with Engine(database, resume=False) as engine:
        engine._pruner = TalkingPruner(engine.manager, engine._reader, engine._clock)
        engine.prune(Retention(completed_s=0.0, archive=archive))
    sys.stdout.write("pruned\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
