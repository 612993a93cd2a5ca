"""Owns many rows as one text: SQLite packs them into a JSON array, which is read as one row.

Each row that SQLite is asked for one by one gives up the GIL, and a busy thread then may keep it for a whole switch
interval; beside one an update that returned its 256 rows took 20 ms, and without them 0.2. A number keeps all digits.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .damaged_rows import damaged
from .database import Database, Row, Value
from .errors import StoreError


def unpacked(database: Database, columns: str, source: str, values: Iterable[Value]) -> list[Row]:
    """Return *columns* of the rows that *source*, from its FROM on, gives; in what order, nothing promises.

    Raises ``DatabaseCorruptError`` for what are no rows.
    """
    given = tuple(values)
    try:
        ((text,),) = database.rows(f"SELECT json_group_array(json_array({columns})) {source}", given)
    except StoreError as error:
        if type(error) is not StoreError:  # but a fault of the disk or of the file
            raise
        return database.rows(f"SELECT {columns} {source}", given)  # together they are longer than a text may be
    try:
        return msgspec.json.decode(text, type=list[tuple])  # type: ignore[type-arg]  # of any values, as a Row
    except msgspec.MsgspecError as error:
        raise damaged(error) from error
