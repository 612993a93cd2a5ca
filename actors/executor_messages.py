"""Owns what the executor and the monitor are sent."""

from __future__ import annotations

from ..engine.definitions import Definition
from ..engine.records import Record


class StartRun(Record, frozen=True, kw_only=True):
    """Turn a definition into a run; answered with the parent's id once its first children are visible.

    With a *key*, an unfinished run under it is taken up instead of a new one.
    """

    definition: Definition
    key: str | None = None


class TakeUpRuns(Record, frozen=True, kw_only=True):
    """Go on with every unfinished run that the database holds; answered with how many."""


class GoOn(Record, frozen=True, kw_only=True):
    """Told after a commit: what these runs have spawned so far has ended, and more is to come."""

    parent_ids: tuple[int, ...]


class StartMonitoring(Record, frozen=True, kw_only=True):
    """Judge a parent now, and whenever its children have ended."""

    parent_id: int


class ChildrenEnded(Record, frozen=True, kw_only=True):
    """Told after a commit: these parents are sealed and all their children are final."""

    parent_ids: tuple[int, ...]


class Sweep(Record, frozen=True, kw_only=True):
    """Judge every unfinished parent: a net under the events."""
