"""Owns the look at which lanes have due jobs: a few probes of an index, however many jobs there are.

Where there are more lanes than are looked at in one go, they are looked at in windows, from the turn on and round; so a
claim costs as much with ten thousand lanes as with a few hundred, and every lane comes round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from .database import Database, Row
from .limits import Lane
from .rated_lanes import RatedLanes

LANES_AT_ONCE = 128  # of each kind, or as many as are asked for
START = Lane(-1, "")

# One probe of the index for each lane that has due jobs, of each kind, at most ?5 of them after the lane ?3, ?4.
DUE_LANES = """
    WITH RECURSIVE probe (kind, nth, id) AS (
        SELECT value, 1, coalesce(
            (SELECT id FROM job WHERE queue = ?1 AND kind = asked.value AND lane = ?3 AND partition > ?4
             AND state = 0 AND is_due = 1 ORDER BY partition LIMIT 1),
            (SELECT id FROM job WHERE queue = ?1 AND kind = asked.value AND lane > ?3
             AND state = 0 AND is_due = 1 ORDER BY lane, partition LIMIT 1))
        FROM json_each(?2) AS asked
        UNION ALL
        SELECT probe.kind, nth + 1, coalesce(
            (SELECT id FROM job WHERE queue = ?1 AND kind = probe.kind AND lane = here.lane
             AND partition > here.partition AND state = 0 AND is_due = 1 ORDER BY partition LIMIT 1),
            (SELECT id FROM job WHERE queue = ?1 AND kind = probe.kind AND lane > here.lane
             AND state = 0 AND is_due = 1 ORDER BY lane, partition LIMIT 1))
        FROM probe CROSS JOIN job AS here ON here.id = probe.id WHERE nth < ?5
    )
    SELECT probe.kind AS kind, nth, here.lane AS lane, here.partition AS partition, parent.child_concurrency,
           ifnull(parent.root_id, 0),
           here.lane IN (SELECT name + 0 FROM pause WHERE scope = 'run')
           OR ifnull(parent.root_id, 0) IN (SELECT name + 0 FROM pause WHERE scope = 'run')
    FROM probe CROSS JOIN job AS here ON here.id = probe.id LEFT JOIN job AS parent ON parent.id = here.parent_id
    ORDER BY here.lane, here.partition
"""

# The first and the last lane that have due jobs, of each kind that has any.
FIRST = (
    "SELECT id FROM job WHERE queue = ?1 AND kind = {kind} AND state = 0 AND is_due = 1"
    " ORDER BY lane, partition LIMIT 1"
)
LAST = FIRST.replace("lane, partition", "lane DESC, partition DESC")
ENDS = f"""
    SELECT asked.value, low.lane, low.partition, high.lane, high.partition FROM json_each(?2) AS asked
    CROSS JOIN job AS low ON low.id = ({FIRST.format(kind="asked.value")})
    CROSS JOIN job AS high ON high.id = ({LAST.format(kind="asked.value")})
"""
# The same, in one row at least, with what else a claim looks at first.
LOOK = "SELECT EXISTS (SELECT 1 FROM job WHERE state = 0 AND is_due = 0 AND run_at <= ?3), EXISTS (SELECT 1 FROM pause)"
LOOK_AT_MANY = f"{LOOK}, ends.* FROM (SELECT 1) LEFT JOIN ({ENDS}) AS ends"
LOOK_AT_ONE = f"""
    {LOOK}, iif(low.id, ?2, NULL), low.lane, low.partition, high.lane, high.partition FROM (SELECT 1)
    LEFT JOIN job AS low ON low.id = ({FIRST.format(kind="?2")})
    LEFT JOIN job AS high ON high.id = ({LAST.format(kind="?2")})
"""


class DueLane(NamedTuple):
    """A lane that has due jobs."""

    lane: Lane
    kinds: tuple[str, ...]  # of which they are
    concurrency: int | None  # of the parent's children
    root_id: int  # of the run that they belong to; 0 for jobs without a parent
    is_paused: bool  # the run


class Window(NamedTuple):
    """Some neighbouring lanes."""

    lanes: tuple[DueLane, ...]
    end: Lane | None  # the last one, where others come after it


class Look(NamedTuple):
    """What a claim looks at first."""

    has_fallen_due: bool  # of any job, that is not claimable yet
    has_pauses: bool
    sole: tuple[DueLane, ...] | None  # all lanes, where there is at most one and that has no parent


class DueLanes:
    """Looks at the lanes of one database."""

    def __init__(self, database: Database) -> None:
        self.rated = RatedLanes(database, DUE_LANES)
        self._database = database

    def look(self, queue: str, kinds: Sequence[str]) -> Look:
        """Return whether a job has fallen due or anything is paused, and the sole lane with due jobs of *kinds*."""
        if len(kinds) == 1:
            rows = self._database.rows(LOOK_AT_ONE, (queue, kinds[0], self._database.now))
        else:
            rows = self._database.rows(LOOK_AT_MANY, (queue, msgspec.json.encode(kinds).decode(), self._database.now))
        has_fallen_due, has_pauses, kind = rows[0][:3]
        return Look(bool(has_fallen_due), bool(has_pauses), sole_of([] if kind is None else [row[2:] for row in rows]))

    def windows(
        self, queue: str, kinds: Sequence[str], after: Lane | None, least: int, *, rated: Collection[str] = ()
    ) -> Iterator[Window]:
        """Yield all lanes of *queue* with due jobs of *kinds*: in one window, or in several from *after* on and round.

        Of the kinds that are *rated* only those that may have a token. No window but the last has fewer than *least*
        lanes. Each is read when it is asked for, by what *kinds* holds then.
        """
        sole = None if rated else sole_of(self._database.rows(ENDS, (queue, msgspec.json.encode(kinds).decode())))
        if sole is not None:
            yield Window(sole, None)
            return
        look = partial(self._window, queue, kinds, rated, max(least, LANES_AT_ONCE))
        first = look(START)
        if first.end is None or after is None:
            yield first
            yield from rest_of(look, first.end)
            return
        for window in rest_of(look, after):
            if window.end is not None:
                yield window
            else:  # of the last ones there may be few
                yield Window((*window.lanes, *until(after, first)), first.end if first.end < after else None)
        end = first.end if first.end < after else None
        while end is not None:
            window = look(end)
            end = None if window.end is None or window.end >= after else window.end
            yield Window(until(after, window), end)

    def _window(self, queue: str, kinds: Sequence[str], rated: Collection[str], size: int, after: Lane) -> Window:
        others = [kind for kind in kinds if kind not in rated]
        values = (queue, msgspec.json.encode(others).decode(), *after, size)
        rows = self._database.rows(DUE_LANES, values) if others else []
        ends = [Lane(*row[2:4]) for row in rows if row[1] == size]
        for kind in kinds:
            if kind in rated:
                more, end = self.rated.look(queue, kind, size, after)
                rows += more
                ends += [] if end is None else [end]
        found: dict[Lane, DueLane] = {}
        for kind, _, lane_id, partition, concurrency, root_id, is_paused in sorted(rows, key=lambda row: row[2:4]):
            lane = Lane(lane_id, partition)
            known = found.get(lane)
            kinds_here = (kind,) if known is None else (*known.kinds, kind)
            found[lane] = DueLane(lane, kinds_here, concurrency, root_id or lane_id, bool(is_paused))
        end = min(ends, default=None)  # of a kind there may be more, so what comes after is looked at with them
        return Window(tuple(due for due in found.values() if end is None or due.lane <= end), end)


def sole_of(ends: Sequence[Row]) -> tuple[DueLane, ...] | None:
    """Return all lanes where *ends* are of at most one and that has no parent, as is common; else None."""
    if not ends:
        return ()
    lane = ends[0][1:3]
    if lane[0] or any([end[1:3] != lane or end[3:] != lane for end in ends]):
        return None
    return (DueLane(Lane(*lane), tuple([end[0] for end in ends]), None, 0, is_paused=False),)


def rest_of(look: Callable[[Lane], Window], end: Lane | None) -> Iterator[Window]:
    """Yield the windows from *end* on to the last lane."""
    while end is not None:
        window = look(end)
        yield window
        end = window.end


def until(last: Lane, window: Window) -> tuple[DueLane, ...]:
    """Return the lanes of *window* up to *last*."""
    return tuple(due for due in window.lanes if due.lane <= last)
