"""Tests of the commands that read, over a database that a store has written; no engine and no browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bequest.console.main import run_command
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, JobError, LogEntry, NewJob, State
from bequest.engine.store import Store

EVIL = "https://wiki.example/\x1b[2J[/red]?token=secret"


@pytest.fixture
def database(store: Store, tmp_path: Path) -> str:
    """Give a database with one run of four pages, of each kind of end."""
    with store.group():
        run_id = store.jobs.create([NewJob(kind="crawl", state=State.WAITING, config={"start_urls": [EVIL]})])[0].job_id
        store.jobs.update_metadata(run_id, {"auth_id": "wiki", "team": "docs"})
        pages = [NewJob(kind="page", key=str(number), config={"url": EVIL, "depth": number}) for number in range(4)]
        store.parents.spawn(run_id, pages, seal=True)
        leases = store.claims.claim("default", (KindTerms(kind="page"),), 3, 60.0)
        ends: tuple[dict[str, Any], ...] = (
            {"state": State.COMPLETED},
            {"state": State.FAILED, "error": JobError(type="http_404", message=f"found {EVIL}")},
            {"state": State.WAITING, "waits_for": "wiki", "counts": False},
        )
        store.completions.complete(
            [
                Completion(job_id=lease.job_id, token=lease.token, logs=(source_of(lease.job_id),), **end)
                for lease, end in zip(leases, ends, strict=True)
            ]
        )
    return str(tmp_path / "jobs.db")


def source_of(job_id: int) -> LogEntry:
    """Return the line of a page's log that says where its session came from."""
    fields = {"auth_id": "wiki", "source": "parent metadata"}
    return LogEntry(job_id=job_id, at=0.5, level="INFO", message="auth_id found", fields=fields)


def test_jobs_lists_runs_without_their_queries(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run is a line with its state, where it starts and how far it is; the query may be a secret."""
    code = run_command(["jobs", "--db", database])

    header, row = capsys.readouterr().out.splitlines()
    assert code == 0
    assert header.split() == ["id", "kind", "state", "what", "pages", "created", "(UTC)"]
    assert row.split()[:5] == ["1", "crawl", "waiting", "wiki.example/\\x1b[2J[/red]", "1/4"]


def test_jobs_says_that_a_run_is_stalled(store: Store, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of which all that is left waits for a credential is listed as stalled."""
    with store.group():
        (lease,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)
        store.completions.complete([Completion(job_id=lease.job_id, token=lease.token, state=State.FAILED)])

    run_command(["jobs", "--db", database])
    run_command(["job", "1", "--db", database])

    out = capsys.readouterr().out
    assert "crawl  stalled" in out
    assert "waiting (stalled: all that is left waits so)" in out


def test_jobs_in_a_state_are_pages_too(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a state every job in it is listed, one JSON value a line."""
    run_command(["jobs", "--db", database, "--state", "waiting", "--json"])

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(job["id"], job["kind"], job["waits_for"]) for job in found] == [(1, "crawl", None), (4, "page", "wiki")]


@pytest.mark.parametrize(("options", "said"), [([], "no jobs"), (["--state", "failed"], "no job is failed")])
def test_jobs_says_that_there_are_none(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    """An empty list is said in words, and in JSON is no line."""
    run_command(["jobs", "--db", str(tmp_path / "jobs.db"), *options])
    run_command(["jobs", "--db", str(tmp_path / "jobs.db"), *options, "--json"])

    assert capsys.readouterr().out == f"{said}\n"


def test_jobs_lists_more_than_are_read_at_once(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long list is whole."""
    monkeypatch.setattr("bequest.console.inspect.AT_ONCE", 3)
    with store.group():
        store.jobs.create([NewJob(kind="crawl", state=State.WAITING) for _ in range(7)])

    run_command(["jobs", "--db", str(tmp_path / "jobs.db"), "--json"])

    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == list(range(1, 8))


def test_job_shows_children_and_where_sessions_came_from(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run names what it leaves, and each child what it found, or nothing where it has not looked yet."""
    code = run_command(["job", "1", "--db", database])

    out = capsys.readouterr().out
    children = [line.split(maxsplit=4) for line in out.partition("\n\n")[2].splitlines()[1:]]
    assert code == 0
    assert "session   wiki (in its metadata, for its children)" in out
    assert "children  1 completed, 1 failed, 2 unfinished" in out
    place = "wiki.example/\\x1b[2J[/red]"
    assert children == [
        ["2", "completed", "0", place, "wiki (from parent metadata)"],
        ["3", "failed", "1", place, "wiki (from parent metadata)  http_404"],
        ["4", "waiting", "2", place, "wiki (from parent metadata)"],
        ["5", "pending", "3", place],
    ]


def test_job_in_json_is_one_value_with_all_children(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON holds the job, its session, and every child with its own."""
    run_command(["job", "1", "--db", database, "--json"])

    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["metadata"] == {"auth_id": "wiki", "team": "docs"}
    assert found["children"]["completed"] == 1
    assert [child["session"] for child in found["child_jobs"]] == [
        *["wiki (from parent metadata)"] * 3,
        "not looked for yet",
    ]


def test_job_names_the_definition_where_metadata_was_lost(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run whose metadata names no session says which one its definition names."""
    with store.group():
        store.jobs.create([NewJob(kind="crawl", state=State.WAITING, config={"auth_id": "wiki"})])

    run_command(["job", "1", "--db", str(tmp_path / "jobs.db")])

    assert "session  wiki (in its definition; its metadata names none)" in capsys.readouterr().out


def test_job_of_another_kind_shows_its_attempts_and_when_it_is_due(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that is retried says how often it was tried and when it is due; nothing is said of a session."""
    with store.group():
        store.jobs.create([NewJob(kind="mail", max_attempts=3)])
        (lease,) = store.claims.claim("default", (KindTerms(kind="mail"),), 1, 60.0)
        error = JobError(type="ValueError", message="no such box")
        again = Completion(job_id=1, token=lease.token, state=State.PENDING, run_at=4_000_000_000.0, error=error)
        store.completions.complete([again])

    code = run_command(["job", "1", "--db", str(tmp_path / "jobs.db")])

    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert ["attempts", "1 of 3"] in lines
    assert ["due", "2096-10-02 07:06 UTC"] in lines
    assert ["error", "ValueError: no such box"] in lines
    assert "session" not in {name for name, _ in lines}


def test_page_shows_what_it_waits_for(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A page that waits names the credential, its attempts and its parent."""
    run_command(["job", "4", "--db", database])

    out = capsys.readouterr().out
    assert "state     waiting, for credential wiki" in out
    assert "parent    1" in out
    assert "attempts  0 of 1" in out


def test_job_writes_out_what_an_error_holds(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An error that quotes a site steers no terminal."""
    run_command(["job", "3", "--db", database])

    out = capsys.readouterr().out
    assert "http_404: found https://wiki.example/\\x1b[2J[/red]" in out
    assert "\x1b" not in out


def test_logs_are_lines_in_order(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The log of a run is that of its pages, a line each, with time, level, job and fields."""
    run_command(["logs", "1", "--db", database])

    lines = capsys.readouterr().out.splitlines()
    line = '1970-01-01T00:00:00.500Z INFO    job {}: auth_id found auth_id="wiki" source="parent metadata"'
    assert lines == [line.format(job_id) for job_id in (2, 3, 4)]


def test_logs_in_json_are_a_value_a_line(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each entry is one JSON object."""
    run_command(["logs", "3", "--db", database, "--json"])

    (entry,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert entry["job_id"] == 3
    assert entry["fields"] == {"auth_id": "wiki", "source": "parent metadata"}


@pytest.mark.parametrize("command", ["job", "logs"])
def test_unknown_job_is_bad_input(database: str, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """An id that no job has is said in one line, with the command that lists those there are."""
    code = run_command([command, "99", "--db", database])

    assert code == 2
    assert capsys.readouterr().err.splitlines() == [
        "bequest: asked for job 99, found none with that id; `bequest jobs` lists them"
    ]


@pytest.mark.parametrize("job_id", ["0", "-1", "x", "9223372036854775808"])
def test_id_that_can_be_none_is_refused(database: str, capsys: pytest.CaptureFixture[str], job_id: str) -> None:
    """What no id can be is refused as an argument."""
    code = run_command(["job", "--db", database, "--", job_id])

    assert code == 2
    assert "see bequest job --help" in capsys.readouterr().err
