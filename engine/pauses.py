"""Owns what a pause is: something that starts no job until it is resumed."""

from __future__ import annotations

import enum

from .records import Record


class PauseScope(enum.StrEnum):
    """What is paused."""

    ALL = "all"
    QUEUE = "queue"
    KIND = "kind"
    RUN = "run"  # by the id of its parent job


class Pause(Record, frozen=True, kw_only=True):
    """Something that starts no job until it is resumed; what runs goes on."""

    scope: PauseScope
    name: str = ""  # of the queue or kind, or the run's id; empty for all
    paused_at: float = 0.0  # seconds since the epoch
