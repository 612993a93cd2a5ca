"""Owns which lanes of kinds with a rate for each partition are looked at: those that may have a token.

A lane whose bucket is empty is left out until its next token comes, so a claim costs as much as what may start, however
many others wait. The note of it is in temporary tables, which are undone with a group and gone with the connection;
what is true are the jobs and the buckets, from which it is made anew. Triggers add a lane once a job in it is due.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from .database import Database, Row
from .json_values import MAX_INTEGER
from .limits import KindTerms, Lane

IS_MADE = "SELECT EXISTS (SELECT 1 FROM sqlite_temp_schema WHERE name = 'rated_lane')"
ADD = """
    WHEN new.state = 0 AND new.is_due = 1 AND EXISTS (SELECT 1 FROM rated WHERE queue = new.queue AND kind = new.kind)
    BEGIN
        INSERT INTO rated_lane VALUES (new.queue, new.kind, new.lane, new.partition, NULL) ON CONFLICT DO NOTHING;
    END;
"""
MAKE = f"""
    CREATE TEMP TABLE rated (queue TEXT, kind TEXT, rate_json TEXT, PRIMARY KEY (queue, kind)) WITHOUT ROWID;
    CREATE TEMP TABLE rated_lane (queue TEXT, kind TEXT, lane INTEGER, partition TEXT, opens_at REAL,
                                  PRIMARY KEY (queue, kind, lane, partition)) WITHOUT ROWID;
    CREATE INDEX temp.rated_lane_open ON rated_lane (queue, kind, lane, partition) WHERE opens_at IS NULL;
    CREATE INDEX temp.rated_lane_shut ON rated_lane (opens_at) WHERE opens_at IS NOT NULL;
    CREATE TEMP TRIGGER rated_insert AFTER INSERT ON main.job {ADD}
    CREATE TEMP TRIGGER rated_update AFTER UPDATE OF state, is_due ON main.job {ADD}
"""
# A lane in which nothing is due any more is among them until it was looked at.
OPEN = """
    SELECT ?2, 0, noted.lane, noted.partition, parent.child_concurrency, ifnull(parent.root_id, 0),
           noted.lane IN (SELECT name + 0 FROM pause WHERE scope = 'run')
           OR ifnull(parent.root_id, 0) IN (SELECT name + 0 FROM pause WHERE scope = 'run'),
           EXISTS (SELECT 1 FROM job WHERE queue = ?1 AND kind = ?2 AND lane = noted.lane
                   AND partition = noted.partition AND state = 0 AND is_due = 1)
    FROM (SELECT lane, partition FROM rated_lane INDEXED BY rated_lane_open WHERE queue = ?1 AND kind = ?2
          AND opens_at IS NULL AND (lane, partition) > (?3, ?4) ORDER BY lane, partition LIMIT ?5) AS noted
    LEFT JOIN job AS parent ON parent.id = noted.lane
    ORDER BY noted.lane, noted.partition
"""
FORGET = """
    DELETE FROM rated_lane WHERE queue = ?1 AND kind = ?2
    AND (lane, partition) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3))
"""
SHUT = """
    INSERT INTO rated_lane
    SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?2) WHERE true
    ON CONFLICT DO UPDATE SET opens_at = excluded.opens_at
"""


class Found(NamedTuple):
    """The lanes of a window that may have a token."""

    rows: list[Row]  # as those of the look at other lanes
    end: Lane | None  # the last one, where others may come after it


class RatedLanes:
    """The lanes of one database that wait for tokens of their own."""

    def __init__(self, database: Database, all_lanes: str) -> None:
        self._database = database
        self._fill = f"INSERT INTO rated_lane SELECT ?1, kind, lane, partition, NULL FROM ({all_lanes})"
        self._rates: dict[tuple[str, str], str] = {}  # by queue and kind, those whose lanes are noted
        self._good_for: int | None = None  # the number of rollbacks up to which that is so
        self._now = math.inf  # of the newest look

    def open(self, queue: str, terms: Iterable[KindTerms]) -> None:
        """Look at the lanes of those kinds whose next token has come; *terms* are of kinds with such a rate."""
        if self._good_for != self._database.rollbacks:
            self._rates = self._noted()
            self._good_for = self._database.rollbacks
            self._now = math.inf  # what was undone may have opened lanes because the clock had been set back
        for term in terms:
            rate_json = msgspec.json.encode(term.partition_rate).decode()
            if self._rates.get((queue, term.kind)) != rate_json:
                self._note(queue, term.kind, rate_json)
        now = self._database.now
        until = math.inf if now < self._now else now  # a clock that was set back: their times mean nothing
        self._database.run("UPDATE rated_lane SET opens_at = NULL WHERE opens_at <= ?", (until,))
        self._now = now

    def look(self, queue: str, kind: str, size: int, after: Lane) -> Found:
        """Return at most *size* lanes of a kind after *after* that may have a token."""
        rows = self._database.rows(OPEN, (queue, kind, *after, size))
        empty = [row[2:4] for row in rows if not row[-1]]
        if empty:
            self._database.run(FORGET, (queue, kind, msgspec.json.encode(empty).decode()))
        end = Lane(*rows[-1][2:4]) if len(rows) == size else None
        return Found([row[:-1] for row in rows if row[-1]], end)

    def shut(self, queue: str, until: Mapping[tuple[str, Lane], float]) -> float:
        """Leave out lanes, by kind, until their next token; return when the first of all that are left out has one."""
        if until:
            rows = [(kind, *lane, at) for (kind, lane), at in until.items()]
            self._database.run(SHUT, (queue, msgspec.json.encode(rows).decode()))
        ((first,),) = self._database.rows("SELECT min(opens_at) FROM rated_lane WHERE opens_at IS NOT NULL")
        return math.inf if first is None else float(first)

    def _noted(self) -> dict[tuple[str, str], str]:
        ((is_made,),) = self._database.rows(IS_MADE)
        if not is_made:
            self._database.script(MAKE)
            return {}
        rows: Sequence[Row] = self._database.rows("SELECT queue, kind, rate_json FROM rated")
        return {(queue, kind): rate_json for queue, kind, rate_json in rows}

    def _note(self, queue: str, kind: str, rate_json: str) -> None:
        """Begin with all lanes of a kind: it, or its rate, is new."""
        self._database.run("DELETE FROM rated_lane WHERE queue = ? AND kind = ?", (queue, kind))
        self._database.run("INSERT OR REPLACE INTO rated VALUES (?, ?, ?)", (queue, kind, rate_json))
        kinds_json = msgspec.json.encode([kind]).decode()
        self._database.run(self._fill, (queue, kinds_json, -1, "", MAX_INTEGER))
        self._rates[queue, kind] = rate_json
