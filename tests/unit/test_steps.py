"""The steps of a definition: what is wrong with them is said with its place, and nothing is parsed and ignored."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bequest import Definition, DefinitionError
from bequest.engine.definitions import canonical_json, definition_from
from bequest.engine.json_values import decode_json
from bequest.engine.steps import Step, step_faults

CRAWL = {"kind": "crawl", "config": {"start_urls": ["http://h/"]}}


def faults(value: object) -> list[str]:
    return list(step_faults("steps", value))


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"kind": "a"}],
        [{"kind": "a", "config": {"n": 1}, "on_error": "continue"}],
        [{"kind": "a", "on_error": "retry", "retries": 100}],
        [{"kind": "a", "on_error": "fail", "retries": 1}],  # as it is stored
        (Step(kind="a"), Step(kind="b", on_error="retry", retries=2)),
        [CRAWL],
    ],
)
def test_steps_that_are_right_have_no_fault(steps: object) -> None:
    """From a file, as tables, or as records."""
    assert faults(steps) == []


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("a", "steps: expected a list of tables, each with a kind, found 'a'"),
        ({"kind": "a"}, "steps: expected a list of tables, each with a kind, found a table"),
        (["a"], "steps[0]: expected a table with a kind, found 'a'"),
        ([{"kind": "a"}, {}], 'steps[1].kind: expected "crawl" or a registered kind, found nothing'),
        ([{"kind": ""}], "steps[0].kind: expected \"crawl\" or a registered kind, found ''"),
        ([{"kind": 3}], 'steps[0].kind: expected "crawl" or a registered kind, found 3'),
        ([{"kind": "a\n"}], "steps[0].kind: expected \"crawl\" or a registered kind, found 'a\\n'"),
        ([{"kind": "a", "onerror": "fail"}], "steps[0].onerror: unknown key; did you mean on_error?"),
        ([{"kind": "a", "zzz": 1}], "steps[0].zzz: unknown key"),
        ([{"kind": "a", "z\u2028\x1b": 1}], r"steps[0].'z\u2028\x1b': unknown key"),
        ([{"kind": "a", "config": [1]}], "steps[0].config: expected a table, found a list"),
        (
            [{"kind": "a", "config": {"x": math.nan}}],
            "steps[0].config: expected what JSON can hold: key 'x' holds nan, which JSON cannot hold; convert it first",
        ),
        (
            [{"kind": "a", "config": {1: 2}}],
            "steps[0].config: expected what JSON can hold: it holds a key of type int that is no text;"
            " convert it first",
        ),
        (
            [{"kind": "a", "on_error": "skip"}],
            'steps[0].on_error: expected "fail", "continue" or "retry", found \'skip\'',
        ),
        (
            [{"kind": "a", "on_error": ["fail"]}],
            'steps[0].on_error: expected "fail", "continue" or "retry", found a list',
        ),
        (
            [{"kind": "a", "on_error": "retry", "retries": 0}],
            "steps[0].retries: expected an integer from 1 to 100, found 0",
        ),
        (
            [{"kind": "a", "on_error": "retry", "retries": 101}],
            "steps[0].retries: expected an integer from 1 to 100, found 101",
        ),
        ([{"kind": "a", "retries": True}], "steps[0].retries: expected an integer from 1 to 100, found true"),
        ([{"kind": "a", "retries": 3}], "steps[0].retries: expected on_error = \"retry\" beside it, found 'fail'"),
        ([{**CRAWL, "config": {"name": "x"}}], "steps[0].config.name: expected none in a crawl of a run, found one"),
        ([{**CRAWL, "config": {"steps": []}}], "steps[0].config.steps: expected none in a crawl of a run, found one"),
        (
            [{**CRAWL, "config": {"post_jobs": []}}],
            "steps[0].config.post_jobs: expected none in a crawl of a run, found one",
        ),
    ],
)
def test_fault_is_said_with_the_place_that_it_stands_at(steps: object, said: str) -> None:
    """The list, the number of the step, and the key."""
    assert faults(steps) == [said]


@pytest.mark.parametrize("key", ["pre_jobs", "steps", "post_jobs"])
def test_definition_refuses_steps_that_are_wrong(key: str) -> None:
    """Under each of its lists."""
    others: dict[str, Any] = {} if key == "steps" else {"steps": [{"kind": "a"}]}

    with pytest.raises(DefinitionError, match=rf"definition 'd': {key}\[0\]\.kind: expected"):
        Definition.crawl("d", **{**others, key: [{"kind": 3}]})


def test_definition_refuses_a_crawl_that_is_none_by_itself() -> None:
    """A crawl among the steps is checked as a definition is, with the place of the key."""
    with pytest.raises(DefinitionError, match=r"definition 'd': steps\[1\]\.config: max_pages: expected"):
        Definition.crawl("d", steps=[{"kind": "a"}, {**CRAWL, "config": {"start_urls": ["http://h/"], "max_pages": 0}}])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "start_urls: expected a list of one or more http or https URLs, or steps, found an empty list"),
        ({"post_jobs": [{"kind": "a"}]}, "start_urls: expected"),
        ({"start_urls": ["http://h/"], "steps": [{"kind": "a"}]}, "start_urls: expected none beside steps, found some"),
        ({"steps": [{"kind": "a"}], "timeout_s": 0.0}, "timeout_s: expected a number of seconds above 0, found 0.0"),
        (
            {"steps": [{"kind": "a"}], "timeout_s": math.inf},
            "timeout_s: expected a number of seconds above 0, found inf",
        ),
    ],
)
def test_definition_has_seeds_or_steps(options: dict[str, Any], said: str) -> None:
    """One of the two, and time to end in."""
    with pytest.raises(DefinitionError, match=said):
        Definition.crawl("d", **options)


def test_definition_with_steps_is_the_same_when_it_was_stored() -> None:
    """Its canonical JSON holds all of it."""
    made = Definition.crawl(
        "d",
        pre_jobs=[Step(kind="a", config={"n": [1, None]})],
        steps=[{"kind": "b", "on_error": "retry", "retries": 3}, CRAWL],
        post_jobs=[{"kind": "c", "on_error": "continue"}],
        timeout_s=60.0,
    )

    assert definition_from(decode_json(canonical_json(made)), source="the database") == made


@pytest.mark.parametrize(
    ("options", "is_one_crawl"),
    [
        ({"start_urls": ["http://h/"]}, True),
        ({"start_urls": ["http://h/"], "pre_jobs": [{"kind": "a"}]}, False),
        ({"start_urls": ["http://h/"], "post_jobs": [{"kind": "a"}]}, False),
        ({"steps": [{"kind": "a"}]}, False),
    ],
)
def test_definition_says_whether_it_is_a_crawl_and_nothing_else(options: dict[str, Any], is_one_crawl: bool) -> None:
    """Anything before, after or instead of the pages makes it a run with steps."""
    made = Definition.crawl("d", **options)

    assert made.is_one_crawl is is_one_crawl
    assert made.all_steps == (made.steps or (Step(kind="crawl"),))


def test_crawl_of_a_run_is_the_runs_own_but_for_its_config() -> None:
    """It has a name of its own, no steps, and no time but what its config gives it."""
    run = Definition.crawl(
        "d", steps=[{**CRAWL, "config": {"start_urls": ["http://h/"], "max_pages": 7}}], timeout_s=60.0, max_depth=1
    )

    crawl = run.of_step(run.steps[0], "step:0")

    assert crawl == Definition.crawl("d step:0", start_urls=["http://h/"], max_pages=7, max_depth=1)
