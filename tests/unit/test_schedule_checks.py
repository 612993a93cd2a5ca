"""What a schedule must hold to be kept: each fault is refused with what was asked and what was found."""

from __future__ import annotations

from typing import Any

import pytest

from bequest import BequestError, InvalidJobError, MetadataError
from bequest.engine.fire_times import Cron, Interval
from bequest.engine.records import NewJob, OnClash
from bequest.engine.schedules import NewSchedule, check_schedule

START = 1_800_000_000.0


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"name": ""}, InvalidJobError, "name has 1 to 200 printable characters"),
        ({"name": "n" * 201}, InvalidJobError, "name has 1 to 200 printable characters"),
        ({"name": "a\nb"}, InvalidJobError, "name has 1 to 200 printable characters"),
        ({"name": " a"}, InvalidJobError, "name has 1 to 200 printable characters"),
        ({"name": 3}, InvalidJobError, "Expected `str`, got `int` - at `$.name`"),
        ({"rule": Interval(every_s=0)}, InvalidJobError, "asked for an interval of 0 s"),
        ({"rule": Cron(expression="x")}, InvalidJobError, "asked for cron 'x'"),
        ({"rule": Cron(expression="* * * * *", timezone="X")}, InvalidJobError, "asked for time zone 'X'"),
        ({"catch_up_limit": 0}, InvalidJobError, "catch_up_limit is from 1 to 1000, found 0"),
        ({"catch_up_limit": 1001}, InvalidJobError, "catch_up_limit is from 1 to 1000, found 1001"),
        ({"catch_up_limit": 1.5}, InvalidJobError, "Expected `int`, got `float` - at `$.catch_up_limit`"),
        ({"job": NewJob(kind="")}, InvalidJobError, "a job's kind has 1 to 255"),
        ({"job": NewJob(kind="k", key="x")}, InvalidJobError, "gives its jobs their key and their time"),
        ({"job": NewJob(kind="k", run_at=1.0)}, InvalidJobError, "gives its jobs their key and their time"),
        ({"job": NewJob(kind="k", on_clash=OnClash.RAISE)}, InvalidJobError, "gives its jobs their key and their time"),
        ({"job": NewJob(kind="k", parent_id=7)}, InvalidJobError, "without a parent, found parent 7"),
        ({"job": NewJob(kind="k", metadata={"fire_at": 1})}, InvalidJobError, "writes 'fire_at' into its jobs'"),
        ({"job": NewJob(kind="k", config=object())}, InvalidJobError, "unsupported"),
        ({"job": NewJob(kind="k", config={"a": float("nan")})}, MetadataError, "config of schedule 'nightly'"),
        ({"job": NewJob(kind="k", metadata={"a": 2**70})}, MetadataError, "metadata of schedule 'nightly'"),
    ],
)
def test_check_refuses_what_cannot_be_kept(fields: dict[str, Any], error: type[BequestError], said: str) -> None:
    """Each fault is refused with what was asked and what was found."""
    asked: dict[str, Any] = {"name": "nightly", "job": NewJob(kind="crawl"), "rule": Interval(every_s=1.0), **fields}

    with pytest.raises(error) as raised:
        check_schedule(NewSchedule(**asked), START)

    assert said in str(raised.value)


def test_check_takes_what_is_right() -> None:
    """A schedule as people write them is taken."""
    asked = NewSchedule(name="Tägliche Übersicht", job=NewJob(kind="report"), rule=Cron(expression="@daily"))

    check_schedule(asked, START)
