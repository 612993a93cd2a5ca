"""On what the manager does a message: in a group with others, in a loose one of its own, or between two of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pykka
import pytest

from bequest import BequestError, Engine, JobNotFoundError, StoreError
from bequest.actors.messages import CreateJob, Footing, Request
from bequest.engine.records import NewJob
from bequest.engine.store import Store

PATIENCE_S = 20.0


class Hold(Request, frozen=True, kw_only=True):
    """Keeps the manager busy, so that what is sent meanwhile comes to lie behind it."""

    is_held: threading.Event
    may_go: threading.Event

    def apply(self, store: Store) -> None:
        """Wait."""
        self.is_held.set()
        assert self.may_go.wait(PATIENCE_S)


class Look(Request, frozen=True, kw_only=True):
    """Reply whether foreign keys are in force, whether there is a transaction, and how many jobs there are in it."""

    def apply(self, store: Store) -> tuple[bool, bool, int]:
        """Look."""
        database = store._database
        ((keys,),), ((jobs,),) = database.rows("PRAGMA foreign_keys"), database.rows("SELECT count(*) FROM job")
        return bool(keys), database._connection.in_transaction, jobs


class LookLoose(Look, frozen=True, kw_only=True):
    """The same, in a loose group."""

    footing: ClassVar[Footing] = Footing.LOOSE


class LookBetween(Look, frozen=True, kw_only=True):
    """The same, in no transaction."""

    footing: ClassVar[Footing] = Footing.NONE


class Fail(Request, frozen=True, kw_only=True):
    """Writes something and fails with an error."""

    error: BaseException

    def apply(self, store: Store) -> None:
        """Fail."""
        store.jobs.create([NewJob(kind="half")])
        raise self.error


class FailLoose(Fail, frozen=True, kw_only=True):
    """The same, in a loose group."""

    footing: ClassVar[Footing] = Footing.LOOSE


class FailBetween(Fail, frozen=True, kw_only=True):
    """Fails in no transaction, with nothing written."""

    footing: ClassVar[Footing] = Footing.NONE

    def apply(self, store: Store) -> None:
        """Fail."""
        raise self.error


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an engine that runs."""
    with Engine(tmp_path / "jobs.db") as started:
        yield started


def ask_at_once(engine: Engine, *messages: Request) -> list[Any]:
    """Send *messages* while the manager is busy, and return each one's answer or error."""
    held = Hold(is_held=threading.Event(), may_go=threading.Event())
    engine.manager.tell(held)
    assert held.is_held.wait(PATIENCE_S)
    replies = [engine.manager.ask_later(message) for message in messages]
    held.may_go.set()
    return [answer_of(reply) for reply in replies]


def answer_of(reply: pykka.Future[Any]) -> Any:
    try:
        return reply.get(timeout=PATIENCE_S)
    except BequestError as error:
        return error


def test_message_is_done_on_its_footing_and_in_its_turn(engine: Engine) -> None:
    """What comes before a message that is done alone is committed before it, and what comes after it after."""
    create = CreateJob(job=NewJob(kind="page"))

    found = ask_at_once(engine, create, Look(), LookLoose(), create, LookBetween(), create, Look())

    assert [answer for answer in found if isinstance(answer, tuple)] == [
        (True, True, 1),
        (False, True, 1),
        (True, False, 2),
        (True, True, 3),
    ]


@pytest.mark.parametrize(
    "error", [JobNotFoundError(), StoreError(), KeyError("unexpected")], ids=lambda one: type(one).__name__
)
@pytest.mark.parametrize("failing", [FailLoose, FailBetween])
def test_message_that_fails_alone_harms_no_other(engine: Engine, failing: type[Fail], error: BaseException) -> None:
    """Its sender gets an error, nothing of it is left, and keys are in force for whoever comes next."""
    create = CreateJob(job=NewJob(kind="page"))

    found = ask_at_once(engine, create, failing(error=error), create, Look())

    assert isinstance(found[1], BequestError)
    assert found[3] == (True, True, 2)
    assert engine.health().restarts == 0
