"""Owns the proof that a contender is as durable as its figures say: what its own connection answers."""

from __future__ import annotations

from collections.abc import Callable

LEVELS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def confirm_sqlite(ask: Callable[[str], object], named: str) -> None:
    """Raise unless the connection whose pragmas *ask* reads has the durability that *named* begins with."""
    mode, level = str(ask("PRAGMA journal_mode")).upper(), int(str(ask("PRAGMA synchronous")))
    confirm(f"{mode}, synchronous={LEVELS[level]}", named)


def confirm(found: str, named: str) -> None:
    """Raise unless *named* begins with what was *found*."""
    if named.partition(";")[0] != found:
        raise AssertionError(f"the durability is {found}, named {named}")
