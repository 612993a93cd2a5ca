"""Owns the look at which lanes have due jobs: a few probes of an index, however many jobs there are.

Where there are more lanes than are looked at in one go, they are looked at in windows, from the turn on and round; so a
claim costs as much with ten thousand lanes as with a few hundred, and every lane comes round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from .database import Database
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
ENDS = """
    SELECT asked.value, low.lane, low.partition, high.lane, high.partition FROM {asked} AS asked
    CROSS JOIN job AS low ON low.id = (
        SELECT id FROM job WHERE queue = ?1 AND kind = asked.value AND state = 0 AND is_due = 1
        ORDER BY lane, partition LIMIT 1)
    CROSS JOIN job AS high ON high.id = (
        SELECT id FROM job WHERE queue = ?1 AND kind = asked.value AND state = 0 AND is_due = 1
        ORDER BY lane DESC, partition DESC LIMIT 1)
"""
ENDS_OF_ONE = ENDS.format(asked="(SELECT ?2 AS value)")
ENDS_OF_MANY = ENDS.format(asked="json_each(?2)")


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


class DueLanes:
    """Looks at the lanes of one database."""

    def __init__(self, database: Database) -> None:
        self.rated = RatedLanes(database, DUE_LANES)
        self._database = database

    def windows(
        self, queue: str, kinds: Sequence[str], after: Lane | None, least: int, *, rated: Collection[str] = ()
    ) -> Iterator[Window]:
        """Yield all lanes of *queue* with due jobs of *kinds*: in one window, or in several from *after* on and round.

        Of the kinds that are *rated* only those that may have a token. No window but the last has fewer than *least*
        lanes. Each is read when it is asked for, by what *kinds* holds then.
        """
        sole = None if rated else self._sole(queue, kinds)
        if sole is not None:
            yield sole
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

    def _sole(self, queue: str, kinds: Sequence[str]) -> Window | None:
        """Return the only window where there is at most one lane and that has no parent, as is common; else None."""
        if len(kinds) == 1:
            rows = self._database.rows(ENDS_OF_ONE, (queue, kinds[0]))
        else:
            rows = self._database.rows(ENDS_OF_MANY, (queue, msgspec.json.encode(kinds).decode()))
        lanes = {Lane(*row[at : at + 2]) for row in rows for at in (1, 3)}
        if not lanes:
            return Window((), None)
        lane = lanes.pop()
        if lanes or lane.parent_id:
            return None
        return Window((DueLane(lane, tuple(row[0] for row in rows), None, 0, is_paused=False),), None)

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


def rest_of(look: Callable[[Lane], Window], end: Lane | None) -> Iterator[Window]:
    """Yield the windows from *end* on to the last lane."""
    while end is not None:
        window = look(end)
        yield window
        end = window.end


def until(last: Lane, window: Window) -> tuple[DueLane, ...]:
    """Return the lanes of *window* up to *last*."""
    return tuple(due for due in window.lanes if due.lane <= last)
