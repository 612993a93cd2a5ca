"""Owns the time of one measured region, and tells the process that measures around it when that begins and ends.

It lives in the process of a contender, so it imports the standard library alone: its memory is the contender's. The
clock starts once the other side has read what the process tree has used so far, and stops before it reads again.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

Figure = float | Sequence[float]


class Stopwatch:
    """What a contender is given: a watch, and what the harness lends it."""

    def __init__(
        self, link: socket.socket | None, *, shared: Path, servers: Mapping[str, str], is_quick: bool = False
    ) -> None:
        self._link = link
        self._answers = link.makefile("rb") if link is not None else None
        self.notes: dict[str, list[float] | float] = {}
        self.count = 0
        self.seconds = 0.0
        self.shared = shared  # a folder that lives as long as the invocation, for what is made once
        self.servers = servers  # addresses, by the names in Contender.servers
        self.is_quick = is_quick

    @contextmanager
    def over(self, count: int) -> Iterator[None]:
        """Measure what is done inside, *count* things; once in a sample."""
        if self.count:
            raise RuntimeError("a sample has one measured region")
        self.count = count
        self._tell("begin")
        began = time.perf_counter()
        yield
        self.seconds = time.perf_counter() - began
        self._tell("end")

    def note(self, **figures: Figure) -> None:
        """Keep further figures: a number, or values of which the percentiles count, such as ``latencies_ms``."""
        for name, figure in figures.items():
            self.notes[name] = float(figure) if isinstance(figure, int | float) else [float(one) for one in figure]

    def include(self, pid: int) -> None:
        """Count the CPU and memory of a server that is no child of this process, with its children."""
        self._tell("include", pid=pid)

    def finish(self) -> None:
        """Say that the contender has checked its result; the harness takes no figure of a sample that did not."""
        if not self.count:
            raise RuntimeError("the contender measured nothing")
        self._tell("done", count=self.count, seconds=self.seconds, notes=self.notes)

    def _tell(self, event: str, **facts: object) -> None:
        if self._link is None or self._answers is None:
            return
        self._link.sendall(json.dumps({"event": event, **facts}).encode() + b"\n")
        if not self._answers.readline():
            raise ConnectionError("the harness has gone")
