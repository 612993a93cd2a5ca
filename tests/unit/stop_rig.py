"""What the tests of a stop share: a stop on a thread of its own, and what it leaves on disk."""

from __future__ import annotations

import threading
from pathlib import Path

from handler_rig import PATIENCE_S, when_it_drains

from bequest import Engine, Job
from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries


def rows(path: Path) -> list[Job]:
    """Return all jobs without a parent as they are on disk."""
    reader = open_reader(str(path), clock=SystemClock())
    found = [view.job for view in Queries(reader).jobs(limit=10_000)]
    reader.close()
    return found


def stop_later(engine: Engine, grace_s: float) -> threading.Thread:
    """Stop *engine* on a thread of its own; return that once nothing is begun any more."""
    is_draining = when_it_drains(engine)
    thread = threading.Thread(target=engine.stop, args=(grace_s,))
    thread.start()
    assert is_draining.wait(PATIENCE_S)
    return thread


def join(thread: threading.Thread) -> None:
    """Wait for *thread* to end."""
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
