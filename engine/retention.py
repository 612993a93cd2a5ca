"""Owns how long what has ended is kept: a decision on values alone; what is over it the store finds and prunes.

A run is kept or pruned whole: the kind, the state and the end of its root decide, whatever is below it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .errors import RetentionError
from .records import FINAL_STATES, Record, State

DAY_S = 86_400.0
FOREVER_S = math.inf


class Keep(Record, frozen=True, kw_only=True):
    """For how many seconds after their end jobs of one kind are kept; None is as long as those of other kinds."""

    completed_s: float | None = None
    failed_s: float | None = None
    cancelled_s: float | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) is not None:
                _check_seconds(name, getattr(self, name))


class Retention(Record, frozen=True, kw_only=True):
    """For how many seconds after their end jobs are kept, by state; *kinds* says otherwise for some kinds.

    ``math.inf``, the default, is for ever. What is pruned is first written to the file *archive*, where one is named.
    Raises ``RetentionError`` for what is no number of seconds.
    """

    completed_s: float = FOREVER_S
    failed_s: float = FOREVER_S
    cancelled_s: float = FOREVER_S
    kinds: Mapping[str, Keep] = {}
    archive: str | None = None

    def __post_init__(self) -> None:
        for state in FINAL_STATES:
            _check_seconds(field_of(state), getattr(self, field_of(state)))
        if not isinstance(self.kinds, Mapping):
            raise RetentionError(f"kinds: expected a Keep for each kind, found a {type(self.kinds).__name__}")
        if not isinstance(self.archive, str | None):
            raise RetentionError(f"archive: expected the path of a file as a text, found {self.archive!r}")
        for kind, keep in self.kinds.items():
            if not isinstance(keep, Keep):
                raise RetentionError(f"kind {kind!r}: expected a Keep, found a {type(keep).__name__}")

    def keep_s(self, kind: str, state: State) -> float:
        """Return for how many seconds a job of that kind is kept that ended so."""
        own: float | None = getattr(self.kinds.get(kind, Keep()), field_of(state))
        general: float = getattr(self, field_of(state))
        return general if own is None else own


class Due(NamedTuple):
    """Jobs of a kind that ended in a state are over when they ended by then."""

    kind: str
    state: State
    ended_by: float  # seconds since the epoch


def due(retention: Retention, now: float, kinds: Iterable[str]) -> list[Due]:
    """Return what is over by *now*: for each kind and final state the latest end, unless it is kept for ever."""
    return [
        Due(kind, state, now - retention.keep_s(kind, state))
        for kind in kinds
        for state in sorted(FINAL_STATES)
        if retention.keep_s(kind, state) != FOREVER_S
    ]


def field_of(state: State) -> str:
    """Return the name of the field that is about a final state."""
    return f"{state}_s"


def _check_seconds(name: str, seconds: object) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise RetentionError(f"{name}: expected a number of seconds, 0 or more, or math.inf, found {seconds!r}")
