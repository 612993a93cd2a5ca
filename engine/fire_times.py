"""Owns when a rule fires: the times of a cron expression in a time zone, and those of an interval.

A fire time is a moment, in seconds since the epoch, so it comes once whatever the clocks on the wall do (I20):

- A rule that names hours fires once for each time of day that it names. Where the clocks are put forward over that
  time, it fires when they have been; where they show it twice, the first time.
- A rule for every hour fires each time that the clocks show what it names: on the day of a change 23 or 25 times.

cronsim reads the expression and counts on a clock without a zone. The zone is put on here: docs/decisions.md says why.
Plain functions; cronsim and the time zones are loaded with the first rule that needs them.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from .errors import InvalidJobError
from .records import Record

if TYPE_CHECKING:
    from cronsim import CronSim

MIN_EVERY_S = 0.001
MAX_EVERY_S = 100 * 366 * 86_400.0
MAX_LENGTH = 255  # of an expression
DAY_S = 86_400
HOURS_A_DAY = 24
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a clock without a zone shows
FIRST_AT = datetime(2, 1, 1, tzinfo=UTC).timestamp()
LAST_AT = datetime(9_900, 1, 1, tzinfo=UTC).timestamp()  # cronsim looks 50 years ahead, and a datetime ends with 9999

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Cron(Record, frozen=True, kw_only=True, tag="cron"):
    """The times of a cron expression, on the clocks of a time zone."""

    expression: str  # minute, hour, day of month, month, day of week; or six fields, seconds first; or such as @daily
    timezone: str = "UTC"  # a name of the IANA database, such as Europe/Berlin


class Interval(Record, frozen=True, kw_only=True, tag="interval"):
    """Times that lie so far apart, whatever the clocks on the wall show."""

    every_s: float
    from_at: float = 0.0  # one of them, in seconds since the epoch


Rule = Cron | Interval


def fire_times(rule: Rule, after: float) -> Iterator[float]:
    """Yield the fire times of *rule* after that time, earliest first; they end when fifty years have none, or in 9900.

    Raises ``InvalidJobError`` for a rule that ``check_rule`` refuses.
    """
    if not after <= LAST_AT:
        return iter(())
    since = max(after, FIRST_AT)
    times = _times_apart(rule, since) if isinstance(rule, Interval) else _times_of_cron(rule, since)
    return itertools.takewhile(lambda at: at <= LAST_AT, times)


def next_time(rule: Rule, after: float) -> float | None:
    """Return the first fire time of *rule* after that time, or None when there is none for fifty years."""
    return next(fire_times(rule, after), None)


def check_rule(rule: Rule, now: float) -> None:
    """Raise ``InvalidJobError`` for a rule that is none, or that never fires from *now* on."""
    if isinstance(rule, Interval):
        if not MIN_EVERY_S <= rule.every_s <= MAX_EVERY_S:
            raise InvalidJobError(
                f"asked for an interval of {rule.every_s} s, found that it is not from {MIN_EVERY_S} s to 100 years"
            )
    elif next_time(rule, now) is None:
        raise InvalidJobError(f"asked for cron {rule.expression!r}, found no such time in the next 50 years")


def _times_apart(rule: Interval, after: float) -> Iterator[float]:
    step = math.floor((after - rule.from_at) / rule.every_s)
    while True:
        at = rule.from_at + step * rule.every_s
        if at > after:
            yield at
        step += 1


def _times_of_cron(rule: Cron, after: float) -> Iterator[float]:
    zone = _zone(rule.timezone)
    second = math.floor(after)
    walls = _walls(rule.expression, second + _offset(second, zone))
    if len(walls.hours) == HOURS_A_DAY:
        return _whenever_shown(rule.expression, zone, second)
    return _once_each(walls, zone, after)


def _once_each(walls: Iterator[datetime], zone: tzinfo, after: float) -> Iterator[float]:
    """Yield the moment of each of *walls* that comes after that time, none twice."""
    last = after
    for wall in walls:
        at = _moment(wall, zone)
        if at > last:
            last = at
            yield at


def _whenever_shown(expression: str, zone: tzinfo, after: int) -> Iterator[float]:
    """Yield each moment after that second at which the clocks show what *expression* names.

    Between two changes of the clocks they are as far from UTC all the time; at a change it begins anew.
    """
    since, offset = after, _offset(after, zone)
    while True:
        for wall in _walls(expression, since + offset):
            at = _seconds(wall) - offset
            change = _change(since, at, offset, zone)
            if change is not None:
                break
            since = at
            yield float(at)
        else:
            return
        since, offset = change - 1, _offset(change, zone)


def _moment(wall: datetime, zone: tzinfo) -> float:
    """Return when the clocks of *zone* show *wall*: the first time that they do, or else when they have passed it."""
    at = int(wall.replace(tzinfo=zone).timestamp())
    if _shown(at + _offset(at, zone)) == wall:
        return float(at)
    before = int(wall.replace(tzinfo=zone, fold=1).timestamp())  # PEP 495: in a gap, fold=1 lies before it
    change = _change(before, at, _offset(before, zone), zone)
    return float(at if change is None else change)


def _change(low: int, high: int, offset: int, zone: tzinfo) -> int | None:
    """Return the first second after *low*, up to *high*, at which the clocks are not *offset* from UTC, or None."""
    while low < high:
        probe = min(low + DAY_S, high)  # no zone has changed its clocks and changed them back within a day
        if _offset(probe, zone) != offset:
            return _first_of(low, probe, offset, zone)
        low = probe
    return None


def _first_of(low: int, high: int, offset: int, zone: tzinfo) -> int:
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(middle, zone) != offset else (middle, high)
    return high


def _offset(at: int, zone: tzinfo) -> int:
    """Return how many seconds the clocks of *zone* are ahead of UTC at that time."""
    ahead = datetime.fromtimestamp(at, zone).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds())


def _shown(seconds: int) -> datetime:
    """Return what a clock without a zone shows so many seconds after it showed the epoch."""
    return EPOCH + timedelta(seconds=seconds)


def _seconds(wall: datetime) -> int:
    return int((wall - EPOCH).total_seconds())


def _walls(expression: str, after: int) -> CronSim:
    """Return what clocks without a zone show at the times of *expression*, after they showed that second."""
    from cronsim import CronSim, CronSimError

    asked = f"asked for cron {expression[:MAX_LENGTH]!r}"
    if len(expression) > MAX_LENGTH:
        raise InvalidJobError(f"{asked}..., found {len(expression)} characters; at most {MAX_LENGTH} are read")
    try:
        return CronSim(ALIASES.get(expression.strip().lower(), expression), _shown(after))
    except CronSimError as error:
        raise InvalidJobError(
            f"{asked}, found: {str(error).lower()}; it has five fields, minute, hour, day of month, month and day of"
            " week, or six, seconds first"
        ) from None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = sorted(available_timezones())
    if not known:
        raise InvalidJobError("asked for a time zone, found none on this system; install tzdata")
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean {near[0]}?" if near else "names are those of the IANA database, such as Europe/Berlin"
    raise InvalidJobError(f"asked for time zone {name[:MAX_LENGTH]!r}, found none of that name; {advice}")
