"""The commands that care for a database: what they do, print and return, beside an engine and without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bequest.console.housekeeping import Age
from bequest.console.main import run_command
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, LogEntry, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a database with a run of three jobs that completed long ago, a job that failed then, and one that is due."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    store = Store.open("bequest.db", clock=ManualClock(1_000_000.0))
    with store.group():
        (root,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
        store.parents.spawn(root.job_id, [NewJob(kind="page")] * 2, seal=True)
        store.jobs.create([NewJob(kind="job"), NewJob(kind="later")])
        for lease in store.claims.claim("default", [KindTerms(kind="page"), KindTerms(kind="job")], 9, 60.0):
            logs = tuple(LogEntry(job_id=lease.job_id, at=1.0, level=level, message="said") for level in LEVELS)
            state = State.COMPLETED if lease.kind == "page" else State.FAILED
            store.completions.complete([Completion(job_id=lease.job_id, token=lease.token, state=state, logs=logs)])
        store.parents.judge([root.job_id])
    store.close()
    return tmp_path / "bequest.db"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command and return its exit code and what it wrote to stdout and stderr."""
    capsys.readouterr()
    code = run_command(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def jobs_in(file: Path) -> list[str]:
    store = Store.open(file, clock=ManualClock())
    with store.group():
        found = [f"{view.job.kind} {view.job.state}" for view in store.queries.jobs()]
        assert store.queries.integrity() == []
    store.close()
    return found


@pytest.mark.usefixtures("database")
def test_files_may_be_in_the_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``~`` is expanded also where the shell did not do it, as in ``--archive=~/old.jsonl``."""
    pruned, _, _ = run(capsys, "prune", "--failed", "7d", "--archive=~/old.jsonl")
    backed_up, _, _ = run(capsys, "backup", "~/copy.db")

    assert (pruned, backed_up) == (0, 0)
    assert (tmp_path / "old.jsonl").exists()
    assert (tmp_path / "copy.db").exists()


# Backup


def test_backup_makes_a_database(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The copy has all jobs, and the line says where it is and how large."""
    code, out, err = run(capsys, "backup", "copy.db")

    assert (code, err) == (0, "")
    assert out.startswith("backed bequest.db up to copy.db: 0.")
    assert jobs_in(tmp_path / "copy.db") == ["crawl completed", "job failed", "later pending"]


def test_backup_is_made_beside_an_owner(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An engine that uses the database is in nobody's way."""
    store = Store.open(database, clock=ManualClock())

    code, _, _ = run(capsys, "backup", "copy.db")

    store.close()
    assert code == 0
    assert len(jobs_in(tmp_path / "copy.db")) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backup", "bequest.db"], "found that it is the database itself"),
        (["backup", "nowhere/copy.db"], "found No such file or directory"),
        (["backup", "copy.db", "--db", "missing.db"], "found no database there"),
        (["backup"], "Missing argument"),
    ],
)
def test_backup_that_cannot_be_made_is_an_error(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """It says why in one line, exits with 2, and leaves no file."""
    before = sorted(tmp_path.iterdir())

    code, out, err = run(capsys, *words)

    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
    assert [path for path in sorted(tmp_path.iterdir()) if path.suffix == ".db"] == [
        path for path in before if path.suffix == ".db"
    ]


# Prune


def test_prune_deletes_by_state_and_age(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What completed is gone with all below it, what failed stays, for nothing was said of it."""
    code, out, _ = run(capsys, "prune", "--completed", "7d")

    assert (code, out) == (0, "pruned 3 jobs\n")
    assert jobs_in(database) == ["job failed", "later pending"]


def test_prune_of_a_kind_leaves_the_others(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a kind, only jobs of that kind go; of a run the parent's kind counts."""
    run(capsys, "prune", "--completed", "1s", "--failed", "1s", "--kind", "job", "--kind", "page")

    assert jobs_in(database) == ["crawl completed", "later pending"]


def test_dry_run_only_says_what_would_go(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts by kind and state, reads beside an owner, and deletes nothing."""
    store = Store.open(database, clock=ManualClock())

    code, out, _ = run(capsys, "prune", "--completed", "7d", "--failed", "7d", "--dry-run")
    _, as_json, _ = run(capsys, "prune", "--completed", "7d", "--dry-run", "--json")
    _, nothing, err = run(capsys, "prune", "--cancelled", "7d", "--dry-run")

    store.close()
    assert (code, out) == (0, "crawl completed: 1, 3 jobs with all below them\njob failed: 1\n")
    assert objects(as_json) == [{"kind": "crawl", "state": "completed", "runs": 1, "jobs": 3}]
    assert (nothing, err) == ("", "nothing would be pruned\n")
    assert len(jobs_in(database)) == 3


def test_prune_archives(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is deleted is in the archive, line by line."""
    code, out, _ = run(capsys, "prune", "--completed", "7d", "--archive", "old.jsonl")

    lines = objects((tmp_path / "old.jsonl").read_text("utf-8"))
    assert (code, out) == (0, "pruned 3 jobs, archived in old.jsonl\n")
    assert [line["job"]["kind"] for line in lines] == ["crawl", "page", "page"]
    assert [len(line["logs"]) for line in lines] == [0, 4, 4]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to delete: --completed, --failed or --cancelled"),
        (["--completed", "7 days"], "'7 days' is no age; write a number and one of s, m, h, d, w"),
        (["--completed", "-1d"], "'-1d' is no age"),
        (["--failed", "7d", "--archive", "nowhere/old.jsonl"], "found No such file or directory"),
        (["--failed", "7d", "--archive", "letter.txt"], "found a file of another kind"),
        (["--failed", "7d", "--db", "missing.db"], "found no database there"),
    ],
)
def test_prune_that_makes_no_sense_deletes_nothing(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """It says why in one line, and exits with 2."""
    (tmp_path / "letter.txt").write_text("Dear all")

    code, out, err = run(capsys, "prune", *words)

    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
    assert len(jobs_in(database)) == 3
    assert (tmp_path / "letter.txt").read_text() == "Dear all"


def test_prune_beside_an_owner_is_refused(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes, so it needs the database to itself, and says who has it."""
    store = Store.open(database, clock=ManualClock())

    code, _, err = run(capsys, "prune", "--completed", "7d")

    store.close()
    assert code == 2
    assert "found it owned by process" in " ".join(err.split())


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0.0), ("90S", 90.0), ("1.5h", 5_400.0), (" 7d ", 604_800.0), ("2w", 1_209_600.0)]
)
def test_age_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    """Small or capital letters, whole or not."""
    assert Age().convert(text, None, None) == seconds


# Integrity


def test_sound_database_is_said_to_be(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing on stdout, a word on stderr, and 0; with and without what takes longest, and beside an owner."""
    store = Store.open(database, clock=ManualClock())

    found = run(capsys, "integrity"), run(capsys, "integrity", "--quick"), run(capsys, "integrity", "--json")

    store.close()
    assert set(found) == {(0, "", "bequest.db: no fault found\n")}


def test_fault_is_told_and_exits_with_one(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault is a line with the check that found it, or an object."""
    store = Store.open(database, clock=ManualClock())
    with store.group():
        store._database.run("UPDATE tally SET completed = 7")
    store.close()

    code, out, err = run(capsys, "integrity")
    _, as_json, _ = run(capsys, "integrity", "--json")

    assert (code, out) == (1, "I13: job 1 has other children than its tally counts\n")
    assert "1 fault; stop what uses it, keep a copy, and restore a backup" in " ".join(err.split())
    assert objects(as_json) == [{"check": "I13", "message": "job 1 has other children than its tally counts"}]


# Logs


def test_logs_can_be_read_by_level_and_from_a_number_on(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The number of the last line read is the cursor to those that came later."""
    _, whole, _ = run(capsys, "logs", "1", "--json")
    _, text, _ = run(capsys, "logs", "1", "--level", "warning")
    last = objects(whole)[5]["number"]
    _, rest, _ = run(capsys, "logs", "1", "--after", str(last), "--json")

    assert [line["level"] for line in objects(whole)] == [*LEVELS, *LEVELS]
    assert [line.split()[1] for line in text.splitlines()] == ["WARNING", "ERROR"] * 2
    assert objects(rest) == objects(whole)[6:]


def test_level_that_is_none_is_refused(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names those that there are."""
    code, _, err = run(capsys, "logs", "1", "--level", "LOUD")

    assert code == 2
    assert "'DEBUG', 'INFO', 'WARNING', 'ERROR'" in " ".join(err.split()).upper()
