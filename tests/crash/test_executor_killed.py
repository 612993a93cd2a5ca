"""A process is killed at each of the executor's steps, and the next one goes on with the run as if nothing had been."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries
from bequest.engine.records import Job, State

HERE = Path(__file__).parent
PAGES = 5
DEADLINE_S = 60

# Where it dies, and what is in the file then: whether the parent, its metadata, and a child.
STEPS = [
    ("before", "CreateJob", (False, False, False)),
    ("after", "CreateJob", (True, False, False)),
    ("before", "UpdateJobMetadata", (True, False, False)),
    ("after", "UpdateJobMetadata", (True, True, False)),
    ("before", "SpawnChildren", (True, True, False)),
    ("after", "SpawnChildren", (True, True, True)),
    ("before", "StartMonitoring", (True, True, True)),
    ("after", "StartMonitoring", (True, True, True)),
]


def read(database: Path) -> tuple[list[Job], list[Job]]:
    """Return the parents and the pages that are on disk."""
    reader = open_reader(str(database), clock=SystemClock())
    queries = Queries(reader)
    parents = [view.job for view in queries.jobs()]
    pages = [view.job for parent in parents for view in queries.jobs(parent_id=parent.id)]
    reader.close()
    return parents, pages


@pytest.mark.parametrize(("when", "step", "stored"), STEPS, ids=[f"{when}-{step}" for when, step, _ in STEPS])
def test_run_is_gone_on_with_wherever_its_executor_was_killed(
    tmp_path: Path, when: str, step: str, stored: tuple[bool, bool, bool]
) -> None:
    """At no point is a child there before its parent's metadata (I6), and the next process ends the very same run."""
    database = tmp_path / "crawl.db"
    killed = subprocess.run(
        [sys.executable, HERE / "executor_child.py", database, when, step],
        stdin=subprocess.DEVNULL,
        timeout=DEADLINE_S,
        check=False,
    )
    parents, pages = read(database)
    found = bool(parents), any(parent.metadata for parent in parents), bool(pages)

    said = subprocess.run(
        [sys.executable, HERE / "crawl_child.py", database, str(PAGES)],
        input=b"." * 100,
        capture_output=True,
        timeout=DEADLINE_S,
        check=True,
    ).stdout

    assert (killed.returncode, found) == (-signal.SIGKILL, stored)
    assert said.splitlines()[-1] == b"ended completed"
    ((parent,), pages) = read(database)
    assert parent.metadata["team"] == "harbour"
    assert [page.state for page in pages] == [State.COMPLETED] * PAGES
    assert all(page.metadata["team"] == "harbour" for page in pages)
