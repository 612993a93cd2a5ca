"""The examination of a database finds each fault that was planted, names it, and finds nothing in a sound one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from bequest.engine.crawl_jobs import METADATA_LOST
from bequest.engine.database import Database, Row, Value
from bequest.engine.database_file import open_reader
from bequest.engine.definitions import Definition
from bequest.engine.fire_times import Interval
from bequest.engine.integrity import Finding, check_integrity
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Document, JobError, LogEntry, NewJob, SealedCredential, State
from bequest.engine.schedules import NewSchedule
from bequest.engine.store import Store
from bequest.engine.stored_texts import text_faults
from bequest.testing.manual_clock import ManualClock

RUN, DONE, DUE, ALONE = 1, 2, 3, 4
TERMS = (KindTerms(kind="page"),)
RUNNING = "UPDATE job SET state = 1"
CANCELLED = "UPDATE job SET state = 5, finished_at = 9.0"
COMPLETED = "UPDATE job SET state = 3, finished_at = 9.0 WHERE id < 4; UPDATE tally SET pending = 0, completed = 2"
COUNTED = (  # anew, so that they are not what is wrong
    "DELETE FROM stat; INSERT INTO stat SELECT queue, kind, sum(state = 0), sum(state = 1), sum(state = 2),"
    " sum(state = 3), sum(state = 4), sum(state = 5) FROM job GROUP BY queue, kind"
)
FAULTS: tuple[tuple[str, str, str], ...] = (  # all checks that find it, SQL that does it, and what is said
    ("I2 I13 file", "UPDATE job SET state = 7, finished_at = 1.0 WHERE id = 4", "job 4 is in no state that there is"),
    ("I2 file", "UPDATE job SET finished_at = 1.0 WHERE id = 4", "job 4 ended at no time, or has not ended"),
    ("I2 file", "UPDATE job SET waits_for = 'wiki' WHERE id = 4", "job 4 needs a credential and does not wait"),
    ("I2", "UPDATE job SET own_step = 3 WHERE id = 4", "job 4 has an own step that does not go with its state"),
    ("I2", "UPDATE job SET own_step = 1 WHERE id = 4", "job 4 has an own step that does not go with its state"),
    ("I2", "UPDATE job SET own_step = 2 WHERE id = 1", "job 1 has an own step that does not go with its state"),
    ("I3 file", "UPDATE job SET lease_until = 9.0 WHERE id = 4", "job 4 runs without a lease, or has one"),
    ("I3 file", f"{RUNNING}, token = 1, started_at = 1.0 WHERE id = 4; {COUNTED}", "job 4 runs without a lease"),
    ("I3", f"{RUNNING}, token = 1, lease_until = 1.0 WHERE id = 4; {COUNTED}", "job 4 runs and has not started"),
    (
        "I3",
        f"{RUNNING}, started_at = 1.0, lease_until = 9.0 WHERE id = 4; {COUNTED}",
        "job 4 runs and was never claimed",
    ),
    ("I3", "UPDATE job SET attempts = 2, max_attempts = 3 WHERE id = 2", "job 2 has more attempts than it was claimed"),
    ("I5 file", "UPDATE job SET attempts = 2, token = 2 WHERE id = 4", "job 4 has more attempts than it may"),
    ("I5 file", "UPDATE job SET attempts = -1 WHERE id = 4", "job 4 has more attempts than it may"),
    ("I5", "UPDATE job SET attempts = 1, token = 1 WHERE id = 4", "job 4 is to be tried and has no attempt left"),
    ("I5", "UPDATE job_error SET attempt = 2", "job 2 has an error of an attempt that it may not have"),
    ("I5", "UPDATE job_error SET attempt = 0", "job 2 has an error of an attempt that it may not have"),
    (
        "I5",
        "INSERT INTO job_error SELECT NULL, job_id, attempt, at, error_json FROM job_error",
        "job 2 has more errors than it was claimed",
    ),
    ("I6", "UPDATE job SET definition_id = 1 WHERE id < 4", "job 1 has children and nothing was left to them"),
    (
        "I6",
        "UPDATE job SET definition_id = 1, kind = 'run' WHERE id = 1; UPDATE job SET definition_id = 1 WHERE id < 4;"
        " UPDATE stat SET kind = 'run' WHERE kind = 'crawl'",
        "job 1 has children and nothing was left to them",
    ),
    ("I9 I10", f"{CANCELLED}, sealed = 1 WHERE id = 1; {COUNTED}", "job 1 has ended and its child 3 has not"),
    ("I9 I10", f"{CANCELLED}, sealed = 1 WHERE id = 1; {COUNTED}", "job 3 has not ended and its run 1 was cancelled"),
    ("I9 I13", "UPDATE job SET state = 3, finished_at = 9.0 WHERE id = 1", "job 1 has ended and its child 3 has not"),
    ("I9 I13", "UPDATE job SET state = 3, finished_at = 9.0, own_step = 1 WHERE id = 4", "ended before its own step"),
    ("I9", f"{COMPLETED}; UPDATE job SET sealed = 0 WHERE id = 1; {COUNTED}", "job 1 has ended and more children"),
    ("I9", f"UPDATE job SET state = 0 WHERE id = 1; {COUNTED}", "job 1 can be claimed and has children"),
    (
        "I11 text",
        "UPDATE job SET follow_up_json = '{}' WHERE id = 2",
        "job 2 has ended and the job that was to follow it was not made",
    ),
    ("I11 schema", "DROP INDEX job_key; UPDATE job SET key = 'k' WHERE id IN (2, 3)", "jobs 2 and 3 have one key"),
    ("I12", "UPDATE document SET job_id = 3", "job 3 left a document and was never claimed"),
    ("I13", "UPDATE tally SET completed = 2", "job 1 has other children than its tally counts"),
    ("I13", "UPDATE tally SET ignored = 1", "job 1 has other children than its tally counts"),
    ("I13", "DELETE FROM tally", "job 1 has other children than its tally counts"),
    (
        "I9 I13",
        "INSERT INTO tally VALUES (4, 0, 0, 0, 1, 0, 0, 0, 0, 0)",
        "job 4 has other children than its tally counts",
    ),
    ("I13", "UPDATE stat SET pending = pending + 1 WHERE kind = 'crawl'", "queue default has other jobs of kind crawl"),
    ("I13", "DELETE FROM stat WHERE kind = 'page'", "queue default has other jobs of kind page than its counters say"),
    ("I14", "UPDATE job SET child_limit = 1 WHERE id = 1", "job 1 has more children than its limit"),
    ("I15", "UPDATE document SET parent_id = 4", "the document of job 2 is of another run"),
    ("I16", "UPDATE credential SET nonce = x'00' WHERE auth_id = 'wiki'", "credential wiki is not sealed"),
    ("I16", "UPDATE credential SET ciphertext = x'00' WHERE auth_id = 'wiki'", "credential wiki is not sealed"),
    ("I16", "UPDATE credential SET nonce = zeroblob(12)", "credential wiki has the nonce of another"),
    ("I16", "INSERT INTO former_credential VALUES ('wiki', 1)", "credential wiki has a version that it had before"),
    ("I20", "UPDATE schedule SET last_at = 7.0", "schedule often would use its last fire time again"),
    ("line", "UPDATE job SET root_id = 4 WHERE id = 2", "job 2 names another root than its parent"),
    ("line", "UPDATE job SET root_id = 1 WHERE id = 4", "job 4 names another root than its parent"),
    ("line", "UPDATE job SET definition_id = 1 WHERE id = 2", "page 2 goes by another definition than its crawl"),
    ("line", "UPDATE job_log SET root_id = 4", "line 1 of the log of job 2 names another root"),
    ("line", "INSERT INTO pruned VALUES (4, NULL, NULL)", "job 4 was pruned and is there"),
    ("line", "INSERT INTO pause VALUES ('run', '99', 1.0)", "run 99 is paused and is not there"),
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
    ("JSON", "UPDATE job SET metadata_json = '{' WHERE id = 1", "metadata_json of row 1 of job is no JSON"),
    ("JSON", "UPDATE job SET result_json = 'x' WHERE id = 4", "result_json of row 4 of job is no JSON"),
    ("JSON", "UPDATE job SET follow_up_json = '[' WHERE id = 4", "follow_up_json of row 4 of job is no JSON"),
    ("JSON", "UPDATE job_log SET fields_json = ''", "fields_json of row 1 of job_log is no JSON"),
    ("JSON", "UPDATE job_error SET error_json = ''", "error_json of row 1 of job_error is no JSON"),
    ("JSON", "UPDATE schedule SET used_json = '['", "used_json of row often of schedule is no JSON"),
    ("JSON", "UPDATE credential SET sites_json = '[' WHERE auth_id = 'wiki'", "sites_json of row wiki of credential"),
    ("text", "UPDATE job SET metadata_json = '[]' WHERE id = 4", "metadata_json of row 4 of job is JSON of something"),
    ("text", "UPDATE job SET key = CAST(x'ff' AS TEXT) WHERE id = 4", "key of row 4 of job is no text"),
    ("I13 text", "UPDATE stat SET kind = CAST(x'ff' AS TEXT) WHERE kind = 'crawl'", "of stat is no text"),
    ("schema", "DROP TRIGGER job_final", "there is no trigger job_final"),
    ("schema", "DROP INDEX job_key; CREATE INDEX job_key ON job (key)", "index job_key is another one"),
    ("schema", "CREATE TABLE spare (x)", "table spare is none of ours"),
    ("I3 I5 file", "UPDATE job SET attempts = 9 WHERE id = 4", "CHECK constraint failed"),
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
        store.definitions.save(Definition.crawl("wiki", start_urls=["https://h/"]))
        store.schedules.put(NewSchedule(name="often", job=NewJob(kind="job"), rule=Interval(every_s=60.0)))
        for name in ("wiki", "blog"):
            store.credentials.put(sealed(name))
    return store


def sealed(auth_id: str) -> SealedCredential:
    """Return a credential as it is stored."""
    return SealedCredential(
        auth_id=auth_id,
        version=1,
        key_id="key",
        nonce=auth_id.encode() * 3,
        ciphertext=b"sealed, sealed, sealed",
        sites=("h",),
        updated_at=1.0,
    )


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


@pytest.mark.parametrize(("checks", "sql", "said"), FAULTS, ids=lambda value: value[:60])
def test_planted_fault_is_found(sound: Store, checks: str, sql: str, said: str) -> None:
    """Each fault is found by the checks that are for it and by no other, in words that name the place."""
    break_rows(sound, sql)

    found = examine(sound)

    assert any(said in finding.message for finding in found)
    assert {finding.check for finding in found} == set(re.findall(r"foreign keys|\S+", checks))


def test_metadata_that_was_said_to_be_lost_is_no_fault(sound: Store) -> None:
    """A run may have children without it, once its log says so (I6)."""
    break_rows(sound, "UPDATE job SET definition_id = 1 WHERE id < 4")
    with sound.group():
        sound.logs.add([LogEntry(job_id=RUN, at=1.0, level="WARNING", message=METADATA_LOST)])

    assert examine(sound) == []


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


class Endless(Database):
    """A database whose tree is damaged so that the same row comes again and again."""

    def __init__(self) -> None:
        self.asked = 0

    def rows(self, sql: str, values: Iterable[Value] = ()) -> list[Row]:
        """Return the one column, and then the one row."""
        self.asked += 1
        return [("kind",)] if "pragma" in sql else [(5, b"\xff")]


def test_table_that_never_ends_is_not_read_for_ever() -> None:
    """Where a damaged tree leads back to what was read, the examination of that table ends."""
    database = Endless()

    assert list(text_faults(database, "job")) == ["kind of row 5 of job is no text"] * 2
    assert database.asked == 3
