"""The reader: it sees what was committed, writes nothing, and a bad question is its asker's alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from actor_rig import ManagerRig, answer_of

from bequest.actors.address import Address
from bequest.actors.messages import AddJobLog, CreateJob, GetJob
from bequest.actors.query_messages import ListDocuments, ListFailureCauses, ListJobs, ListLogs, Query
from bequest.actors.reader import ReaderActor
from bequest.engine.errors import EngineError, StoreError
from bequest.engine.queries import Queries
from bequest.engine.records import LogEntry, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


class Write(Query, frozen=True, kw_only=True):
    """Tries to write through the reader's connection."""

    def read(self, queries: Queries) -> Any:
        """Write."""
        return queries._database.run("DELETE FROM job")


class Broken(Query, frozen=True, kw_only=True):
    """Has a bug."""

    def read(self, queries: Queries) -> Any:
        """Fail."""
        raise ZeroDivisionError


class Exits(Query, frozen=True, kw_only=True):
    """Asks the program to end."""

    def read(self, queries: Queries) -> Any:
        """Exit."""
        raise SystemExit


@pytest.fixture
def manager(store: Store) -> Iterator[ManagerRig]:
    """Give a manager over the same file."""
    with ManagerRig(store) as started:
        yield started


@pytest.fixture
def reader(manager: ManagerRig, tmp_path: Path, clock: ManualClock) -> Iterator[Address]:
    """Give a reader beside it."""
    address = Address("reader")
    ref = ReaderActor.start(manager.watch, str(tmp_path / "jobs.db"), clock)
    address.point_to(ref)
    yield address
    ref.stop()


def test_reader_sees_what_was_acknowledged(manager: ManagerRig, reader: Address) -> None:
    """What the manager has answered for is there for the reader's next question."""
    seen = []

    for _ in range(3):
        manager.ask(CreateJob(job=NewJob(kind="page")))
        seen.append([view.job.id for view in reader.ask(ListJobs())])

    assert seen == [[1], [1, 2], [1, 2, 3]]


@pytest.mark.parametrize(
    "query",
    [
        ListJobs(),
        ListJobs(state=State.PENDING, after_id=1, limit=1),
        ListJobs(parent_id=1),
        ListDocuments(parent_id=1),
        ListFailureCauses(parent_id=1),
        ListLogs(job_id=1),
        ListLogs(job_id=1, after_id=1, limit=1),
    ],
    ids=lambda query: type(query).__name__,
)
def test_reader_and_manager_give_one_answer(manager: ManagerRig, reader: Address, query: Query) -> None:
    """Where the database is in memory the manager answers, with the very same."""
    for _ in range(3):
        manager.ask(CreateJob(job=NewJob(kind="page")))
    lines = tuple(LogEntry(job_id=1, at=1.0, level="INFO", message=message) for message in ("one", "two"))
    manager.ask(AddJobLog(entries=lines))

    assert reader.ask(query) == manager.ask(query)


def test_reader_cannot_write(manager: ManagerRig, reader: Address) -> None:
    """Its connection refuses, the asker is told, and the next question is answered."""
    manager.ask(CreateJob(job=NewJob(kind="page")))

    with pytest.raises(StoreError, match=r"ReadOnly|readonly"):
        reader.ask(Write())

    assert len(reader.ask(ListJobs())) == 1


@pytest.mark.parametrize("message", [GetJob(job_id=1), "hello"])
def test_reader_refuses_what_is_no_query(reader: Address, message: object) -> None:
    """Only what reads over any connection is answered; the rest is the manager's."""
    reader.tell(message)

    assert isinstance(answer_of(reader.ask_later(message)), EngineError)
    assert reader.ask(ListJobs()) == []


@pytest.mark.parametrize("query", [Broken(), ListJobs(state="bogus")], ids=["bug", "value"])  # type: ignore[arg-type]
def test_query_that_fails_unexpectedly_costs_nobody_the_reader(
    manager: ManagerRig, reader: Address, query: Query
) -> None:
    """The manager would answer the same; a wrong value in a program is not to bring its engine down."""
    errors = [answer_of(whose.ask_later(query)) for whose in (reader, manager.address)]

    assert [type(error) for error in errors] == [EngineError] * 2
    assert str(errors[0]) == str(errors[1])
    assert reader.ask(ListJobs()) == []
    assert manager.watch.errors == []


def test_query_that_ends_the_program_is_told_to_the_supervisor(manager: ManagerRig, reader: Address) -> None:
    """It ends the reader alone, its asker is told, and its connection is closed with it."""
    error = answer_of(reader.ask_later(Exits()))

    assert "ReaderActor crashed on this call (SystemExit)" in str(error)
    assert isinstance(manager.watch.wait_for_crash(), SystemExit)


def test_reader_of_a_file_that_is_not_there_is_not_started(
    manager: ManagerRig, tmp_path: Path, clock: ManualClock
) -> None:
    """The error is for whoever starts it, and no file is made."""
    with pytest.raises(StoreError, match="found no database there"):
        ReaderActor.start(manager.watch, str(tmp_path / "none.db"), clock)

    assert not (tmp_path / "none.db").exists()
