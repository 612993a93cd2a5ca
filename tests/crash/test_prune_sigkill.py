"""A pruning is killed again and again with SIGKILL: all that is gone is archived, and what is left is sound (I1)."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.limits import KindTerms
from bequest.engine.queries import Queries
from bequest.engine.records import Completion, Document, LogEntry, NewJob, State
from bequest.engine.store import Store

CHILD = Path(__file__).with_name("prune_child.py")
KILLS = 20
RUNS = 60
PAGES = 6
LOGS = 3
MOST_AT_ONCE = 5
DEADLINE_S = 120


class Rows(NamedTuple):
    """What there is, wherever it is."""

    jobs: set[int]
    documents: set[int]
    logs: set[int]


def fill(database: Path) -> Rows:
    """Make runs that have ended, and return all that belongs to them."""
    store = Store.open(database, clock=SystemClock(), durability="relaxed")
    for _ in range(RUNS):
        with store.group():
            (root,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
            store.parents.spawn(root.job_id, [NewJob(kind="page")] * PAGES, seal=True)
            leases = store.claims.claim("default", [KindTerms(kind="page")], PAGES, 60.0)
            store.completions.complete(
                [
                    Completion(
                        job_id=lease.job_id,
                        token=lease.token,
                        state=State.COMPLETED,
                        document=document(lease.job_id),
                        logs=(LogEntry(job_id=lease.job_id, at=1.0, level="INFO", message="m"),) * LOGS,
                    )
                    for lease in leases
                ]
            )
            store.parents.judge([root.job_id])
    store.close()
    return in_database(database)


def document(job_id: int) -> Document:
    return Document(
        url="https://h/",
        url_key=str(job_id),
        status=200,
        title="",
        markdown="x" * 2_000,
        depth=0,
        auth_id=None,
        fetched_at=1.0,
    )


def in_database(database: Path) -> Rows:
    """Return what is in the file, in the job table or on its way out of it, and find all of it sound."""
    reader = open_reader(str(database), clock=SystemClock())
    assert Queries(reader).integrity() == []
    found = [
        {row[0] for row in reader.rows(sql)}
        for sql in (
            "SELECT id FROM job UNION SELECT job_id FROM pruned WHERE job_json IS NOT NULL",
            "SELECT job_id FROM document",
            "SELECT id FROM job_log",
        )
    ]
    reader.close()
    return Rows(*found)


def in_archive(archive: Path) -> Rows:
    """Return what is archived; what a crash left of the last line counts for nothing."""
    text = archive.read_text("utf-8") if archive.exists() else ""
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return Rows(
        jobs={line["job_id"] for line in lines if line["job"] is not None},
        documents={line["job_id"] for line in lines if line["document"] is not None},
        logs={log["number"] for line in lines for log in line["logs"]},
    )


def start(database: Path, archive: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, CHILD, database, archive], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )


def prune_and_kill(database: Path, archive: Path, steps: int) -> None:
    """Let some steps be taken, and kill the pruning somewhere in the next."""
    child = start(database, archive)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"." * (steps + 1))
    for _ in range(steps):
        assert child.stdout.readline() == b"step\n"
    child.kill()
    child.wait(DEADLINE_S)
    child.stdin.close()
    child.stdout.close()


def test_killed_pruning_loses_nothing_that_is_not_archived(tmp_path: Path) -> None:
    """After each kill every job, document and line is in the database or in the archive; the next pruning goes on."""
    database, archive = tmp_path / "jobs.db", tmp_path / "old.jsonl"
    chance = random.Random(20_261_125)  # noqa: S311
    before = fill(database)
    killed_with_some_gone = 0

    for _ in range(KILLS):
        prune_and_kill(database, archive, chance.randint(0, MOST_AT_ONCE))
        left, archived = in_database(database), in_archive(archive)
        for had, has, wrote in zip(before, left, archived, strict=True):
            assert has | wrote == had
        killed_with_some_gone += bool(left.jobs) and bool(archived.jobs)

    last = start(database, archive)
    said, _ = last.communicate(b"." * 10_000, timeout=DEADLINE_S)
    assert said.splitlines()[-1] == b"pruned"
    assert killed_with_some_gone > KILLS // 2
    assert in_database(database) == Rows(set(), set(), set())
    assert in_archive(archive) == before
    assert all(json.loads(line) for line in archive.read_text("utf-8").splitlines())
