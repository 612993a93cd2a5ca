"""Stories of an engine on one thread, each in an order of its own, with actors that crash: nothing is lost.

Each is held to I1, I3, I5, I6, I7, I8, I9, I10, I11, I13, I14, I15, I16 and I17.

The failure that the project exists to make impossible is looked for in each of them.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from story import MAX_PAGES, Story, told
from story_checks import all_jobs, faults_of, files_of
from story_site import AUTH_ID, SEED, NumberedSite, credential

from bequest import Definition, Job, MetadataError
from bequest.actors.executor import ExecutorActor
from bequest.actors.messages import UpdateJobMetadata
from bequest.engine.crawl_jobs import METADATA_LOST
from bequest.engine.keys import Key
from bequest.engine.records import State
from bequest.testing.inline_engine import InlineEngine
from bequest.testing.schedule import Schedule

STORIES = 60


def sources(story: Story) -> list[str]:
    """Return where each page found its session."""
    lines = story.engine.logs(story.started.id, limit=10_000)
    return [str(line.entry.fields["source"]) for line in lines if line.entry.message == "auth_id found"]


def test_stories_end_well_in_every_order() -> None:
    """Whoever runs when, and whatever crashes, what was acknowledged is there and the invariants hold (I16, I17)."""
    crashes = 0
    for seed in range(STORIES):
        with told(seed) as story:
            assert faults_of(story) == [], f"seed {seed}: {story.engine.in_line.crashed}"
            crashes += len(story.engine.in_line.crashed)

    assert crashes > STORIES / 4


def test_story_leaves_no_secret_in_any_file(tmp_path: Path) -> None:
    """Neither the database nor its log has one in the clear, also of a session that was renewed (I16)."""
    with told(1, tmp_path / "jobs.db") as story:
        assert story.site.logins > 0
        assert sorted(files_of(story)) == ["jobs.db", "jobs.db-shm", "jobs.db-wal", "jobs.db.lock"]
        assert faults_of(story) == []


def test_children_find_their_session_in_the_metadata() -> None:
    """Every page finds its session in what its parent left it (I6, I7)."""
    with told(0) as story:
        assert sources(story) == ["parent metadata"] * MAX_PAGES


def test_children_of_each_step_find_its_metadata() -> None:
    """Also where crawls follow one another, each hands its own over first, and its children go by it (I6, I7)."""
    steps = [{"kind": "crawl", "config": {"start_urls": [f"{SEED}{number}"]}} for number in range(2)]
    definition = Definition.crawl("both", steps=steps, auth_id=AUTH_ID, max_pages=3, max_depth=2)
    for seed in range(STORIES // 4):
        site = NumberedSite()
        with InlineEngine(schedule=Schedule(seed=seed), site=site, key=lambda: Key(b"k" * 32)) as engine:
            engine.credentials.put(credential())
            run = engine.run(definition)

            assert run.wait() is State.COMPLETED, f"seed {seed}"
            lines = [line.entry for line in engine.logs(run.id, limit=10_000) if line.entry.message == "auth_id found"]
            assert [entry.fields["source"] for entry in lines] == ["parent metadata"] * 6, f"seed {seed}"
            assert site.anonymous == []


def test_failed_metadata_leaves_the_definition(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the write fails the run goes on, says so before a child is there (I6), and children ask the definition."""
    bequeath = ExecutorActor.bequeath

    def forget(self: ExecutorActor, parent_id: int, metadata: dict[str, Any]) -> None:
        bequeath(self, parent_id, {**metadata, "broken": {1, 2}})

    monkeypatch.setattr(ExecutorActor, "bequeath", forget)
    caplog.set_level(logging.WARNING)

    with told(0) as story:
        warnings = [record for record in caplog.records if record.message == METADATA_LOST]
        assert [record.__dict__["parent_id"] for record in warnings] == [story.started.id]
        assert sources(story) == ["definition"] * MAX_PAGES
        run: Job = all_jobs(story)[story.started.id]
        assert run.state is State.COMPLETED
        (lost,) = [line.entry for line in story.engine.logs(run.id) if line.entry.message == METADATA_LOST]
        assert "broken" in str(lost.fields["cause"])


def test_errors_of_the_metadata_name_job_and_key() -> None:
    """The manager's answer to metadata that is no JSON names the job and the key."""
    with told(0) as story, pytest.raises(MetadataError, match=rf"job {story.started.id}.*'tags\[0\]'"):
        story.engine.manager.ask(UpdateJobMetadata(job_id=story.started.id, metadata={"tags": [b"x"]}))
