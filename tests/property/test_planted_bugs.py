"""The stories are tested themselves: a bug that is planted is noticed by one of the first of them."""

from __future__ import annotations

import logging

import pytest
from planted_bugs import BUGS, first_notice

QUICK = (
    "children before the metadata",
    "completion of a stale holder taken",
    "parent judged early",
    "key not looked up with the insert",
    "secrets in the clear",
    "session at every host",
)


@pytest.mark.parametrize("name", QUICK)
def test_planted_bug_is_noticed(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """An engine that has the bug does not come through the stories (I6)."""
    caplog.set_level(logging.CRITICAL)

    assert first_notice(BUGS[name]) is not None
