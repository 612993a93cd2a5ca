"""What users' property tests draw of jobs: an engine takes it, gives it back, and it shrinks to nothing much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings

from bequest import Engine, JobContext
from bequest.actors.job_interface import JobOptions
from bequest.engine.json_values import MAX_INTEGER, encode_object
from bequest.engine.records import KeyScope, OnClash
from bequest.testing.manual_clock import ManualClock
from bequest.testing.strategies import jobs, json_values, metadata

QUICK = settings(max_examples=2_000, derandomize=True)  # one search, and one way to the simplest, each time
UNSHRUNK = settings(QUICK, phases=[Phase.generate])


@pytest.fixture(scope="module", name="engine")
def resting_engine() -> Iterator[Engine]:
    """Give an engine with one kind, whose jobs rest."""
    with Engine(clock=ManualClock()) as engine:

        @engine.kind("work")
        def work(_job: JobContext, config: Any) -> None:  # Any: JSON
            """Do nothing."""

        engine.pause(kind="work")
        yield engine


def depth_of(value: Any) -> int:  # Any: JSON
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth_of, inner), default=0) if isinstance(value, dict | list) else 0


def leaves_of(value: Any) -> list[Any]:  # Any: JSON
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else [leaf for one in inner for leaf in leaves_of(one)]


@given(drawn=jobs(configs=json_values()))
def test_jobs_are_what_enqueue_takes(engine: Engine, drawn: dict[str, Any]) -> None:  # Any: JSON
    """Whatever is drawn, a job is made or found, and a new one carries the metadata and the config as they were."""
    handle = engine.enqueue(**drawn)

    if "key" not in drawn:
        job = handle.job()
        assert job.metadata == drawn.get("metadata", {})
        assert job.config == drawn["config"]


@given(drawn=metadata())
def test_metadata_is_json_without_loss(drawn: dict[str, Any]) -> None:  # Any: JSON
    """It is encoded without a complaint, and read back as it was by any reader of JSON."""
    assert json.loads(encode_object(drawn, owner="a job")) == drawn


@pytest.mark.parametrize(
    "corner",
    [
        lambda drawn: depth_of(drawn) > 150,
        lambda drawn: MAX_INTEGER in leaves_of(drawn),
        lambda drawn: any(isinstance(leaf, str) and any(one > "\uffff" for one in leaf) for leaf in leaves_of(drawn)),
        lambda drawn: "" in drawn,
        lambda drawn: "a.b" in drawn,
        lambda drawn: any(isinstance(leaf, float) and leaf == 0 for leaf in leaves_of(drawn)),
        lambda drawn: any(isinstance(one, list) and not one for one in drawn.values()),
    ],
)
def test_metadata_reaches_its_corners(corner: Any) -> None:  # Any: a condition
    """Deep nesting, wide integers, letters beyond the first plane and odd keys are all drawn."""
    assert corner(find(metadata(), corner, settings=UNSHRUNK))


def test_metadata_shrinks() -> None:
    """What fails for any list fails in the end for one entry that holds the shortest."""
    drawn = find(metadata(), lambda one: any(isinstance(value, list) for value in one.values()), settings=QUICK)

    assert drawn == {"": []}


@pytest.mark.parametrize("scope", KeyScope)
def test_jobs_have_keys_of_every_scope(scope: KeyScope) -> None:
    """Each scope is drawn, with a period where it is one, and with another answer to a clash than the usual."""
    found = find(
        jobs(),
        lambda one: one.get("key_scope") is scope and one["on_clash"] is not OnClash.EXISTING,
        settings=UNSHRUNK,
    )

    assert found["key"]
    assert ("key_period_s" in found) is (scope is KeyScope.PERIOD)


@pytest.mark.parametrize("option", sorted({*JobOptions.__annotations__} - {"key_period_s"}))
def test_jobs_have_every_option(option: str) -> None:
    """All that ``enqueue`` takes is drawn."""
    assert option in find(jobs(), lambda one: option in one, settings=UNSHRUNK)


def test_jobs_shrink() -> None:
    """What fails for any high priority fails in the end for the least one, beside nothing else."""
    found = find(jobs(), lambda one: one.get("priority", 0) > 5, settings=QUICK)

    assert found == {"kind": "work", "config": None, "priority": 6}
