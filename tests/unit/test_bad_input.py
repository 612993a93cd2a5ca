"""What a caller gives wrongly is refused before anything is written, with an error of the one tree that names it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bequest import (
    BequestError,
    Definition,
    Engine,
    EngineError,
    InvalidJobError,
    JobContext,
    JobFilter,
    JobHandle,
    MetadataError,
    Rate,
    Retention,
    RetentionError,
    Retry,
    Snooze,
    State,
    child,
)

Act = Callable[[Engine], object]


def echo(job: object, text: str) -> str:
    """Return what it is given."""
    return text


def none(job: object) -> None:
    """Take no config."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Give an engine on which nothing runs."""
    with Engine(":memory:") as made:
        made.kind("echo")(echo)
        made.kind("none")(none)
        made.pause()
        yield made


OPTIONS: list[tuple[str, list[Any]]] = [
    ("queue", [3, None, "", "a\n", b"a"]),
    ("run_at", ["soon", True, math.nan, math.inf, 10**400]),
    ("delay_s", ["1", True, math.nan, math.inf, 10**400]),
    ("priority", ["1", 1.5, None, True, 2**63]),
    ("partition", [3, None, "x" * 256]),
    ("tags", ["weekly", 3, [3], [""], ["x"] * 51]),
    ("metadata", [3, [1], None]),
    ("max_attempts", [0, "3", 1.5, None, True, 2**63]),
    ("timeout_s", [0, -1, "3", math.nan, math.inf, True]),
    ("run_timeout_s", [0, -1, "3", math.nan, math.inf, True]),
    ("key", ["", 3, b"k", "x" * 256]),
    ("key_scope", ["whatever", 3, "unfinished"]),
    ("key_period_s", [3, -1, "x"]),
    ("on_clash", ["x", 3, "after"]),
    ("max_child_failures", [-1, 1.5, "x", math.nan]),
    ("nonsense", [1]),
]


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in OPTIONS for value in values], ids=repr
)
def test_option_of_a_job_is_refused(engine: Engine, option: str, value: object) -> None:
    """The error names the option, whoever makes the job, and no row is written."""
    written = engine.stats()
    given: dict[str, Any] = {option: value}
    word = option.removesuffix("s").replace("key_scope", "key").replace("key_period_", "key").replace("delay_", "delay")

    acts: tuple[Callable[[], object], ...] = (
        lambda: engine.enqueue("echo", "x", **given),
        lambda: engine.enqueue_later("echo", "x", **given).result(20),
        lambda: engine.enqueue_many("echo", ["x"], **given),
    )
    for act in acts:
        with pytest.raises(InvalidJobError, match=word.replace("_", ".")):
            act()

    assert engine.stats() == written


WRONG_CALLS: dict[str, tuple[Act, str]] = {
    "a function that is no kind": (lambda engine: engine.enqueue(echo, "x"), "register it"),  # type: ignore[arg-type]
    "a kind that is nothing": (lambda engine: engine.enqueue(None), "register it"),  # type: ignore[arg-type]
    "a kind of another engine": (
        lambda engine: engine.enqueue(Engine(":memory:").kind("other")(none)),
        "asked for kind 'other', found none",
    ),
    "no configs": (lambda engine: engine.enqueue_many("echo", None), "give a list"),  # type: ignore[arg-type]
    "children that are no list": (lambda engine: engine.enqueue("none", children=3), "a list"),  # type: ignore[arg-type]
    "a child that is none": (lambda engine: engine.enqueue("none", children=["x"]), "made by child"),  # type: ignore[list-item]
    "a child of a name": (lambda engine: child("none"), "register it"),  # type: ignore[arg-type]
    "a child's policy": (
        lambda engine: child(engine._kinds.get("none"), on_failure="x"),
        "on_failure='x', expected one of count, ignore, fail, continue",
    ),
    "errors of a job that there is not": (lambda engine: engine.find_job(99).errors(), "job 99"),
    "a job's id": (lambda engine: engine.find_job("x"), "whole number"),  # type: ignore[arg-type]
    "a large id": (lambda engine: engine.find_job(2**70), "whole number"),
    "a run's id": (lambda engine: engine.find_run(True), "whole number"),
    "the run of a pause": (lambda engine: engine.pause(run=1.5), "whole number"),  # type: ignore[arg-type]
    "the queue of a pause": (lambda engine: engine.pause(queue=3), "queue 3"),  # type: ignore[arg-type]
    "the kind of a resume": (lambda engine: engine.resume(kind=""), "kind ''"),
    "the state of a list": (lambda engine: engine.jobs(state="x"), "state"),  # type: ignore[arg-type]
    "the limit of a list": (lambda engine: engine.jobs(limit=-1), "limit"),
    "a filter that is none": (lambda engine: engine.cancel_jobs("x"), "JobFilter"),  # type: ignore[arg-type]
    "a filter's tag": (lambda engine: engine.cancel_jobs(JobFilter(tag=3)), "tag"),  # type: ignore[arg-type]
    "a buffer": (lambda engine: engine.events("x"), "found 'x'"),  # type: ignore[arg-type]
    "a callback": (lambda engine: engine.on_event(3), "callback"),  # type: ignore[arg-type]
    "a timeout": (lambda engine: engine.wait_idle("x"), "number of seconds"),  # type: ignore[arg-type]
    "a timeout that is none": (lambda engine: engine.wait_idle(math.nan), "number of seconds"),
    "a retention": (lambda engine: engine.prune(3), "give a Retention"),  # type: ignore[arg-type]
    "a retention to look at": (lambda engine: engine.prunable(None), "give a Retention"),  # type: ignore[arg-type]
    "the path of an archive": (lambda engine: engine.archive(3, 1), "found 3"),  # type: ignore[arg-type]
    "the path of a backup": (lambda engine: engine.backup(b"x"), "found b'x'"),  # type: ignore[arg-type]
    "who is told of a backup": (lambda engine: engine.backup("x", on_progress=3), "function"),  # type: ignore[arg-type]
    "the grace of a stop": (lambda engine: engine.stop("x"), "number of seconds"),  # type: ignore[arg-type]
    "the grace at a signal": (lambda engine: engine.run_forever(grace_s="x"), "number of seconds"),  # type: ignore[arg-type]
    "a definition": (lambda engine: engine.run(3), "give a Definition"),  # type: ignore[arg-type]
    "the key of a run": (
        lambda engine: engine.run(Definition.crawl("d", steps=[{"kind": "none"}]), key=3),  # type: ignore[arg-type]
        "key",
    ),
    "a step's config": (
        lambda engine: engine.run(Definition.crawl("d", steps=[{"kind": "none", "config": {"a": 1}}])),
        "takes no config",
    ),
}


@pytest.mark.parametrize(("act", "said"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_call_is_refused(engine: Engine, act: Act, said: str) -> None:
    """The error says what was asked and what was found, and no row is written."""
    written = engine.stats(), engine.pauses()

    with pytest.raises(BequestError, match=said) as raised:
        act(engine)

    assert "unexpectedly" not in str(raised.value)
    assert (engine.stats(), engine.pauses()) == written


IN_A_HANDLER: dict[str, Callable[[JobContext], object]] = {
    "wait": lambda job: job.wait("x"),  # type: ignore[arg-type]
    "increment": lambda job: job.increment("n", "x"),  # type: ignore[arg-type]
    "children": lambda job: job.children("x"),  # type: ignore[arg-type]
    "spawn": lambda job: job.spawn("echo", "x"),  # type: ignore[arg-type]
    "snooze": lambda _: Snooze("x"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("act", IN_A_HANDLER.values(), ids=IN_A_HANDLER)
def test_call_in_a_handler_is_refused(act: Callable[[JobContext], object]) -> None:
    """Where the handler stands; and what it says then is not tried again."""
    with Engine(":memory:") as engine:
        engine.kind("wrong", retry=Retry(max_attempts=1))(lambda job: act(job) and None)
        job: JobHandle[None] = engine.enqueue("wrong")

        assert job.wait(20) is State.FAILED
        errors = [one.error for one in job.errors()]
    assert all(error.type in ("InvalidJobError", "MetadataError", "EngineError") for error in errors)
    assert "unexpectedly" not in errors[0].message


def test_metadata_that_json_cannot_hold_is_refused(engine: Engine) -> None:
    """As everywhere, with the key that holds it."""
    with pytest.raises(MetadataError, match="'a'"):
        engine.enqueue("echo", "x", metadata={"a": object()})


KINDS: list[tuple[str, Any]] = [
    *[("queue", value) for value in (3, None, "")],
    *[("retry", value) for value in (3, None)],
    *[("timeout_s", value) for value in (0, -1, "x", math.nan)],
    *[("run_in", value) for value in ("fork", 3)],
    *[("concurrency", value) for value in (0, "x", 1.5, True)],
    *[("partition_concurrency", value) for value in (0, "x")],
    *[("rate", value) for value in (3, "10/s")],
    ("partition_rate", 3),
    *[("max_child_failures", value) for value in (-1, 1.5, "x", math.nan)],
    ("nonsense", 1),
]


@pytest.mark.parametrize(("option", "value"), KINDS, ids=repr)
def test_option_of_a_kind_is_refused(option: str, value: object) -> None:
    """A kind that no job could be made of, or run by, is not registered."""
    engine, given = Engine(":memory:"), {option: value}

    with pytest.raises(InvalidJobError, match=option):
        engine.kind("new", **given)(none)  # type: ignore[arg-type]

    engine.kind("new")(none)


@pytest.mark.parametrize("name", [3, None, "", "a\n", "x" * 300])
def test_name_of_a_kind_is_refused(name: Any) -> None:
    """It stands in a column of the database, and in the listings of people."""
    with pytest.raises(InvalidJobError, match="kind"):
        Engine(":memory:").kind(name)(none)


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (Rate, {"jobs": "x"}),
        (Rate, {"jobs": 1.5}),
        (Rate, {"jobs": 1, "per_s": "x"}),
        (Retry, {"max_attempts": "x"}),
        (Retry, {"max_attempts": 1.5}),
        (Retry, {"max_attempts": True}),
        (Retry, {"base_s": "x"}),
        (Retry, {"cap_s": 0}),
    ],
    ids=repr,
)
def test_terms_that_are_no_numbers_are_refused(make: Callable[..., object], fields: dict[str, Any]) -> None:
    """Where they are written down, not when a job first needs them."""
    with pytest.raises(InvalidJobError):
        make(**fields)


@pytest.mark.parametrize("options", [{"kinds": 3}, {"archive": 3}], ids=repr)
def test_retention_that_is_none_is_refused(options: dict[str, Any]) -> None:
    """Where it is written down."""
    with pytest.raises(RetentionError, match=next(iter(options))):
        Retention(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": 3}, "path"),
        ({"concurrency": 0}, "at least 1, found 0"),
        ({"concurrency": "x"}, "concurrency"),
        ({"concurrency": 1.5}, "concurrency"),
        ({"durability": "x"}, "'full' or 'relaxed', found 'x'"),
        ({"key": "secret"}, "key is a function"),
        ({"retention": 3}, "retention"),
        ({"clock": 3}, "clock"),
        ({"queues": 3}, "queues"),
        ({"queues": {3: 3}}, "printable name, found 3"),
        ({"queues": {"mail": 0}}, "queue 'mail' runs at least 1"),
        ({"queues": {"mail": "x"}}, "found 'x'"),
    ],
    ids=repr,
)
def test_option_of_an_engine_is_refused(options: dict[str, Any], said: str) -> None:
    """When it is made; and a key is not quoted."""
    with pytest.raises(EngineError, match=said) as raised:
        Engine(**options)

    assert "secret" not in str(raised.value)


def test_queue_that_the_engine_names_is_worked_on() -> None:
    """Jobs may be enqueued in another queue than their kind's, once somebody works on it."""
    with Engine(":memory:", queues={"slow": 1}) as engine:
        engine.kind("echo")(echo)
        job: JobHandle[str] = engine.enqueue("echo", "x", queue="slow")

        assert job.wait(20) is State.COMPLETED
