"""When rules fire, against a clock that is read minute by minute (I20)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bequest import InvalidJobError
from bequest.engine.fire_times import Cron, Interval, check_rule, fire_times

MINUTE_S = 60
DAYS = 4  # that are read minute by minute
# Within a day or two of each of these the clocks of some zone below change, forwards or backwards, or a year ends.
NEAR = (
    "2026-03-29T00:00",  # Berlin +1 h
    "2026-10-25T00:00",  # Berlin -1 h
    "2026-04-05T00:00",  # Lord Howe -30 min, Chatham -1 h
    "2026-10-04T00:00",  # Lord Howe +30 min
    "2026-09-06T00:00",  # Santiago +1 h, at midnight
    "2026-02-15T00:00",  # Casablanca -1 h, for Ramadan
    "2011-12-30T12:00",  # Apia +24 h
    "2026-12-31T00:00",
    "2028-02-29T00:00",
)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/Santiago",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kathmandu",
)
ANY = st.just("*")
MINUTES = ANY | st.sampled_from(["0", "30", "*/20", "45", "5,59", "10-12"])
HOURS = ANY | st.sampled_from(["0", "2", "*/2", "1-3", "23", "2,3", "0-23"])
DAY_FIELDS = ANY | st.sampled_from(["*/2", "L", "29", "1-15"])


def numbers(field: str, least: int, most: int) -> set[int]:
    """Return the numbers that a field of stars, steps, ranges and lists names."""
    found: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        low, _, high = span.partition("-")
        first, last = (least, most) if span == "*" else (int(low), int(high or low))
        found |= set(range(first, last + 1, int(step or 1)))
    return found


class Clockwork:
    """A cron rule as a person reads it: does the wall clock show it now?"""

    def __init__(self, minute: str, hour: str, day: str, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.minutes = numbers(minute, 0, 59)
        self.hours = numbers(hour, 0, 23)
        self.day = day

    def names(self, wall: datetime) -> bool:
        """Whether the rule names what a wall clock shows."""
        is_last = (wall + timedelta(days=1)).day == 1
        is_day = is_last if self.day == "L" else wall.day in numbers(self.day, 1, 31)
        return wall.minute in self.minutes and wall.hour in self.hours and is_day

    def times(self, first: int, last: int) -> Iterator[int]:
        """Yield the moments at which it fires, minute by minute from *first* to *last*."""
        shown: set[datetime] = set()
        before = self.wall(first - MINUTE_S)
        for at in range(first, last + 1, MINUTE_S):
            wall = self.wall(at)
            if len(self.hours) == 24:
                fires = self.names(wall)
            else:
                passed = minutes_between(before, wall)  # more than one where the clocks were put forward
                fires = any(self.names(one) and one not in shown for one in passed)
                shown.update(passed)
            before = wall
            if fires:
                yield at

    def wall(self, at: int) -> datetime:
        """Return what the clocks of the zone show."""
        return datetime.fromtimestamp(at, self.zone).replace(tzinfo=None, fold=0)


def minutes_between(before: datetime, now: datetime) -> list[datetime]:
    """Return the minutes of the wall clock after *before* and up to *now*; that alone where it went backwards."""
    count = (now - before) // timedelta(minutes=1)
    return [now - timedelta(minutes=back) for back in range(count)] if count > 0 else [now]


@settings(deadline=None)  # four days, minute by minute
@given(
    minute=MINUTES,
    hour=HOURS,
    day=DAY_FIELDS,
    zone=st.sampled_from(ZONES),
    near=st.sampled_from(NEAR),
    shift=st.integers(-2 * 24 * 60, 24 * 60),
)
@example(minute="30", hour="2", day="*", zone="Europe/Berlin", near=NEAR[1], shift=-24 * 60)
@example(minute="0", hour="*/2", day="*", zone="Europe/Berlin", near=NEAR[0], shift=-24 * 60)
@example(minute="45", hour="*", day="*", zone="Australia/Lord_Howe", near=NEAR[3], shift=-24 * 60)
@example(minute="30", hour="0", day="*", zone="America/Santiago", near=NEAR[4], shift=-24 * 60)
@example(minute="*/20", hour="*", day="*", zone="Pacific/Apia", near=NEAR[6], shift=-24 * 60)
def test_fire_times_are_those_of_a_clock_that_is_watched(
    minute: str, hour: str, day: str, zone: str, near: str, shift: int
) -> None:
    """Over days around every kind of change, the times are those that a person with the rule in hand would note."""
    begin = int(datetime.fromisoformat(near).replace(tzinfo=UTC).timestamp()) + shift * MINUTE_S
    end = begin + DAYS * 86_400
    clockwork = Clockwork(minute, hour, day, zone)
    lead_in = begin - 30 * 3600  # so that what was shown once before *begin* is known

    found = takewhile(
        lambda at: at <= end, fire_times(Cron(expression=f"{minute} {hour} {day} * *", timezone=zone), begin)
    )

    assert list(found) == [at for at in clockwork.times(lead_in, end) if at > begin]


@given(
    every_s=st.floats(0.001, 1e9),
    from_at=st.floats(0, 2e9),
    after=st.floats(-1e9, 4e9),
)
def test_interval_times_are_one_grid(every_s: float, from_at: float, after: float) -> None:
    """The next time comes after the one asked for, within one interval, and is itself followed by the one after."""
    rule = Interval(every_s=every_s, from_at=from_at)

    first, second = (at for at, _ in zip(fire_times(rule, after), range(2), strict=False))

    slack = 1e-5  # seconds; what a float near 4e9 tells apart, a few times over
    assert after < first <= after + every_s + slack
    assert abs(second - first - every_s) < slack
    assert next(fire_times(rule, first)) == second


@given(st.text(st.sampled_from("0123456789*/,-#LWMONFEB @²\0"), max_size=30) | st.text(max_size=20))
def test_any_text_is_a_rule_or_is_refused(text: str) -> None:
    """No text is taken for a rule that does not fire, and none raises anything but the one error."""
    rule = Cron(expression=text)

    try:
        check_rule(rule, 1.8e9)
    except InvalidJobError:
        return

    assert next(fire_times(rule, 1.8e9)) > 1.8e9


@given(st.text(max_size=20) | st.sampled_from(["..", "Europe/", "/", "UTC/x", "a\0b", "posix", "right/UTC"]))
def test_any_name_is_a_zone_or_is_refused(name: str) -> None:
    """No name of a time zone raises anything but the one error."""
    rule = Cron(expression="@hourly", timezone=name)

    try:
        check_rule(rule, 1.8e9)
    except InvalidJobError as error:
        assert "asked for time zone" in str(error)  # noqa: PT017 - either way is right
