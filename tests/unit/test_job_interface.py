"""What a program asks of an engine about its jobs is checked where it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from bequest.actors.given import RECORDS, GivenOfJob, GivenOfKind
from bequest.actors.job_interface import JobOptions, KindOptions, checked
from bequest.engine.errors import InvalidJobError


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"run_at": 1.0, "delay_s": 1.0}, "run_at and delay_s exclude each other; give one of them"),
        ({"delay_s": "soon"}, r"got `str` - at `\$.delay_s`"),
        ({"delay_s": [1]}, r"got `array` - at `\$.delay_s`"),
        ({"run_at": "noon"}, r"Expected `float \| null`, got `str` - at `\$.run_at`"),
    ],
)
def test_time_that_is_none_is_refused(options: Any, said: str) -> None:
    """The error names the option."""
    with pytest.raises(InvalidJobError, match=said):
        checked(options, 0.0)


def test_options_are_listed_alike_for_checkers_and_at_run() -> None:
    """What a type checker lets through by name is looked at, and nothing else is; a child's also says more."""
    assert JobOptions.__annotations__.keys() | {"on_failure"} == set(GivenOfJob.__struct_fields__)
    assert KindOptions.__annotations__.keys() | {"name"} == {*GivenOfKind.__struct_fields__, *RECORDS}


@pytest.mark.parametrize("delay_s", [5, 5.0])
def test_delay_is_from_now(delay_s: float) -> None:
    """Whole seconds or not."""
    assert checked({"delay_s": delay_s}, 100.0) == {"run_at": 105.0}
