"""Owns what it means that an attempt took too long."""

from __future__ import annotations

LEAVE_S = 5.0  # what an ``async`` handler that was cancelled has for cleaning up


class TimedOutError(Exception):
    """The attempt took longer than its timeout."""


def timed_out(timeout_s: float | None) -> TimedOutError:
    """Return the error of an attempt that took too long."""
    return TimedOutError(f"no end within {timeout_s:g} s")
