"""Owns how a caller asks an in-line engine of which actors crash: again, a second later, until there is an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..engine.errors import CommitInDoubtError, EngineError, EngineFailedError, EngineStoppedError
from .inline_engine import InlineEngine

T = TypeVar("T")
PATIENCE = 60  # times


def patiently(engine: InlineEngine, ask: Callable[[], T]) -> T:
    """Return what *ask* does, tried again while *engine* is being put right; what it asks for bears to be asked twice.

    Raises ``AssertionError`` after a minute of the clock, and ``EngineFailedError`` at once.
    """
    for _ in range(PATIENCE):
        try:
            return ask()
        except EngineFailedError:
            raise
        except (EngineStoppedError, EngineError, CommitInDoubtError):
            engine.in_line.strands.wait_until(lambda: False, 1.0, what="a second to pass")
    replay = engine.in_line.strands.chooser.schedule
    raise AssertionError(f"no answer in {PATIENCE} s of the clock (replay: {replay!r}); it says {engine.health()}")
