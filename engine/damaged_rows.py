"""Owns what is said of a row that holds what was never written to it: the file is damaged, though its structure holds.

SQLite keeps no checksums, so what a disk has changed in a text or a number is found where that is made a record of.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec

from .database import Row
from .errors import DatabaseCorruptError

T = TypeVar("T")


def made_of_row(make: Callable[[Row], T]) -> Callable[[Row], T]:
    """Have *make*, which makes a record of a row, raise ``DatabaseCorruptError`` for a row that makes none."""

    @wraps(make)
    def made(row: Row) -> T:
        try:
            return make(row)
        except (msgspec.MsgspecError, TypeError, ValueError, LookupError) as error:
            raise damaged(error) from error

    return made


def stored_json(text: str, type_: Any = Any) -> Any:  # Any: what the column holds
    """Return what a column holds as JSON, of a type; raises ``DatabaseCorruptError`` when it is not that."""
    try:
        return msgspec.json.decode(text, type=type_)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise damaged(error) from error


def damaged(error: Exception) -> DatabaseCorruptError:
    """Return the error for a row that *error* came of; it quotes nothing that is in the row."""
    return DatabaseCorruptError(
        "asked to read the database, found a row with something that was never written to it, so the file is damaged;"
        f" restore a backup ({type(error).__name__})"
    )
