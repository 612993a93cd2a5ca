"""Housekeeping as a program asks for it: prune, archive, back up, examine, read logs, while the engine works on."""

from __future__ import annotations

import json
import logging
import queue
import resource
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bequest import Credential, Engine, Key, Secret, State
from bequest.actors import housekeeping_messages, reader, system
from bequest.actors.housekeeper import EVERY_S, LookAround
from bequest.actors.housekeeping_messages import CheckIntegrity, CutWal, PruneJobs
from bequest.actors.job_context import JobContext
from bequest.actors.kinds import Kind
from bequest.actors.query_messages import Query
from bequest.engine import database
from bequest.engine.backup_file import BackupProgress
from bequest.engine.cookies import Cookie
from bequest.engine.database_file import open_reader
from bequest.engine.errors import (
    ArchiveError,
    BackupError,
    DeadlineError,
    EngineStoppedError,
    JobFailedError,
    JobNotFoundError,
    LogLevelError,
    RetentionError,
    SealError,
    StoreError,
    TransitionError,
)
from bequest.engine.events import JobMoved
from bequest.engine.queries import Queries
from bequest.engine.read_deadline import PATIENT_READ_S
from bequest.engine.retention import DAY_S, Keep, Retention
from bequest.engine.retries import Retry
from bequest.testing.manual_clock import ManualClock

PATIENCE_S = 20.0
ALL = Retention(completed_s=0.0, failed_s=0.0, cancelled_s=0.0)
ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


class Program:
    """An engine with a few kinds."""

    def __init__(self, path: Path | str, **options: Any) -> None:
        self.engine = Engine(path, **options)
        once = Retry(max_attempts=1)

        @self.engine.kind("leaf", retry=once)
        def leaf(job: JobContext, config: int) -> int:
            job.log("leaf ran", number=config)
            job.log("leaf has a doubt", level="WARNING")
            return config

        @self.engine.kind("tree", retry=once)
        def tree(job: JobContext, config: int) -> None:
            job.log("tree ran", level="DEBUG")
            for number in range(config):
                job.spawn(leaf, number)

        @self.engine.kind("loud", retry=once)
        def loud(job: JobContext) -> None:
            job.log("too loud", level="LOUD")

        self.leaf: Kind[Any, Any] = leaf
        self.tree: Kind[Any, Any] = tree
        self.loud: Kind[Any, Any] = loud

    def grow(self, trees: int, leaves: int) -> list[int]:
        """Have trees grow, and return their numbers once they have."""
        handles = self.engine.enqueue_many(self.tree, [leaves] * trees)
        for handle in handles:
            assert handle.wait(PATIENCE_S) is State.COMPLETED
        return [handle.id for handle in handles]


@pytest.fixture
def program(tmp_path: Path, clock: ManualClock) -> Iterator[Program]:
    """Give a program whose engine runs."""
    made = Program(tmp_path / "jobs.db", clock=clock)
    with made.engine:
        yield made


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Give the place of an archive."""
    return tmp_path / "old.jsonl"


def lines_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


# Pruning


def test_prune_deletes_what_is_over_and_nothing_else(program: Program, clock: ManualClock) -> None:
    """Runs go whole and are counted with all below them; what is younger stays; all invariants hold afterwards."""
    old = program.grow(3, 4)
    clock.advance(100.0)
    young = program.grow(1, 2)
    retention = Retention(completed_s=50.0)
    expected = sum(found.jobs for found in program.engine.prunable(retention))

    pruned = program.engine.prune(retention)

    assert pruned == expected == 15
    assert [view.job.id for view in program.engine.jobs()] == young
    assert program.engine.integrity() == []
    with pytest.raises(JobNotFoundError):
        program.engine.find_job(old[0]).job()


def test_prune_is_told_as_events(program: Program) -> None:
    """Who listens hears of each job that it has gone, its root first."""
    (root,) = program.grow(1, 2)
    with program.engine.events() as events:
        program.engine.prune(ALL)
        found = [events.get(PATIENCE_S) for _ in range(3)]

    assert [(event.old, event.new) for event in found if isinstance(event, JobMoved)] == [(State.COMPLETED, None)] * 3
    assert isinstance(found[0], JobMoved)
    assert found[0].job_id == root


def test_prune_takes_small_steps(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction takes more than a bounded number of jobs, and between two of them others are served."""
    monkeypatch.setattr(housekeeping_messages, "LEAVING_AT_ONCE", 3)
    program.grow(4, 5)
    taken: list[int] = []
    apply = PruneJobs.apply

    def noted(self: PruneJobs, store: Any) -> int:
        taken.append(apply(self, store))
        return taken[-1]

    monkeypatch.setattr(PruneJobs, "apply", noted)
    assert program.engine.prune(ALL) == 24
    assert max(taken) == 3
    assert len(taken) >= 9


def test_prune_by_a_kinds_own_rule(program: Program) -> None:
    """A kind that is to be kept is."""
    program.grow(1, 1)
    program.engine.enqueue(program.leaf, 1).wait(PATIENCE_S)

    program.engine.prune(Retention(completed_s=0.0, kinds={"leaf": Keep(completed_s=DAY_S)}))

    assert [view.job.kind for view in program.engine.jobs()] == ["leaf"]


def test_prune_writes_the_archive_first(program: Program, archive: Path) -> None:
    """Each job that is gone is a line of the archive, with its result, its errors and its log."""
    (root,) = program.grow(1, 2)
    failed = program.engine.enqueue(program.loud)
    failed.wait(PATIENCE_S)

    program.engine.prune(Retention(completed_s=0.0, failed_s=0.0, archive=str(archive)))

    lines = {line["job_id"]: line for line in lines_in(archive)}
    assert len(lines) == 4
    assert lines[root]["job"]["kind"] == "tree"
    assert {line["job"]["result"] for line in lines.values() if line["job"]["parent_id"] == root} == {0, 1}
    assert [entry["message"] for entry in lines[root]["logs"]] == ["tree ran"]
    assert [error["error"]["type"] for error in lines[failed.id]["errors"]] == ["LogLevelError"]
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def test_archive_holds_no_secret(tmp_path: Path, archive: Path) -> None:
    """Of a credential nothing but its name is in it, and nothing of the key (I16)."""
    key = Key.generate()
    program = Program(tmp_path / "jobs.db", key=lambda: key)
    cookie = Cookie(name="sid", value=Secret("canary-of-a-cookie"), domain="h.example", host_only=True)
    with program.engine as engine:
        engine.credentials.put(Credential(auth_id="wiki", sites=("h.example",), cookies=(cookie,)))
        job = engine.enqueue(program.leaf, 1, metadata={"auth_id": "wiki"})
        job.wait(PATIENCE_S)

        engine.prune(Retention(completed_s=0.0, archive=str(archive)))

    text = archive.read_text("utf-8")
    assert '"auth_id":"wiki"' in text
    assert "canary" not in text
    assert key.encode() not in text


def test_archive_that_cannot_be_written_prunes_nothing(program: Program, tmp_path: Path) -> None:
    """A bad path is an error before anything has left."""
    program.grow(2, 2)

    with pytest.raises(ArchiveError, match="found No such file or directory"):
        program.engine.prune(Retention(completed_s=0.0, archive=str(tmp_path / "nowhere" / "old.jsonl")))

    assert len(program.engine.jobs()) == 2
    assert program.engine.integrity() == []


def test_archive_that_fails_on_the_way_loses_nothing(
    program: Program, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had left when the disk was full is still in the database, and goes to the archive with the next pruning."""
    program.grow(3, 2)
    archive.touch()
    monkeypatch.setattr(housekeeping_messages, "LEAVING_AT_ONCE", 2)
    retention = Retention(completed_s=0.0, archive=str(archive))

    def full(*_: object) -> None:
        raise ArchiveError("full")

    with monkeypatch.context() as patched:
        patched.setattr("bequest.actors.pruner.append", full)
        with pytest.raises(ArchiveError):
            program.engine.prune(retention)
    program.engine.prune(Retention())

    assert sorted(line["job"]["kind"] for line in lines_in(archive)) == ["leaf"] * 4 + ["tree"] * 2
    assert program.engine.integrity() == []


def test_run_can_be_archived_by_its_number(program: Program, archive: Path) -> None:
    """It goes with all below it, whenever it ended, and the others stay."""
    first, second = program.grow(2, 2)

    program.engine.archive(archive, second)

    assert [line["job"]["root_id"] or line["job_id"] for line in lines_in(archive)] == [second] * 3
    assert [view.job.id for view in program.engine.jobs()] == [first]


def test_archive_refuses_what_is_no_run_that_has_ended(program: Program, archive: Path) -> None:
    """A page, a job that goes on and a number that is none are errors, and nothing is written."""
    (root,) = program.grow(1, 1)
    (leaf,) = program.engine.jobs(parent_id=root)
    later = program.engine.enqueue(program.leaf, 1, delay_s=60.0)

    with pytest.raises(TransitionError, match="is a part of run"):
        program.engine.archive(archive, leaf.job.id)
    with pytest.raises(TransitionError, match="found it pending"):
        program.engine.archive(archive, later.id)
    with pytest.raises(JobNotFoundError):
        program.engine.archive(archive, 99)

    assert archive.read_bytes() == b""


def test_housekeeping_of_an_engine_in_memory(archive: Path) -> None:
    """All of it works where there is no file."""
    program = Program(":memory:")
    with program.engine as engine:
        program.grow(1, 2)

        assert engine.integrity() == []
        assert engine.prune(Retention(completed_s=0.0, archive=str(archive))) == 3
        assert engine.jobs() == []
    assert len(lines_in(archive)) == 3


# By itself


class Heard(logging.Handler):
    """Waits for what the engine's housekeeper says to the program's log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._said: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self._said.put(record)

    def next(self) -> tuple[str, Any]:
        """Return the next sentence, and of how many jobs it is."""
        record = self._said.get(timeout=PATIENCE_S)
        return record.getMessage(), getattr(record, "jobs", None)


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listen to the housekeeper."""
    handler = Heard()
    logger = logging.getLogger("bequest.actors.housekeeper")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_engine_prunes_by_itself(tmp_path: Path, clock: ManualClock, archive: Path, heard: Heard) -> None:
    """From the start on, and again when some minutes have passed, what is over goes to the archive."""
    program = Program(tmp_path / "jobs.db", clock=clock)
    with program.engine:
        program.grow(2, 2)
    clock.advance(100.0)
    again = Program(tmp_path / "jobs.db", clock=clock, retention=Retention(completed_s=50.0, archive=str(archive)))

    with again.engine as engine:
        first = heard.next()
        again.grow(1, 1)
        engine._housekeeper.tell(LookAround())  # too early
        clock.advance(EVERY_S)
        engine._housekeeper.tell(LookAround())
        second = heard.next()

    assert (first, second) == (("jobs pruned", 6), ("jobs pruned", 2))
    assert len(lines_in(archive)) == 8


def test_engine_that_cannot_archive_says_so_and_tries_again(
    tmp_path: Path, clock: ManualClock, archive: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends a round with an error in the program's log, and the next round goes on where that one ended."""
    program = Program(tmp_path / "jobs.db", clock=clock)
    with program.engine:
        program.grow(1, 2)
    again = Program(tmp_path / "jobs.db", clock=clock, retention=Retention(completed_s=0.0, archive=str(archive)))

    def full(*_: object) -> None:
        raise ArchiveError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("bequest.actors.pruner.append", full)
        again.engine.start()
        failed = heard.next(), heard.next()
    with again.engine as engine:
        clock.advance(EVERY_S)
        engine._housekeeper.tell(LookAround())
        pruned = heard.next()

    assert failed == (("pruning stopped; it is tried again later", None), ("jobs pruned", 1))
    assert pruned == ("jobs pruned", 2)
    assert len(lines_in(archive)) == 3


def test_retention_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """A wrong number is an error where it is written."""
    with pytest.raises(RetentionError):
        Engine(tmp_path / "jobs.db", retention=Retention(completed_s=-1.0))

    assert list(tmp_path.iterdir()) == []


def test_engine_whose_archive_cannot_be_written_does_not_start(tmp_path: Path) -> None:
    """It would prune into nothing; so it says so at once, and leaves no thread."""
    before = threading.active_count()

    with pytest.raises(ArchiveError):
        Engine(tmp_path / "jobs.db", retention=Retention(archive=str(tmp_path / "nowhere" / "old.jsonl"))).start()

    assert threading.active_count() == before


# Backups


def jobs_in(file: Path, clock: ManualClock) -> int:
    """Return how many jobs a backup has, and find it whole."""
    with Engine(file, clock=clock, resume=False) as engine:
        assert engine.integrity() == []
        return sum(counted.jobs.total for counted in engine.stats())


def test_backup_has_what_is_written_while_it_is_made(program: Program, tmp_path: Path, clock: ManualClock) -> None:
    """A job that is made between two steps is acknowledged at once, and is in the backup."""
    program.grow(1, 2)
    program.engine.enqueue_many(program.leaf, [1] * 20_000, delay_s=1_000.0)
    steps: list[BackupProgress] = []

    def write_on(progress: BackupProgress) -> None:
        steps.append(progress)
        if not progress.is_complete:
            program.engine.enqueue(program.leaf, 2, delay_s=1_000.0)

    found = program.engine.backup(tmp_path / "copy.db", on_progress=write_on)

    assert steps[-1] == found
    assert found.is_complete
    assert len(steps) > 1
    assert jobs_in(tmp_path / "copy.db", clock) == 20_003 + len(steps) - 1


def test_backup_says_how_far_it_is_while_it_is_made(program: Program, tmp_path: Path) -> None:
    """Anybody who asks for the engine's health sees it, and nothing before and after."""
    seen: list[Any] = [program.engine.health().backup]

    found = program.engine.backup(
        tmp_path / "copy.db", on_progress=lambda _: seen.append(program.engine.health().backup)
    )

    assert [*seen, program.engine.health().backup] == [None, found, None]


def test_second_backup_at_once_is_refused(program: Program, tmp_path: Path) -> None:
    """One at a time: the second says so, and the first comes to its end."""
    refused: list[BaseException] = []

    def begin_another(_: BackupProgress) -> None:
        with pytest.raises(BackupError, match="found another backup under way; wait for its end") as caught:
            program.engine.backup(tmp_path / "second.db")
        refused.append(caught.value)

    program.engine.backup(tmp_path / "first.db", on_progress=begin_another)

    assert len(refused) >= 1
    assert sorted(file.name for file in tmp_path.glob("*.db*")) == [
        "first.db",
        "jobs.db",
        "jobs.db-shm",
        "jobs.db-wal",
        "jobs.db.lock",
    ]


def test_interrupted_backup_leaves_nothing_and_is_in_nobodys_way(program: Program, tmp_path: Path) -> None:
    """After an error on the way there is no file, and the next backup is whole."""

    def interrupt(_: BackupProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program.engine.backup(tmp_path / "copy.db", on_progress=interrupt)

    assert list(tmp_path.glob("copy*")) == []
    assert program.engine.backup(tmp_path / "copy.db").is_complete


def test_backup_to_a_full_disk_is_an_error_and_the_engine_goes_on(program: Program, tmp_path: Path) -> None:
    """The error names the disk, there is no file, and jobs are made and done as before."""
    program.engine.enqueue_many(program.leaf, [1] * 20_000, delay_s=1_000.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        with pytest.raises(BackupError, match="check that disk and its space"):
            program.engine.backup(tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert list(tmp_path.glob("copy*")) == []
    assert program.engine.enqueue(program.leaf, 7).result(PATIENCE_S) == 7
    assert program.engine.backup(tmp_path / "copy.db").is_complete


def test_backup_of_an_engine_that_stops_on_the_way_is_an_error(program: Program, tmp_path: Path) -> None:
    """The backup ends with its engine, and leaves nothing."""
    program.engine.enqueue_many(program.leaf, [1] * 20_000, delay_s=1_000.0)

    with pytest.raises(EngineStoppedError):
        program.engine.backup(tmp_path / "copy.db", on_progress=lambda _: program.engine.stop())

    assert list(tmp_path.glob("copy*")) == []


def test_backup_of_a_database_in_memory(tmp_path: Path, clock: ManualClock) -> None:
    """What lives in memory gets a file of its own."""
    program = Program(":memory:", clock=clock)
    with program.engine as engine:
        program.grow(1, 2)
        engine.backup(tmp_path / "copy.db")

    assert jobs_in(tmp_path / "copy.db", clock) == 3


def test_backup_opens_with_the_key_of_its_database(tmp_path: Path) -> None:
    """A stored session in a backup can be opened by who has the key, and by nobody else (I16)."""
    key = Key.generate()
    cookie = Cookie(name="sid", value=Secret("canary"), domain="h.example", host_only=True)
    with Engine(tmp_path / "jobs.db", key=lambda: key) as engine:
        engine.credentials.put(Credential(auth_id="wiki", sites=("h.example",), cookies=(cookie,)))
        engine.backup(tmp_path / "copy.db")

    assert b"canary" not in (tmp_path / "copy.db").read_bytes()
    with Engine(tmp_path / "copy.db", key=lambda: key) as engine:
        credential = engine.credentials.get("wiki")
    assert credential is not None


def test_backup_from_before_a_rotation_opens_with_the_former_key_alone(tmp_path: Path) -> None:
    """It is sealed as it was made: the new key is refused with what to do, and with the former one behind it opens."""
    former, newest = Key.generate(), Key.generate()
    cookie = Cookie(name="sid", value=Secret("canary"), domain="h.example", host_only=True)
    credential = Credential(auth_id="wiki", sites=("h.example",), cookies=(cookie,))
    keys = [former]
    with Engine(tmp_path / "jobs.db", key=lambda: keys[-1]) as engine:
        engine.credentials.put(credential)
        engine.backup(tmp_path / "before.db")
        keys.append(Key(newest.reveal(), former=[former]))
        engine.credentials.rotate()
        engine.backup(tmp_path / "after.db")

    with Engine(tmp_path / "before.db", key=lambda: newest) as engine:
        with pytest.raises(SealError, match=rf"sealed with key {former.id}.*\(for a backup that of its time\)"):
            engine.credentials.get("wiki")
    with Engine(tmp_path / "before.db", key=lambda: Key(newest.reveal(), former=[former])) as engine:
        opened = engine.credentials.get("wiki")
    with Engine(tmp_path / "after.db", key=lambda: newest) as engine:
        assert engine.credentials.get("wiki") == opened == credential
    assert b"canary" not in (tmp_path / "before.db").read_bytes() + (tmp_path / "after.db").read_bytes()


# Examining


def test_integrity_finds_what_was_broken_behind_the_engine(program: Program) -> None:
    """It reads beside the engine what the engine has committed."""
    program.grow(1, 1)
    store = program.engine._store
    assert store is not None
    with store.group():
        store._database.run("UPDATE stat SET completed = completed + 1 WHERE kind = 'tree'")

    found = program.engine.integrity(is_quick=True)

    assert [finding.check for finding in found] == ["I13"]


def test_integrity_has_a_deadline(program: Program, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An examination that takes too long ends, and with it its view of the file."""

    def for_ever(_self: CheckIntegrity, queries: Queries) -> Any:
        clock.advance(11.0)
        return queries._database.rows(ENDLESS)

    monkeypatch.setattr(CheckIntegrity, "read", for_ever)
    with pytest.raises(DeadlineError, match="no end after 10 s"):
        program.engine.integrity(timeout_s=10.0)


# Logs


def test_logs_are_those_of_the_whole_tree(program: Program) -> None:
    """One order, levels and a cursor, as it is asked of the engine."""
    (root,) = program.grow(1, 2)

    lines = program.engine.logs(root)
    warnings = program.engine.logs(root, level="WARNING", limit=1)
    rest = program.engine.logs(root, level="WARNING", after=warnings[-1].number)

    assert [line.number for line in lines] == sorted(line.number for line in lines)
    assert [line.entry.message for line in lines].count("leaf ran") == 2
    assert lines[0].entry.message == "tree ran"
    assert [line.entry.message for line in (*warnings, *rest)] == ["leaf has a doubt"] * 2
    assert [line.entry for line in lines] == program.engine.find_job(root).logs()


def test_long_log_of_a_handle_is_whole(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for page by page, and no line is lost or twice at the edges."""
    monkeypatch.setattr("bequest.actors.query_messages.PAGE_OF_LOGS", 3)
    (root,) = program.grow(1, 4)

    assert program.engine.find_job(root).logs() == [line.entry for line in program.engine.logs(root)]
    assert len(program.engine.find_job(root).logs()) == 9


def test_log_of_a_job_that_is_not_there_is_an_error(program: Program) -> None:
    """No lines would look as if there were none."""
    with pytest.raises(JobNotFoundError):
        program.engine.logs(99)


def test_level_that_is_none_is_refused_for_reading_and_writing(program: Program) -> None:
    """Whoever asks is told, and a handler that logs with it fails its own job by name."""
    job = program.engine.enqueue(program.loud)

    with pytest.raises(LogLevelError, match="asked for the log level 'LOUD'"):
        program.engine.logs(job.id, level="LOUD")
    with pytest.raises(JobFailedError, match="LogLevelError"):
        job.result(PATIENCE_S)


# The reader's deadlines and the WAL


class ReadForEver(Query, frozen=True, kw_only=True):
    """A query that never ends by itself; it says when it has its view of the file."""

    began: threading.Event

    def read(self, queries: Queries) -> Any:
        """Read on."""
        queries._database.run("BEGIN")
        try:
            queries._database.rows("SELECT count(*) FROM job")
            self.began.set()
            return queries._database.rows(ENDLESS)
        finally:
            queries._database.run("ROLLBACK")


def wal_of(tmp_path: Path) -> int:
    return (tmp_path / "jobs.db-wal").stat().st_size


def test_stuck_query_ends_and_the_wal_is_cut_short(program: Program, tmp_path: Path, clock: ManualClock) -> None:
    """A query ends at its deadline with an error of its own; the reader answers others, and the WAL shrinks again."""
    began = threading.Event()
    reply = program.engine._reader.ask_later(ReadForEver(began=began))
    assert began.wait(PATIENCE_S)
    program.engine.enqueue_many(program.leaf, [1] * 5_000, delay_s=1_000.0)
    grown = wal_of(tmp_path)

    clock.advance(reader.QUERY_DEADLINE_S)

    with pytest.raises(DeadlineError, match="no end after 30 s"):
        reply.get(timeout=PATIENCE_S)
    assert len(program.engine.jobs(limit=10)) == 10
    program.engine.stop()
    assert grown > 400_000
    assert not (tmp_path / "jobs.db-wal").exists()


def test_wal_over_its_bound_is_told_and_ends_a_long_query(
    program: Program,
    tmp_path: Path,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The bound holds against a reader in this process: long before its deadline it gives way, and health is well."""
    monkeypatch.setattr(database, "WAL_BOUND_BYTES", 200_000)
    monkeypatch.setattr(system, "WAL_BOUND_BYTES", 200_000)
    began = threading.Event()
    reply = program.engine._reader.ask_later(ReadForEver(began=began))
    assert began.wait(PATIENCE_S)
    with caplog.at_level(logging.WARNING):
        program.engine.enqueue_many(program.leaf, [1] * 5_000, delay_s=1_000.0)
        program.engine.stats()
    over = program.engine.health().wal_bytes

    clock.advance(PATIENT_READ_S)

    with pytest.raises(DeadlineError, match="write-ahead log is over its bound"):
        reply.get(timeout=PATIENCE_S)
    program.engine.enqueue(program.leaf, 1, delay_s=1_000.0)
    program.engine.stats()
    assert over is not None
    assert over > 200_000
    assert program.engine.health().wal_bytes is None
    assert wal_of(tmp_path) < 200_000
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("the write-ahead log is over its bound: somebody reads an old state of the file") == 1


class HoldView(Query, frozen=True, kw_only=True):
    """A query that keeps its view of the file until it may go; it notes how large the WAL was when it began."""

    began: threading.Event
    may_go: threading.Event
    wal: Path

    def read(self, queries: Queries) -> int:
        """Keep it."""
        size = self.wal.stat().st_size
        queries._database.run("BEGIN")
        try:
            queries._database.rows("SELECT count(*) FROM job")
            self.began.set()
            assert self.may_go.wait(PATIENCE_S)
            return size
        finally:
            queries._database.run("ROLLBACK")


def test_wal_is_cut_short_between_queries_that_leave_no_gap(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one short query follows the other none alone is in the way, and together they would be for ever."""
    monkeypatch.setattr(database, "WAL_BOUND_BYTES", 200_000)
    queries = [
        HoldView(began=threading.Event(), may_go=threading.Event(), wal=tmp_path / "jobs.db-wal") for _ in range(3)
    ]
    replies = [program.engine._reader.ask_later(query) for query in queries]
    grown = []

    for query in queries:
        assert query.began.wait(PATIENCE_S)
        program.engine.enqueue_many(program.leaf, [1] * 5_000, delay_s=1_000.0)
        program.engine.stats()
        grown.append(wal_of(tmp_path))
        query.may_go.set()

    sizes = [reply.get(timeout=PATIENCE_S) for reply in replies]
    assert min(grown) > 200_000
    assert sizes[1:] == [0, 0]


def test_query_is_answered_though_the_wal_cannot_be_cut(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To cut the WAL is care for the disk and no condition of an answer."""
    monkeypatch.setattr(database, "WAL_BOUND_BYTES", 0)

    def fail(*_: object) -> None:
        raise StoreError("no")

    program.engine.enqueue(program.leaf, 1, delay_s=1_000.0)
    monkeypatch.setattr(CutWal, "apply", fail)

    assert len(program.engine.jobs()) == 1
    assert program.engine.health().restarts == 0


def test_reader_of_another_process_is_told_of(
    program: Program, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a reader that is not ours nothing can be done but to say so; it costs disk and no write."""
    monkeypatch.setattr(database, "WAL_BOUND_BYTES", 200_000)
    monkeypatch.setattr(system, "WAL_BOUND_BYTES", 200_000)
    other = open_reader(str(tmp_path / "jobs.db"), clock=clock)
    other.run("BEGIN")
    other.rows("SELECT count(*) FROM job")

    program.engine.enqueue_many(program.leaf, [1] * 5_000, delay_s=1_000.0)

    wal_bytes = program.engine.health().wal_bytes
    other.close()
    program.engine.enqueue(program.leaf, 1, delay_s=1_000.0)
    program.engine.stats()
    assert wal_bytes is not None
    assert program.engine.health().wal_bytes is None
    assert len(program.engine.jobs(limit=10_000)) == 5_001


def test_no_thread_is_left(tmp_path: Path) -> None:
    """The housekeeper ends with its engine."""
    before = threading.active_count()

    with Engine(tmp_path / "jobs.db", retention=ALL):
        pass

    assert threading.active_count() == before
