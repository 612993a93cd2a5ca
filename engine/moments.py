"""Owns how a moment is read that a program has written as text (ISO 8601)."""

from __future__ import annotations

import datetime


def read_moment(text: str) -> float | None:
    """Return the seconds since the epoch of a date and time, in UTC unless it says another zone; None for no such."""
    try:
        found = datetime.datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
