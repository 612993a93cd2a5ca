"""Tests of when a rule fires: time zones with every kind of change, leap days, year ends, and what is no rule (I20)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from bequest import InvalidJobError
from bequest.engine.fire_times import ALIASES, Cron, Interval, Rule, check_rule, fire_times, next_time

YEAR_S = 366 * 86_400.0


def moment(text: str) -> float:
    """Return the seconds since the epoch of an ISO time; one without an offset is in UTC."""
    read = datetime.fromisoformat(text)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def shown(expression: str, zone: str, after: str, count: int) -> list[str]:
    """Return the next *count* fire times as the clocks of *zone* show them, each with its distance from UTC."""
    times = islice(fire_times(Cron(expression=expression, timezone=zone), moment(after)), count)
    return [datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%m-%d %H:%M%z") for at in times]


# Rules that name hours: each time of day once a day, whatever the clocks do.


def test_named_time_in_a_gap_fires_when_the_clocks_have_passed_it() -> None:
    """02:30 does not exist on the last Sunday of March in Berlin, so the run comes at 03:00, and is not lost."""
    found = shown("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 3)

    assert found == ["03-29 03:00+0200", "03-30 02:30+0200", "03-31 02:30+0200"]


def test_named_time_that_is_shown_twice_fires_the_first_time() -> None:
    """02:30 comes twice on the last Sunday of October in Berlin, and the run is not doubled."""
    found = shown("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00+02:00", 3)

    assert found == ["10-25 02:30+0200", "10-26 02:30+0100", "10-27 02:30+0100"]


def test_named_time_is_over_in_the_repeated_hour() -> None:
    """Asked within the second of the two hours, the next 02:30 is tomorrow's and not the one that has passed."""
    assert shown("30 2 * * *", "Europe/Berlin", "2026-10-25T02:10+01:00", 1) == ["10-26 02:30+0100"]


def test_named_times_of_a_whole_gap_come_to_one_moment() -> None:
    """Four times that the gap has swallowed are one fire time, right after it."""
    found = shown("*/15 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 3)

    assert found == ["03-29 03:00+0200", "03-30 02:00+0200", "03-30 02:15+0200"]


def test_gap_and_the_time_after_it_are_one_fire_time() -> None:
    """02:00, which does not exist, and 03:00 are the same moment, and that fires once."""
    found = shown("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 3)

    assert found == ["03-29 03:00+0200", "03-30 02:00+0200", "03-30 03:00+0200"]


def test_steps_of_hours_name_hours() -> None:
    """``*/2`` names twelve hours of the day, so 02:00 is neither lost in spring nor doubled in autumn."""
    spring = shown("0 */2 * * *", "Europe/Berlin", "2026-03-29T00:30+01:00", 2)
    autumn = shown("0 */2 * * *", "Europe/Berlin", "2026-10-25T00:30+02:00", 2)

    assert spring == ["03-29 03:00+0200", "03-29 04:00+0200"]
    assert autumn == ["10-25 02:00+0200", "10-25 04:00+0100"]


@pytest.mark.parametrize("year", range(2020, 2050))
@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago"])
def test_daily_rule_fires_once_on_each_day(zone: str, year: int) -> None:
    """Over a year with all its changes, each day has one run, also where midnight is what is skipped."""
    start = datetime(year, 1, 1, tzinfo=ZoneInfo(zone)).timestamp()
    end = datetime(year + 1, 1, 1, tzinfo=ZoneInfo(zone)).timestamp()

    times = [at for at in islice(fire_times(Cron(expression="15 0 * * *", timezone=zone), start), 367) if at < end]

    days = [datetime.fromtimestamp(at, ZoneInfo(zone)).date() for at in times]
    assert len(set(days)) == len(days) == (datetime(year + 1, 1, 1) - datetime(year, 1, 1)).days  # noqa: DTZ001


# Rules for every hour: as often as the clocks show it.


def test_hourly_rule_fires_once_in_each_hour_of_real_time() -> None:
    """In Berlin the day in March has 23 runs and the day in October 25, an hour apart."""
    rule = Cron(expression="0 * * * *", timezone="Europe/Berlin")
    spring = list(islice(fire_times(rule, moment("2026-03-28T23:59:59+01:00")), 24))
    autumn = list(islice(fire_times(rule, moment("2026-10-24T23:59:59+02:00")), 26))

    assert spring == [spring[0] + 3600 * hour for hour in range(24)]
    assert autumn == [autumn[0] + 3600 * hour for hour in range(26)]
    assert spring[23] == moment("2026-03-30T00:00+02:00")
    assert autumn[25] == moment("2026-10-26T00:00+01:00")


def test_hourly_rule_follows_a_change_by_half_an_hour() -> None:
    """On Lord Howe the clocks move by 30 minutes: 02:45 is not lost in spring, and 01:45 comes twice in autumn."""
    spring = shown("45 * * * *", "Australia/Lord_Howe", "2026-10-04T01:00+10:30", 3)
    autumn = shown("45 * * * *", "Australia/Lord_Howe", "2026-04-05T01:00+11:00", 3)

    assert spring == ["10-04 01:45+1030", "10-04 02:45+1100", "10-04 03:45+1100"]
    assert autumn == ["04-05 01:45+1100", "04-05 01:45+1030", "04-05 02:45+1030"]


def test_rule_for_every_hour_keeps_to_its_days() -> None:
    """On a Sunday that begins at 01:00 in Santiago, because midnight was skipped, the first run is at 01:30."""
    found = shown("30 * * * 0", "America/Santiago", "2026-09-05T12:00-04:00", 2)

    assert found == ["09-06 01:30-0300", "09-06 02:30-0300"]


# Odd offsets and days that are missing.


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Asia/Kathmandu", "2026-05-01T12:00+05:45"),
        ("Asia/Kolkata", "2026-05-01T12:00+05:30"),
        ("Pacific/Chatham", "2026-05-01T12:00+12:45"),
        ("Pacific/Kiritimati", "2026-05-01T12:00+14:00"),
        ("Pacific/Marquesas", "2026-05-01T12:00-09:30"),
        ("Etc/GMT+12", "2026-05-01T12:00-12:00"),
        ("UTC", "2026-05-01T12:00+00:00"),
    ],
)
def test_noon_is_noon_where_the_clocks_are(zone: str, expected: str) -> None:
    """A rule for noon fires when the clocks of its zone show noon, whatever their distance from UTC."""
    day = moment(expected) - 86_000

    assert next_time(Cron(expression="0 12 * * *", timezone=zone), day) == moment(expected)


def test_day_that_a_zone_left_out_is_made_up_for() -> None:
    """Samoa had no 30 December 2011; its noon is made up for at the midnight after, and hours stay an hour apart."""
    daily = shown("0 12 * * *", "Pacific/Apia", "2011-12-28T13:00-10:00", 3)
    hourly = shown("0 * * * *", "Pacific/Apia", "2011-12-29T22:30-10:00", 3)

    assert daily == ["12-29 12:00-1000", "12-31 00:00+1400", "12-31 12:00+1400"]
    assert hourly == ["12-29 23:00-1000", "12-31 00:00+1400", "12-31 01:00+1400"]


def test_leap_day_is_waited_for() -> None:
    """29 February comes in leap years alone; 2100 is none."""
    rule = Cron(expression="0 0 29 2 *")

    found = [datetime.fromtimestamp(at, UTC).year for at in islice(fire_times(rule, moment("2089-01-01")), 4)]

    assert found == [2092, 2096, 2104, 2108]


def test_year_ends_where_the_zone_says() -> None:
    """The last minute of a year is one of its zone, on another day of UTC."""
    rule = Cron(expression="59 23 31 12 *", timezone="Pacific/Auckland")

    found = list(islice(fire_times(rule, moment("2026-12-31T10:58:00Z")), 2))

    assert found == [moment("2026-12-31T10:59Z"), moment("2027-12-31T10:59Z")]


def test_rule_knows_last_days_and_nth_weekdays() -> None:
    """``L`` is the last day of a month, and ``MON#1`` its first Monday."""
    last = shown("0 0 L * *", "UTC", "2028-01-30T00:00", 3)
    first = shown("0 9 * * MON#1", "UTC", "2026-11-01T00:00", 2)

    assert last == ["01-31 00:00+0000", "02-29 00:00+0000", "03-31 00:00+0000"]
    assert first == ["11-02 09:00+0000", "12-07 09:00+0000"]


def test_six_fields_begin_with_seconds() -> None:
    """With six fields the first is the second of the minute."""
    found = list(islice(fire_times(Cron(expression="*/20 0 0 * * *"), moment("2026-01-01T23:00")), 3))

    assert found == [moment(f"2026-01-02T00:00:{second}") for second in ("00", "20", "40")]


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_is_what_it_stands_for(alias: str) -> None:
    """``@daily`` and its like are short for five fields, in any case."""
    after = moment("2026-11-24T12:00")

    found = next_time(Cron(expression=f" {alias.upper()} "), after)

    assert found == next_time(Cron(expression=ALIASES[alias]), after)


# Moments and intervals.


@pytest.mark.parametrize("rule", [Cron(expression="* * * * *"), Interval(every_s=60.0)])
def test_fire_time_comes_after_the_time_asked_for(rule: Rule) -> None:
    """At a fire time the next one is another; a fraction of a second before it, it is that one."""
    at = moment("2026-11-24T12:00")

    found = [next_time(rule, after) for after in (at - 60, at - 0.25, at, at + 0.25)]

    assert found == [at, at, at + 60, at + 60]


def test_interval_has_its_beginning_on_both_sides() -> None:
    """The times of an interval lie on one grid, also before the one that it was begun with."""
    rule = Interval(every_s=0.5, from_at=1_000.25)

    assert list(islice(fire_times(rule, 1_000.25), 2)) == [1_000.75, 1_001.25]
    assert list(islice(fire_times(rule, 900.0), 2)) == [900.25, 900.75]


EACH_MINUTE = (Cron(expression="* * * * *", timezone="Europe/Berlin"), Interval(every_s=60.0))


@pytest.mark.parametrize("after", [1e12, float("inf"), float("nan")])
@pytest.mark.parametrize("rule", EACH_MINUTE)
def test_clock_beyond_all_calendars_has_no_fire_times(rule: Rule, after: float) -> None:
    """A clock that shows a year which no calendar has makes nothing due, and no error."""
    assert list(fire_times(rule, after)) == []


@pytest.mark.parametrize("rule", EACH_MINUTE)
def test_fire_times_begin_and_end_with_the_calendar(rule: Rule) -> None:
    """The first are in the year 2, the last in 9900, wherever one begins to look."""
    first, last = moment("0002-01-01T00:00:00"), moment("9899-12-31T23:59:00")

    begin = [next_time(rule, after) for after in (-1e12, float("-inf"), first)]
    end = list(fire_times(rule, last))

    assert begin[0] is not None
    assert first < begin[0] <= first + 60
    assert set(begin) == {begin[0]}
    assert end == [last + 60]


# What is refused.


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "wrong number of fields"),
        ("* * * *", "wrong number of fields"),
        ("* * * * * * *", "wrong number of fields"),
        ("@reboot", "wrong number of fields"),
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * * 13 *", "bad month"),
        ("* * * * 8", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("5-1 * * * *", "bad minute"),
        ("60 * * * * *", "bad second"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 */20 * 1L", "no such time in the next 50 years"),
        ("* * */20 * 1L", "no such time in the next 50 years"),
        ("1" * 256, "256 characters; at most 255"),
    ],
)
def test_check_refuses_what_is_no_cron(expression: str, said: str) -> None:
    """What cannot be read, or never comes, is refused with what was asked and what was found."""
    with pytest.raises(InvalidJobError) as raised:
        check_rule(Cron(expression=expression), moment("2026-11-24"))

    assert f"asked for cron {expression[:255]!r}" in str(raised.value)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Europe", "found none of that name"),
        ("", "such as Europe/Berlin"),
        ("../UTC", "found none of that name"),
        ("/etc/localtime", "found none of that name"),
        ("U\0TC", "found none of that name"),
        ("x" * 10_000, "found none of that name"),
    ],
)
def test_check_refuses_what_is_no_time_zone(zone: str, said: str) -> None:
    """A name that the time zone database does not have is refused, with the nearest that it has."""
    with pytest.raises(InvalidJobError, match="asked for time zone") as raised:
        check_rule(Cron(expression="* * * * *", timezone=zone), 0.0)

    assert said in str(raised.value)
    assert len(str(raised.value)) < 500


def test_check_says_when_a_system_has_no_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no time zone database at all, the refusal says what to install; UTC needs none."""

    def none_at_all() -> AbstractSet[str]:
        return frozenset()

    monkeypatch.setattr(zoneinfo, "available_timezones", none_at_all)

    with pytest.raises(InvalidJobError, match="found none on this system; install tzdata"):
        check_rule(Cron(expression="* * * * *", timezone="Nowhere/Land"), 0.0)
    check_rule(Cron(expression="* * * * *"), 0.0)


@pytest.mark.parametrize("every_s", [0, -1.0, 1e-6, float("nan"), float("inf"), 101 * YEAR_S])
def test_check_refuses_intervals_that_are_none(every_s: float) -> None:
    """An interval is a number of seconds that a clock can count."""
    with pytest.raises(InvalidJobError, match=f"asked for an interval of {every_s} s, found that it is not"):
        check_rule(Interval(every_s=every_s), 0.0)


@pytest.mark.parametrize("rule", [Cron(expression="@daily", timezone="Asia/Kathmandu"), Interval(every_s=0.001)])
def test_check_takes_what_is_right(rule: Rule) -> None:
    """A rule that fires is taken without a word."""
    assert check_rule(rule, moment("2026-11-24")) is None  # type: ignore[func-returns-value]
