"""The examination of a database finds each fault that was planted, names it, and finds nothing in a sound one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bequest.engine.database_file import open_reader
from bequest.engine.integrity import Finding, check_integrity
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Document, JobError, LogEntry, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

RUN, DONE, DUE, ALONE = 1, 2, 3, 4
TERMS = (KindTerms(kind="page"),)
FAULTS: tuple[tuple[str, str, str], ...] = (  # a check, SQL that breaks what it looks at, and what is said
    ("I13", "UPDATE tally SET completed = 2", "job 1 has other children than its tally counts"),
    ("I13", "UPDATE tally SET ignored = 1", "job 1 has other children than its tally counts"),
    ("I13", "DELETE FROM tally", "job 1 has other children than its tally counts"),
    (
        "I13",
        "INSERT INTO tally VALUES (4, 0, 0, 0, 1, 0, 0, 0, 0, 0)",
        "job 4 has other children than its tally counts",
    ),
    ("I13", "UPDATE stat SET pending = pending + 1 WHERE kind = 'crawl'", "queue default has other jobs of kind crawl"),
    ("I13", "DELETE FROM stat WHERE kind = 'page'", "queue default has other jobs of kind page than its counters say"),
    ("I9", "UPDATE job SET state = 5, finished_at = 9.0 WHERE id = 1", "job 1 has ended and its child 3 has not"),
    ("I9", "UPDATE job SET state = 3, finished_at = 9.0, own_step = 1 WHERE id = 4", "ended before its own step"),
    ("I9", "UPDATE job SET state = 3, finished_at = 9.0, sealed = 0 WHERE id = 1", "job 1 has ended and more children"),
    ("I3", "UPDATE job SET token = 0 WHERE id = 2", "job 2 has more attempts than it was claimed"),
    (
        "I3",
        "UPDATE job SET state = 1, lease_until = 9.0 WHERE id = 3",
        "job 3 runs and was never claimed",
    ),
    ("I14", "UPDATE job SET child_limit = 1 WHERE id = 1", "job 1 has more children than its limit"),
    ("I15", "UPDATE document SET parent_id = 4", "the document of job 2 is of another run"),
    (
        "I11",
        "UPDATE job SET follow_up_json = '{}' WHERE id = 2",
        "job 2 has ended and the job that was to follow it was not made",
    ),
    ("line", "UPDATE job SET root_id = 4 WHERE id = 2", "job 2 names another root than its parent"),
    ("line", "UPDATE job SET root_id = 1 WHERE id = 4", "job 4 names another root than its parent"),
    ("line", "UPDATE job_log SET root_id = 4", "line 1 of the log of job 2 names another root"),
    ("line", "INSERT INTO pruned VALUES (4, NULL, NULL)", "job 4 was pruned and is there"),
    ("line", "UPDATE sqlite_sequence SET seq = 3 WHERE name = 'job'", "the next job gets the number of job 4"),
    ("foreign keys", "UPDATE job_log SET job_id = 99", "row 1 of job_log refers to a job that is not there"),
    ("foreign keys", "UPDATE job_error SET job_id = 99", "row 1 of job_error refers to a job that is not there"),
    ("foreign keys", "UPDATE document SET job_id = 99", "row 99 of document refers to a job that is not there"),
    (
        "foreign keys",
        "UPDATE job SET definition_id = 9 WHERE id = 4",
        "row 4 of job refers to a definition that is not",
    ),
    ("JSON", "UPDATE job SET config_json = '{' WHERE id = 4", "config_json of row 4 of job is no JSON"),
    ("JSON", "UPDATE job SET result_json = 'x' WHERE id = 4", "result_json of row 4 of job is no JSON"),
    ("JSON", "UPDATE job_log SET fields_json = ''", "fields_json of row 1 of job_log is no JSON"),
    ("JSON", "UPDATE job_error SET error_json = ''", "error_json of row 1 of job_error is no JSON"),
    ("schema", "DROP TRIGGER job_final", "there is no trigger job_final"),
    ("schema", "DROP INDEX job_key; CREATE INDEX job_key ON job (key)", "index job_key is another one"),
    ("schema", "CREATE TABLE spare (x)", "table spare is none of ours"),
    ("file", "UPDATE job SET attempts = 9 WHERE id = 4", "CHECK constraint failed"),
)


@pytest.fixture
def sound(store: Store) -> Store:
    """Give a store with something in every table that is examined."""
    with store.group():
        store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
        store.parents.spawn(RUN, [NewJob(kind="page"), NewJob(kind="page")], seal=True)
        store.jobs.create([NewJob(kind="job", tags=("a",))])
        (lease,) = store.claims.claim("default", TERMS, 1, 60.0)
        end(store, lease.job_id, lease.token)
    return store


def end(store: Store, job_id: int, token: int) -> None:
    """End a page with all that it can leave."""
    document = Document(
        url="https://h/", url_key="k", status=200, title="", markdown="", depth=0, auth_id=None, fetched_at=1.0
    )
    completion = Completion(
        job_id=job_id,
        token=token,
        state=State.COMPLETED,
        error=JobError(type="odd", message="though it went well"),
        document=document,
        logs=(LogEntry(job_id=job_id, at=1.0, level="INFO", message="m"),),
    )
    store.completions.complete([completion])


def examine(store: Store) -> list[Finding]:
    with store.group():
        return store.queries.integrity()


def break_rows(store: Store, sql: str) -> None:
    """Run SQL with nothing in its way: no foreign key, no constraint and no trigger."""
    database = store._database
    triggers = database.rows("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    for name, _ in triggers:
        database.script(f"DROP TRIGGER {name}")
    database.script("PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON")
    database.script("" if "TRIGGER" in sql else sql)
    database.script("PRAGMA ignore_check_constraints=OFF")
    for _, text in triggers:
        database.script(text)
    if "TRIGGER" in sql:
        database.script(sql)


def test_sound_database_has_no_fault(sound: Store) -> None:
    """A database with something in every table is as it must be."""
    assert examine(sound) == []


def test_empty_database_has_no_fault(store: Store) -> None:
    """A new database is as it must be."""
    assert examine(store) == []


@pytest.mark.parametrize(("check", "sql", "said"), FAULTS, ids=lambda value: value[:60])
def test_planted_fault_is_found(sound: Store, check: str, sql: str, said: str) -> None:
    """Each fault is found by the check that is for it, in words that name the place."""
    break_rows(sound, sql)

    found = [finding for finding in examine(sound) if finding.check == check]

    assert any(said in finding.message for finding in found)


def test_unfinished_job_of_a_pruned_run_is_found(sound: Store) -> None:
    """What pruning could never take would stay for ever, and so it is a fault (I9)."""
    break_rows(sound, "INSERT INTO pruned VALUES (1, NULL, NULL); DELETE FROM job WHERE id = 1; DELETE FROM tally")

    messages = [finding.message for finding in examine(sound) if finding.check == "I9"]

    assert messages == ["job 3 has not ended and its run was pruned"]


@pytest.mark.parametrize("is_quick", [True, False])
def test_damaged_page_is_a_finding(store: Store, tmp_path: Path, clock: ManualClock, is_quick: bool) -> None:
    """A page overwritten with something else is told as a finding, and the rest is examined all the same."""
    with store.group():
        store.jobs.create([NewJob(kind="page", config="x" * 1_000)] * 2_000)
    store.close()
    with (tmp_path / "jobs.db").open("r+b") as opened:
        opened.seek(-60 * 4096, os.SEEK_END)
        opened.write(b"\xff" * 50 * 4096)
    reader = open_reader(str(tmp_path / "jobs.db"), clock=clock)

    found = check_integrity(reader, is_quick=is_quick)

    reader.close()
    assert any(finding.check == "file" for finding in found)
    assert len(found) <= 20 * 100


def test_quick_examination_leaves_out_the_json(sound: Store) -> None:
    """What takes longest is left out when asked so, and the invariants are not."""
    break_rows(sound, "UPDATE job SET config_json = '{' WHERE id = 4; UPDATE tally SET completed = 2")

    with sound.group():
        found = {finding.check for finding in check_integrity(sound._database, is_quick=True)}

    assert found == {"I13"}


def test_findings_of_one_check_are_bounded(sound: Store) -> None:
    """A thousand faults of one kind are told as a hundred."""
    with sound.group():
        sound.logs.add([LogEntry(job_id=DONE, at=1.0, level="INFO", message="m")] * 1_000)
    break_rows(sound, "UPDATE job_log SET root_id = 4")

    assert [finding.check for finding in examine(sound)] == ["line"] * 100
