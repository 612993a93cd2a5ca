"""Owns the words in which an error of SQLite leaves the store: what was asked, what was found, what to look at."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import apsw

from .errors import DatabaseCorruptError, DiskError, StoreError

OF_THE_DISK = (apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.ReadOnlyError)


@contextmanager
def translated(doing: str) -> Generator[None]:
    """Have what the block raises of SQLite's leave it in our own words."""
    try:
        yield
    except apsw.Error as error:
        raise translation(error, doing) from error


def translation(error: apsw.Error | UnicodeDecodeError, doing: str) -> StoreError:
    """Return *error*, met while *doing* something, in our own words."""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError | UnicodeDecodeError):
        return DatabaseCorruptError(f"asked to {doing}, found a damaged file; restore a backup ({named(error)})")
    if isinstance(error, apsw.ConstraintError):
        return StoreError(f"the database refused it: {error}")
    kind = DiskError if isinstance(error, OF_THE_DISK) else StoreError
    return kind(f"asked to {doing}, found {named(error)}; check the disk, its space and the file's rights")


def named(error: Exception) -> str:
    """Return SQLite's name of *error*, and its message."""
    return f"{type(error).__name__.removesuffix('Error')}: {error}"
