"""Owns the counters of jobs by queue, kind and state: written once for each group, read without a scan (I13)."""

from __future__ import annotations

import msgspec

from .changes import Changes
from .database import Database, Value
from .job_rows import counts_from
from .records import STATES, KindCounts

ADD = """
    ON CONFLICT (queue, kind) DO UPDATE SET
        pending = pending + excluded.pending, running = running + excluded.running,
        waiting = waiting + excluded.waiting, completed = completed + excluded.completed,
        failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled
"""
COUNT_ONE = f"INSERT INTO stat VALUES (?, ?, ?, ?, ?, ?, ?, ?) {ADD}"
COUNT_ALL = f"""
    INSERT INTO stat SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                            value ->> 7 FROM json_each(?1) WHERE true {ADD}
"""


class StatStore:
    """The counters of the store."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    def count(self) -> None:
        """Add what the group has moved so far; for its end."""
        rows: dict[tuple[str, str], list[int]] = {}
        for _, _, queue, kind, old, new in self._changes.moves:
            by_state = rows.get((queue, kind))
            if by_state is None:
                by_state = rows[queue, kind] = [0] * len(STATES)
            if old is not None:
                by_state[old] -= 1
            if new is not None:
                by_state[new] += 1
        values: list[tuple[Value, ...]] = [(*names, *by_state) for names, by_state in rows.items() if any(by_state)]
        if len(values) == 1:
            self._database.run(COUNT_ONE, values[0])
        elif values:
            self._database.run(COUNT_ALL, (msgspec.json.encode(values).decode(),))

    def counts(self) -> list[KindCounts]:
        """Return the counters, by queue and kind."""
        rows = self._database.rows(
            "SELECT queue, kind, pending, running, waiting, completed, failed, cancelled FROM stat ORDER BY 1, 2"
        )
        return [KindCounts(queue=row[0], kind=row[1], jobs=counts_from((*row[2:], 0, 0, 0))) for row in rows]
