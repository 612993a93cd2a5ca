"""What a handler says of its job: progress, log lines, metadata, children and a snooze, checked where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from handler_rig import ONCE, PATIENCE_S, Opaque, ended, engine_with_slots, failed_with, is_unharmed, leaving_no_thread

from bequest import JobContext, Kind, Retry, Snooze, State

BAD_WORDS: dict[str, Callable[[JobContext, Kind[Any, Any]], Any]] = {
    "progress that is no number": lambda job, _: job.progress("half"),  # type: ignore[arg-type]
    "progress without end": lambda job, _: job.progress(2**70),
    "a level that is none": lambda job, _: job.log("hello", level="LOUD"),
    "a message that is no text": lambda job, _: job.log(b"hello"),  # type: ignore[arg-type]
    "a field that is no JSON": lambda job, _: job.log("hello", what=Opaque()),
    "metadata that is no JSON": lambda job, _: job.update_metadata(a=Opaque()),
    "a child of a wide priority": lambda job, good: job.spawn(good, priority=2**70),
    "a child of a priority that is none": lambda job, good: job.spawn(good, priority="high"),  # type: ignore[arg-type]
    "a child with a key that is none": lambda job, good: job.spawn(good, key="\0"),
    "a child that clashes": lambda job, good: job.spawn(good, key="a", on_clash="replace"),
    "a child with metadata that is no JSON": lambda job, good: job.spawn(good, metadata={"a": Opaque()}),
    "a child whose failure does what": lambda job, good: job.spawn(good, on_failure="explode"),
    "an option that is none": lambda job, good: job.spawn(good, colour="red"),  # type: ignore[call-arg]
}


@pytest.mark.parametrize("say", BAD_WORDS.values(), ids=BAD_WORDS)
def test_what_a_handler_says_is_checked_where_it_stands(say: Callable[[JobContext, Kind[Any, Any]], Any]) -> None:
    """What no file can hold is refused in the handler's face, and never comes to lie beside the reports of others."""
    engine = engine_with_slots()
    good = engine._kinds.get("good")

    @engine.kind("bad")
    def bad(job: JobContext) -> None:
        say(job, good)

    with leaving_no_thread(), engine:
        assert failed_with(ended(engine, bad)) in ("InvalidJobError", "LogLevelError", "MetadataError")
        assert is_unharmed(engine)


def test_handler_says_what_it_does() -> None:
    """Progress, log lines in order and of a level in small letters, metadata and counters are kept."""
    engine = engine_with_slots()

    @engine.kind("talks")
    def talks(job: JobContext) -> int:
        job.progress(1, 2, "half")
        job.log("begun", level="debug", size=3)
        job.log("done")
        job.update_metadata(team="harbour")
        return job.increment("seen", 2)

    with engine:
        job = engine.enqueue(talks)
        assert job.result(PATIENCE_S) == 2
        row, logs = job.job(), job.logs()

    assert row.progress is not None
    assert (row.progress.done, row.progress.total, row.progress.message) == (1, 2, "half")
    assert [(line.level, line.message, line.fields) for line in logs] == [
        ("DEBUG", "begun", {"size": 3}),
        ("INFO", "done", {}),
    ]
    assert row.metadata == {"team": "harbour", "seen": 2}


def test_children_come_with_the_end_of_the_attempt_that_succeeds() -> None:
    """An attempt that fails leaves no child, and a child takes the options of an enqueue."""
    engine = engine_with_slots()
    good = engine._kinds.get("good")

    @engine.kind("parent", retry=Retry(max_attempts=2, backoff="fixed", base_s=0.0))
    def parent(job: JobContext) -> None:
        job.spawn(good, key="a", tags=["x"], delay_s=0.0)
        job.spawn(good, key="a")
        if job.attempt == 1:
            raise ValueError("no")

    with engine:
        job = engine.enqueue(parent)
        assert job.wait(PATIENCE_S) is State.COMPLETED
        children = [view.job for view in engine.jobs(parent_id=job.id)]

    assert [(child.key, child.tags, child.state) for child in children] == [("a", ("x",), State.COMPLETED)]


def test_snooze_runs_again_and_costs_no_attempt() -> None:
    """A job that asks to be run again later is, and its attempt does not count."""
    engine = engine_with_slots()
    runs: list[int] = []

    @engine.kind("later", retry=ONCE)
    def later(job: JobContext) -> int:
        runs.append(job.attempt)
        if len(runs) < 3:
            raise Snooze(0.0)
        return job.attempt

    with engine:
        job = ended(engine, later)

    assert job.result == 1
    assert runs == [1, 1, 1]
