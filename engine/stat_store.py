"""Owns the counters of jobs by queue, kind and state: written once for each group, read without a scan (I13)."""

from __future__ import annotations

from collections import Counter

import msgspec

from .changes import Changes
from .database import Database
from .job_rows import counts_from
from .records import STATES, KindCounts

COUNT = """
    INSERT INTO stat SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                            value ->> 7 FROM json_each(?1) WHERE true
    ON CONFLICT (queue, kind) DO UPDATE SET
        pending = pending + excluded.pending, running = running + excluded.running,
        waiting = waiting + excluded.waiting, completed = completed + excluded.completed,
        failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled
"""


class StatStore:
    """The counters of the store."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes

    def count(self) -> None:
        """Add what the group has moved so far; for its end."""
        sums: Counter[tuple[str, str, int]] = Counter()
        for move in self._changes.moves:
            if move.old is not None:
                sums[move.queue, move.kind, move.old] -= 1
            if move.new is not None:
                sums[move.queue, move.kind, move.new] += 1
        rows: dict[tuple[str, str], list[int]] = {}
        for (queue, kind, state), by in sums.items():
            rows.setdefault((queue, kind), [0] * len(STATES))[state] += by
        values = [[*names, *counts] for names, counts in rows.items() if any(counts)]
        if values:
            self._database.run(COUNT, (msgspec.json.encode(values).decode(),))

    def counts(self) -> list[KindCounts]:
        """Return the counters, by queue and kind."""
        rows = self._database.rows(
            "SELECT queue, kind, pending, running, waiting, completed, failed, cancelled FROM stat ORDER BY 1, 2"
        )
        return [KindCounts(queue=row[0], kind=row[1], jobs=counts_from((*row[2:], 0, 0, 0))) for row in rows]
