"""Owns what is said of a database that cannot be written: when that begins, once a minute while it lasts, and its end.

The log and the engine's health say so; any thread may read ``fault``.

A full disk fails every group, also those that are only done again: a line for each would fill what is left of a log.
"""

from __future__ import annotations

import logging
import math

from ..engine.errors import StoreError
from .health import DiskFault

logger = logging.getLogger(__name__)

SAID_EVERY_S = 60.0


class Trouble:
    """Groups that were not written; *now* is seconds since the epoch."""

    def __init__(self) -> None:
        self.fault: DiskFault | None = None
        self._failed = 0  # groups, since one was written
        self._said_at = -math.inf
        self._end_said_at = -math.inf

    def note(self, error: StoreError, now: float, *, messages: int) -> None:
        """Note that a group was not written, or is in doubt, and say so if that was not just said."""
        self._failed += 1
        self.fault = DiskFault(since=now if self.fault is None else self.fault.since, cause=str(error))
        if not is_recent(self._said_at, now):
            self._said_at = now
            told = {"error": str(error), "failed_groups": self._failed, "messages": messages}
            logger.error("a group was not written; what can be repeated is", extra=told, exc_info=error)

    def is_over(self, now: float) -> None:
        """Note that a group was written."""
        failed, self._failed, self.fault = self._failed, 0, None
        if failed and not is_recent(self._end_said_at, now):
            self._end_said_at = now
            logger.info("the database is written again", extra={"failed_groups": failed})


def is_recent(at: float, now: float) -> bool:
    """Whether *at* lies less than a minute before *now*; a time to come is none, for the clock was set back."""
    return 0 <= now - at < SAID_EVERY_S
