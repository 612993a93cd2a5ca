"""Tests of schedules as values: what is due after an absence or a jump of the clock, and what may start (I20)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from bequest.engine.fire_times import Cron, Interval, Rule, fire_times
from bequest.engine.records import KeyScope, NewJob
from bequest.engine.schedules import (
    LATE_S,
    MAX_SPANS,
    CatchUp,
    Overlap,
    Plan,
    Schedule,
    Span,
    due_times,
    job_at,
    look,
    look_at_queue,
    next_fire,
    plan_of,
    used_with,
)

START = 1_800_000_000.0
HOUR_S = 3_600.0
TEN_YEARS_S = 10 * 365.25 * 86_400


def schedule(**fields: Any) -> Schedule:
    """Return an hourly schedule that was put at ``START``, but for what *fields* say."""
    defaults: dict[str, Any] = {
        "name": "nightly",
        "job": NewJob(kind="crawl"),
        "rule": Interval(every_s=HOUR_S, from_at=START),
        "seen_at": START,
        "next_at": START + HOUR_S,
    }
    return Schedule(**{**defaults, **fields})


def hours(*numbers: float) -> tuple[float, ...]:
    """Return the times so many hours after ``START``."""
    return tuple(START + HOUR_S * number for number in numbers)


# The catch-up policy.


@pytest.mark.parametrize(
    ("catch_up", "limit", "expected"),
    [
        (CatchUp.SKIP, 100, ()),
        (CatchUp.ONCE, 100, hours(5)),
        (CatchUp.ALL, 100, hours(1, 2, 3, 4, 5)),
        (CatchUp.ALL, 5, hours(1, 2, 3, 4, 5)),
        (CatchUp.ALL, 2, hours(4, 5)),
    ],
)
def test_due_times_follow_the_catch_up_policy(catch_up: CatchUp, limit: int, expected: tuple[float, ...]) -> None:
    """After five and a half hours without an engine, nothing, the newest, or the newest few are due."""
    asked = schedule(catch_up=catch_up, catch_up_limit=limit)

    assert due_times(asked, START + 5.5 * HOUR_S) == expected


@pytest.mark.parametrize(("late_s", "is_due"), [(0.0, True), (LATE_S, True), (LATE_S + 1, False)])
def test_due_time_that_is_late_was_missed(late_s: float, is_due: bool) -> None:
    """With ``skip`` a fire time still runs as late as an alarm may ring, and not later."""
    asked = schedule(catch_up=CatchUp.SKIP)

    assert bool(due_times(asked, START + HOUR_S + late_s)) is is_due


@pytest.mark.parametrize("catch_up", CatchUp)
def test_nothing_is_due_before_its_time(catch_up: CatchUp) -> None:
    """A moment before the first fire time nothing is due, whatever the policy."""
    assert due_times(schedule(catch_up=catch_up), START + HOUR_S - 0.001) == ()


@pytest.mark.parametrize(
    ("rule", "apart"),
    [
        (Interval(every_s=1.0, from_at=START), 1),
        (Cron(expression="* * * * * *"), 1),
        (Cron(expression="*/5 * * * *"), 300),
    ],
)
def test_newest_of_very_many_are_found_without_counting_all(
    rule: Rule, apart: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that jumps ten years ahead passes up to 315 million fire times, of which a few hundred are reckoned."""
    reckoned = 0

    def counted(rule: Rule, after: float) -> Iterator[float]:
        nonlocal reckoned
        for at in fire_times(rule, after):
            reckoned += 1
            yield at

    monkeypatch.setattr("bequest.engine.schedules.fire_times", counted)
    asked = schedule(rule=rule, catch_up=CatchUp.ALL, catch_up_limit=3)

    found = due_times(asked, START + TEN_YEARS_S)

    last = START + TEN_YEARS_S - (START + TEN_YEARS_S) % apart
    assert found == (last - 2 * apart, last - apart, last)
    assert reckoned < 500


def test_newest_are_found_also_where_two_times_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """If times could not be told apart, some of the newest would be found, and the search would end all the same."""

    def twice(rule: Rule, after: float) -> Iterator[float]:
        for at in fire_times(rule, after):
            yield from (at, at)

    monkeypatch.setattr("bequest.engine.schedules.fire_times", twice)
    asked = schedule(catch_up=CatchUp.ALL, catch_up_limit=3)

    assert due_times(asked, START + 5 * HOUR_S)[-1] == START + 5 * HOUR_S


# Jumps of the clock.


def looks(asked: Schedule, *nows: float) -> tuple[Schedule, list[float]]:
    """Look at a schedule at each of *nows*, and return it with all fire times that have made a job."""
    made: list[float] = []
    for now in nows:
        looked = look(asked, now, is_busy=False)
        made += [job.metadata["fire_at"] for job in looked.jobs]
        asked = looked.schedule
    return asked, made


@pytest.mark.parametrize("catch_up", CatchUp)
def test_clock_set_back_an_hour_doubles_nothing(catch_up: CatchUp) -> None:
    """What has run does not run again when the clock comes to it again, and what follows runs in its time."""
    times = hours(1, 2, 3, 2.1, 2.9, 3, 4)

    asked, made = looks(schedule(catch_up=catch_up), *times)

    assert made == list(hours(1, 2, 3, 4))
    assert asked.next_at == START + 5 * HOUR_S


@pytest.mark.parametrize("catch_up", CatchUp)
def test_clock_that_was_ten_years_ahead_stops_nothing(catch_up: CatchUp) -> None:
    """Once the clock is right again, the schedule goes on at the next hour, and not in ten years."""
    asked, made = looks(
        schedule(catch_up=catch_up, catch_up_limit=2), *hours(1), START + TEN_YEARS_S, *hours(1.5, 2, 3)
    )

    assert made[0] == START + HOUR_S
    assert made[-2:] == list(hours(2, 3))
    assert len(set(made)) == len(made)
    assert asked.next_at == START + 4 * HOUR_S


def test_clock_that_showed_no_calendars_year_stops_nothing() -> None:
    """From the year 33,658 there is no next time; once the clock is right again, there is."""
    asked, made = looks(schedule(), START + HOUR_S, 1e12)
    ahead = asked.next_at

    asked, later = looks(asked, START + 1.5 * HOUR_S, START + 2 * HOUR_S)

    assert ahead is None
    assert len(made) == 2
    assert later == [START + 2 * HOUR_S]


def test_clock_that_comes_to_a_jump_again_doubles_nothing() -> None:
    """What ran when the clock was ahead does not run again when that time comes."""
    ahead = START + 1_000 * HOUR_S
    asked, made = looks(schedule(), *hours(1), ahead, *hours(2))

    asked, later = looks(asked, ahead - HOUR_S, ahead, ahead + HOUR_S)

    assert made == [START + HOUR_S, ahead, START + 2 * HOUR_S]
    assert later == [ahead - HOUR_S, ahead + HOUR_S]


@pytest.mark.parametrize("rule", [Interval(every_s=HOUR_S, from_at=START), Cron(expression="0 * * * *")])
def test_clock_set_back_ten_years_goes_on_there(rule: Rule) -> None:
    """In the past nothing has run yet, so what comes there runs."""
    past = START - round(TEN_YEARS_S / HOUR_S) * HOUR_S

    _, made = looks(schedule(rule=rule), *hours(1, 2), past + 1800, past + HOUR_S, past + 2 * HOUR_S)

    assert made == [*hours(1, 2), past + HOUR_S, past + 2 * HOUR_S]


@pytest.mark.parametrize(("minutes", "expected"), [(1, hours(1, 1_000, 2)), (10, hours(1, 1_000))])
def test_fire_time_between_the_setting_back_and_the_look_is_not_lost(
    minutes: float, expected: tuple[float, ...]
) -> None:
    """A clock that was set back is looked at within a minute or two, and what it has passed since then is due."""
    _, made = looks(schedule(), *hours(1, 1_000, 2 + minutes / 60))

    assert made == list(expected)


def test_clock_that_is_slowed_makes_nothing_due_that_was_before_the_schedule() -> None:
    """A clock that is set back by a moment has passed nothing anew, also right after a schedule was put."""
    asked = schedule(seen_at=START + 1.0, next_at=START + HOUR_S)

    looked = look(asked, START + 0.5, is_busy=False)

    assert looked.jobs == ()


def test_clock_set_back_makes_nothing_due_by_itself() -> None:
    """The move back passes no fire time, so no job is made of it, and the next time is found anew."""
    asked, _ = looks(schedule(), *hours(1), START + TEN_YEARS_S)

    looked = look(asked, START + 1.5 * HOUR_S, is_busy=False)

    assert looked.jobs == ()
    assert (looked.schedule.next_at, looked.schedule.seen_at) == (START + 2 * HOUR_S, START + 1.5 * HOUR_S)


def test_clock_set_back_is_noted_also_where_the_next_time_stays() -> None:
    """Where all that comes again was used, the look still knows from then on where the clock stands."""
    asked = schedule(used=(Span(*hours(1, 3)),), seen_at=START + 3 * HOUR_S, next_at=START + 4 * HOUR_S)

    looked = look(asked, START + 2 * HOUR_S, is_busy=False)

    assert looked == (msgspec.structs.replace(asked, seen_at=START + 2 * HOUR_S), ())


def test_look_at_which_nothing_is_due_changes_nothing() -> None:
    """Before its time a schedule is looked at in vain, and stays as it is."""
    asked = schedule()

    assert look(asked, START + HOUR_S / 2, is_busy=False) == (asked, ())


def test_two_looks_at_one_moment_are_one() -> None:
    """The second of two ticks at one time finds nothing left to do."""
    once, made = looks(schedule(), START + HOUR_S)

    twice, none = looks(once, START + HOUR_S)

    assert (made, none) == ([START + HOUR_S], [])
    assert twice == once


# The overlap policy.


@pytest.mark.parametrize(
    ("overlap", "is_busy", "due", "expected"),
    [
        (Overlap.ALLOW, True, hours(1, 2), Plan(hours(1, 2))),
        (Overlap.ALLOW, False, (), Plan(())),
        (Overlap.SKIP, False, hours(1), Plan(hours(1))),
        (Overlap.SKIP, False, hours(1, 2, 3), Plan(hours(1))),
        (Overlap.SKIP, True, hours(1, 2), Plan(())),
        (Overlap.QUEUE, False, hours(1), Plan(hours(1))),
        (Overlap.QUEUE, False, hours(1, 2, 3), Plan(hours(1), START + 3 * HOUR_S)),
        (Overlap.QUEUE, True, hours(1, 2), Plan((), START + 2 * HOUR_S)),
        (Overlap.QUEUE, True, (), Plan(())),
    ],
)
def test_plan_follows_the_overlap_policy(
    overlap: Overlap, is_busy: bool, due: tuple[float, ...], expected: Plan
) -> None:
    """Beside each other, one at a time, or one at a time with one that waits."""
    assert plan_of(due, overlap, is_busy=is_busy) == expected


def test_queue_keeps_the_newest_that_came_meanwhile() -> None:
    """While a job runs for hours, one run waits behind it, and that is the newest that was due."""
    asked = schedule(overlap=Overlap.QUEUE)
    for hour in hours(1, 2, 3):
        asked = look(asked, hour, is_busy=hour > START + HOUR_S).schedule

    looked = look_at_queue(asked)

    assert asked.queued_at == START + 3 * HOUR_S
    assert [job.metadata["fire_at"] for job in looked.jobs] == [START + 3 * HOUR_S]
    assert looked.schedule.queued_at is None
    assert look_at_queue(looked.schedule) == (looked.schedule, ())


def test_what_overlap_left_out_runs_when_the_clock_comes_to_it_again() -> None:
    """A fire time that was skipped was not used; if the clock is set back before it, it is not doubled but new."""
    asked = look(schedule(overlap=Overlap.SKIP), START + HOUR_S, is_busy=True).schedule

    _, made = looks(asked, *hours(0.5, 1))

    assert made == [START + HOUR_S]


# What was used.


def test_used_times_that_follow_one_another_are_one_span() -> None:
    """A schedule that fires for years keeps one stretch, whatever the order in which it was filled."""
    for order in itertools.permutations(hours(1, 2, 3)):
        asked = schedule()
        for at in order:
            asked = msgspec.structs.replace(asked, used=used_with(asked, at))

        assert asked.used == (Span(*hours(1, 3)),)


def test_used_time_is_used_once() -> None:
    """To use a time again changes nothing."""
    asked = schedule(used=(Span(*hours(1, 3)),))

    assert used_with(asked, START + 2 * HOUR_S) == asked.used


def test_used_spans_are_few_and_the_oldest_give_way() -> None:
    """Of too many spans the oldest become one, so that nothing between them ever runs, and nothing twice."""
    asked = schedule()
    for hour in range(1, 2 * MAX_SPANS + 3, 2):
        asked = msgspec.structs.replace(asked, used=used_with(asked, START + hour * HOUR_S))

    assert len(asked.used) == MAX_SPANS
    assert asked.used[0] == Span(*hours(1, 3))
    assert next_fire(asked, START) == START + 4 * HOUR_S
    assert next_fire(asked, START + 4 * HOUR_S) == START + 6 * HOUR_S


# The job.


def test_job_says_where_it_comes_from() -> None:
    """Its metadata names the schedule and the fire time, and its key is of both."""
    asked = schedule(job=NewJob(kind="report", metadata={"team": "docs"}, priority=3))

    job = job_at(asked, START)

    assert job.metadata == {"team": "docs", "schedule": "nightly", "fire_at": START}
    assert (job.kind, job.priority, job.key_scope) == ("report", 3, KeyScope.FOREVER)
    assert job.key == "schedule nightly at 2027-01-15T08:00:00+00:00"


def test_jobs_of_neighbouring_fire_times_have_keys_of_their_own() -> None:
    """Also the times of the shortest interval and the longest name make keys that differ and fit."""
    asked = schedule(name="n" * 200, rule=Interval(every_s=0.001, from_at=START))

    keys = {job_at(asked, at).key for at in (START, START + 0.001, START + 0.002)}

    assert len(keys) == 3
    assert all(key is not None and len(key) <= 255 for key in keys)
