"""Owns ``assert_invariants``: the promises of docs/invariants.md as far as rows can show that one was broken."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

from ..actors.health import EngineState
from ..actors.housekeeping_messages import ListUndone
from ..actors.system import Engine
from ..engine.clock import SystemClock
from ..engine.database import database_at
from ..engine.database_file import open_reader
from ..engine.integrity import Finding, check_integrity
from .inline_engine import InlineEngine

LOOKS = 500  # at what an engine is in the middle of, before it is taken for left undone
PAUSE_S = 0.01  # between two of them


def assert_invariants(engine: Engine | str | os.PathLike[str]) -> None:
    """Raise ``AssertionError`` with every promise that is broken in the database of *engine*, by its number.

    *engine* is one that runs, or the path of a database, which may have an owner; what an engine has still to do it may
    leave undone only where it does not run. A run that is paused, or waits for a credential, breaks nothing. Raises
    ``StoreError`` where there is no database.
    """
    if not isinstance(engine, Engine):
        found = _in_file(engine)
    else:
        found = engine.integrity()
        if engine.health().state is EngineState.RUNNING:
            found += _left_undone(engine)
    if found:
        raise AssertionError(_told(found))


def _in_file(path: str | os.PathLike[str]) -> list[Finding]:
    reader = open_reader(database_at(os.fspath(path)), clock=SystemClock())
    try:
        return check_integrity(reader)
    finally:
        reader.close()


def _left_undone(engine: Engine) -> list[Finding]:
    """Return what is undone at each of many looks."""
    if isinstance(engine, InlineEngine):
        engine.in_line.strands.settle()
        return list(engine.manager.ask(ListUndone()))
    undone: list[Finding] = []
    for look in range(LOOKS):
        found: list[Finding] = engine.manager.ask(ListUndone())
        undone = [one for one in found if not look or one in undone]
        if not undone:
            break
        threading.Event().wait(PAUSE_S)
    return undone


def _told(found: Iterable[Finding]) -> str:
    by_check: dict[str, list[str]] = {}
    for one in found:
        by_check.setdefault(one.check, []).append(one.message)
    broken = ", ".join(sorted(by_check, key=lambda check: (not check.startswith("I"), len(check), check)))
    lines = [f"{check}: {message}" for check, messages in by_check.items() for message in messages]
    return "\n".join([f"not as it must be ({broken}), see docs/invariants.md:", *lines])
