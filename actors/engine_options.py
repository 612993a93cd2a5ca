"""Owns what must hold of an engine's own options; they are looked at when it is made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, get_args

from ..engine.database_connection import Durability
from ..engine.errors import EngineError
from ..engine.number_rules import is_whole
from ..engine.retention import Retention

DURABILITIES: tuple[Durability, ...] = get_args(Durability)


def check_options(
    path: Any, concurrency: Any, durability: Any, key: Any, retention: Any, clock: Any
) -> None:  # Any: whatever a caller gave
    """Raise ``EngineError`` for an option that no engine can work by."""
    faults = {
        f"path is a text or a Path, found {path!r}": not isinstance(path, str | os.PathLike),
        f"concurrency is at least 1, found {concurrency!r}": not is_whole(concurrency) or concurrency < 1,
        f"durability is {' or '.join(map(repr, DURABILITIES))}, found {durability!r}": durability not in DURABILITIES,
        "key is a function without arguments, such as KeyFile(...), found something else": not (
            key is None or callable(key)
        ),
        f"retention is a Retention, found a {type(retention).__name__}": not isinstance(retention, Retention | None),
        f"clock has now and monotonic, found a {type(clock).__name__}": not (
            clock is None or (hasattr(clock, "now") and hasattr(clock, "monotonic"))
        ),
    }
    for fault, is_one in faults.items():
        if is_one:
            raise EngineError(f"asked for an engine whose {fault}")


def slots_of(queues: Any) -> dict[str, int]:  # Any: whatever a caller gave
    """Return how many handlers of each queue run at once; raises ``EngineError`` for what is no name or no number."""
    if queues is not None and not isinstance(queues, Mapping):
        raise EngineError(f"queues says of each queue how many jobs run at once, found a {type(queues).__name__}")
    for queue, slots in (queues or {}).items():
        if not isinstance(queue, str) or not queue or not queue.isprintable():
            raise EngineError(f"a queue has a printable name, found {queue!r} among queues")
        if not is_whole(slots) or slots < 1:
            raise EngineError(f"queue {queue!r} runs at least 1 job at once, found {slots!r}; pause it instead")
    return dict(queues or {})
