"""A thousand stories of one engine, each in an order of its own; and bugs planted in it, each noticed."""

from __future__ import annotations

import logging

import pytest
from figures import Figures
from planted_bugs import BUGS, first_notice
from story import told
from story_checks import faults_of

STORIES = 1_000


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep what crashes on purpose out of the log."""
    caplog.set_level(logging.CRITICAL)


def test_a_thousand_stories_end_well(figures: Figures) -> None:
    """Whoever runs when, and whatever crashes, what was acknowledged is there and the invariants hold."""
    crashes = choices = 0
    for seed in range(STORIES):
        with told(seed) as story:
            assert faults_of(story) == [], f"seed {seed}: {story.engine.in_line.crashed}"
            crashes += len(story.engine.in_line.crashed)
            choices += story.engine.in_line.strands.chooser.made

    figures.note(
        f"{STORIES:,} orders of executor, monitor, crawlers, session keeper, workers, callers and manager,"
        f" {choices:,} choices in all, with {crashes:,} crashes of any of them at any message",
        "I1 to I17 held in each",
    )


def test_each_planted_bug_is_noticed(figures: Figures) -> None:
    """An engine that has the bug does not come through the stories."""
    unnoticed = [name for name, bug in BUGS.items() if first_notice(bug) is None]

    assert unnoticed == []
    figures.note(f"{len(BUGS)} bugs planted in the engine, one at a time", "each noticed by one of the first 40 orders")
