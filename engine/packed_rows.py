"""Owns many rows as one text: SQLite packs them into a JSON array, which is read as one row.

Each row that SQLite is asked for one by one gives up the GIL, and a busy thread then keeps it for a whole switch
interval; 256 of them cost a claim a second beside one such thread. A number keeps all of its digits.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .damaged_rows import damaged
from .database import Database, Row, Value


def packed(columns: str) -> str:
    """Return the one column to select in the place of *columns*; in what order the rows are, nothing promises."""
    return f"json_group_array(json_array({columns}))"


def unpacked(database: Database, sql: str, values: Iterable[Value]) -> list[Row]:
    """Run a query of one ``packed`` column, and return its rows; raises ``DatabaseCorruptError`` for what are none."""
    ((text,),) = database.rows(sql, values)
    try:
        return msgspec.json.decode(text, type=list[tuple])  # type: ignore[type-arg]  # of any values, as a Row
    except msgspec.MsgspecError as error:
        raise damaged(error) from error
