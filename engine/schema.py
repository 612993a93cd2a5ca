"""Owns the numbered migrations and the numbers that mark a file as ours.

A migration is plain SQL in ``migrations/``, applied in the order of its number, each in one transaction that also sets
``PRAGMA user_version``; it is never edited once released.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

APPLICATION_ID = 0x62657175  # "bequ", in the database header at offset 68
MINIMUM_SQLITE = (3, 51, 3)  # earlier releases can lose a WAL that was reset under a reader


class Migration(NamedTuple):
    """One step of the schema."""

    version: int
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations, oldest first."""
    folder = resources.files(__name__.rpartition(".")[0]) / "migrations"
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    found = sorted((int(file.name[:4]), file.read_text(encoding="utf-8")) for file in files)
    return tuple(Migration(version, sql) for version, sql in found)
