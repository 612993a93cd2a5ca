"""What is said of a database that cannot be written."""

from __future__ import annotations

import pytest

from bequest.actors.trouble import Trouble
from bequest.engine.errors import DiskError


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Give what was said."""
    caplog.set_level("INFO", "bequest")
    return caplog


def test_trouble_is_said_once_a_minute_with_its_cause(said: pytest.LogCaptureFixture) -> None:
    """The first failure is said at once, and then how many there have been."""
    trouble = Trouble()
    for second in range(121):
        trouble.note(DiskError("the disk is full"), 1_000.0 + second, messages=1)

    found = [(vars(record)["error"], vars(record)["failed_groups"]) for record in said.records]
    assert found == [("the disk is full", 1), ("the disk is full", 61), ("the disk is full", 121)]


def test_trouble_that_comes_and_goes_is_said_no_more_often(said: pytest.LogCaptureFixture) -> None:
    """A disk on which every other group finds room makes two lines a minute."""
    trouble = Trouble()
    for second in range(60):
        trouble.note(DiskError(), float(second), messages=1)
        trouble.is_over(float(second))

    assert [record.levelname for record in said.records] == ["ERROR", "INFO"]


def test_trouble_is_said_also_when_the_clock_was_set_back(said: pytest.LogCaptureFixture) -> None:
    """A time to come is not one at which it was just said."""
    trouble = Trouble()
    trouble.note(DiskError(), 5_000.0, messages=1)
    trouble.note(DiskError(), 10.0, messages=1)

    assert len(said.records) == 2


def test_end_of_no_trouble_is_not_said(said: pytest.LogCaptureFixture) -> None:
    """A group that was written after one that was written is nothing new."""
    trouble = Trouble()
    trouble.is_over(1.0)

    assert said.records == []
