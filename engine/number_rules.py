"""Owns what counts as a number where a caller gives one: a truth value is none, and neither is a text of digits."""

from __future__ import annotations


def is_whole(value: object) -> bool:
    """Whether *value* is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether *value* is a number, finite or not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
