"""Tests of rows that come as one text: what was written comes back as it was, and what is no row is damage."""

from __future__ import annotations

import pytest

from bequest.engine.database import Database, Value
from bequest.engine.errors import DatabaseCorruptError
from bequest.engine.packed_rows import unpacked
from bequest.testing.manual_clock import ManualClock

LENGTH_LIMIT = 0  # SQLite's number of it: the bytes of one text
VALUES: tuple[Value, ...] = (
    2**63 - 1,
    -(2**63),
    0.1 + 0.2,
    1_764_000_000.123_456_7,
    None,
    "",
    '{"a": "\\u00e9 \\"x\\" \U0001f511"}',
)


def test_packed_rows_are_what_was_written(clock: ManualClock) -> None:
    """Numbers keep all their digits, texts all their characters, and nothing is nothing."""
    database = Database.open(":memory:", durability="full", clock=clock)
    places = ", ".join("?" * len(VALUES))
    with database.group():
        rows = unpacked(database, places, "FROM (SELECT 1 UNION ALL SELECT 2)", VALUES)
        none = unpacked(database, places, "WHERE false", VALUES)

    assert [tuple(row) for row in rows] == [VALUES, VALUES]
    assert none == []
    database.close()


def test_packed_row_that_is_none_is_damage(clock: ManualClock) -> None:
    """A number that no row was ever given is said to be damage, and not passed on."""
    database = Database.open(":memory:", durability="full", clock=clock)

    with pytest.raises(DatabaseCorruptError, match="restore a backup"), database.group():
        unpacked(database, "?", "", (float("inf"),))

    database.close()


def test_rows_that_are_too_long_together_come_one_by_one(clock: ManualClock) -> None:
    """Where SQLite lets no text be as long as all of them, each is still read as it is."""
    database = Database.open(":memory:", durability="full", clock=clock)
    database._connection.limit(LENGTH_LIMIT, 1_000)
    with database.group():
        rows = unpacked(database, "?", "FROM (SELECT 1 UNION ALL SELECT 2)", ("x" * 600,))

    assert rows == [("x" * 600,)] * 2
    database.close()
