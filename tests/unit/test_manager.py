"""The manager's groups: acknowledged means durable (I1), a failure harms no neighbour (I12), and order is kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import pykka
import pytest
from actor_rig import PATIENCE_S, Hand, ManagerRig, answer_of, read

from bequest.actors.asking import Ask, Reply
from bequest.actors.manager import GROUP_LIMIT
from bequest.actors.messages import (
    AddJobLog,
    ClaimJobs,
    CompleteJobs,
    CreateAlike,
    CreateJob,
    GetJob,
    Request,
    UpdateJobMetadata,
)
from bequest.actors.standing_messages import AwaitSettled
from bequest.engine.clock import Clock
from bequest.engine.errors import (
    BequestError,
    EngineError,
    EngineStoppedError,
    InvalidJobError,
    JobNotFoundError,
    MetadataError,
    StoreError,
    TransitionError,
)
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, LogEntry, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

pytest_plugins = ["manager_fixtures"]
JOB = NewJob(kind="noop")
CREATE = CreateJob(job=JOB)


class Witness(Reply):
    """A reply that looks into the file, through a connection of its own, at the moment that it is set."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__()
        self.path = path
        self.clock = clock
        self.saw: list[int] = []

    def set(self, value: Any = None) -> None:
        """Look, then be set."""
        self._look()
        super().set(value)

    def set_exception(self, exc_info: Any = None) -> None:
        """Look, then be set."""
        self._look()
        super().set_exception(exc_info)

    def _look(self) -> None:
        self.saw = read(self.path, self.clock, lambda queries: [view.job.id for view in queries.jobs()])


class WriteThenFail(Request, frozen=True, kw_only=True):
    """Makes a job, and then raises."""

    error: BaseException

    def apply(self, store: Store) -> None:
        """Do it."""
        store.jobs.create([JOB])
        raise self.error


class PlaceInGroup(Request, frozen=True, kw_only=True):
    """Replies how many of its kind came before it in the same transaction."""

    def apply(self, store: Store) -> int:
        """Count, by what the group's own note of changes holds."""
        before = len(store.changes.jobs)
        store.changes.jobs.add(-1 - before)
        return before


class Coalesced(Request, frozen=True, kw_only=True):
    """Replies how many neighbours were done together."""

    is_coalesced: ClassVar[bool] = True

    def apply(self, store: Store) -> int:
        """Be alone."""
        return 1

    @classmethod
    def apply_all(cls, store: Store, messages: Any) -> list[int]:
        """Count."""
        return [len(messages)] * len(messages)


def job_ids(path: Path, clock: Clock) -> list[int]:
    return read(path, clock, lambda queries: [view.job.id for view in queries.jobs()])


# Durable before it is acknowledged


@pytest.mark.parametrize(
    "message",
    [
        CREATE,
        GetJob(job_id=1),
        UpdateJobMetadata(job_id=1, metadata={"a": 1}),
        GetJob(job_id=99),
        UpdateJobMetadata(job_id=1, metadata={"a": {1}}),
        WriteThenFail(error=TransitionError()),
    ],
    ids=["write", "read", "update", "refused read", "refused update", "undone write"],
)
def test_reply_comes_when_its_group_is_durable(
    rig: ManagerRig, tmp_path: Path, clock: ManualClock, message: Request
) -> None:
    """When a reply is set, of a read or a refusal too, all that its group wrote is seen from outside (I1)."""
    witness = Witness(tmp_path / "jobs.db", clock)
    let_go = rig.hold()
    rig.address.tell(CREATE)
    rig.address.tell(Ask(message, witness))
    rig.address.tell(CREATE)

    let_go()
    answer_of(witness)

    assert {1, 2} <= set(witness.saw)


def test_group_takes_what_waits_in_one_transaction(rig: ManagerRig) -> None:
    """All that waits behind a message is done with it, up to the limit of a group."""
    places = rig.ask_as_one_group(*[PlaceInGroup() for _ in range(GROUP_LIMIT + 88)])

    assert places == [*range(GROUP_LIMIT), *range(88)]


# A message that fails, fails alone


@pytest.mark.parametrize(
    ("error", "answered"),
    [
        (TransitionError("not so"), "not so"),
        (StoreError("the database refused it"), "the database refused it"),
        (ValueError("a bug"), "WriteThenFail failed unexpectedly: ValueError"),
    ],
)
def test_message_that_fails_is_undone_alone(
    rig: ManagerRig, tmp_path: Path, clock: ManualClock, error: Exception, answered: str
) -> None:
    """What a message wrote before it failed is gone, its sender is told why, and its neighbours are kept (I12)."""
    first, failed, last = rig.ask_as_one_group(CREATE, WriteThenFail(error=error), CREATE)

    assert str(failed) == answered
    assert job_ids(tmp_path / "jobs.db", clock) == [first.job_id, last.job_id]


def test_coalesced_message_that_fails_is_undone_alone(rig: ManagerRig, tmp_path: Path, clock: ManualClock) -> None:
    """Of neighbours that are done in one statement the bad ones alone are refused."""
    bad = CreateJob(job=NewJob(kind="noop", max_attempts=0))
    worse = CreateJob(job=NewJob(kind="noop", metadata={"a": b"x"}))

    first, invalid, unwritable, last = rig.ask_as_one_group(CREATE, bad, worse, CREATE)

    assert (type(invalid), type(unwritable)) == (InvalidJobError, MetadataError)
    assert job_ids(tmp_path / "jobs.db", clock) == [first.job_id, last.job_id]


def test_batch_that_fails_leaves_nothing_of_it(rig: ManagerRig, tmp_path: Path, clock: ManualClock) -> None:
    """One message with many jobs is all or nothing, while its neighbours are kept (I12)."""
    batch = CreateAlike(job=JOB, configs=({}, {"n": math.nan}, {}))

    kept, refused = rig.ask_as_one_group(CREATE, batch)

    assert isinstance(refused, MetadataError)
    assert job_ids(tmp_path / "jobs.db", clock) == [kept.job_id]


def test_refusal_that_wrote_nothing_costs_nobody_anything(rig: ManagerRig) -> None:
    """A read of what is not there is refused in its place, without the group being done again."""
    places = rig.ask_as_one_group(PlaceInGroup(), GetJob(job_id=7), PlaceInGroup())

    assert (places[0], type(places[1]), places[2]) == (0, JobNotFoundError, 1)


def test_stale_completions_among_neighbours_are_told_to_their_own_sender(rig: ManagerRig) -> None:
    """Each sender of coalesced completions learns of the leases that it lost, and of no other's."""
    stale = [
        CompleteJobs(completions=(Completion(job_id=number, token=9, state=State.COMPLETED),)) for number in (1, 2)
    ]

    assert rig.ask_as_one_group(CREATE, CREATE, *stale)[2:] == [[1], [2]]


# Order


def test_inbox_order_is_kept(rig: ManagerRig) -> None:
    """Each message sees exactly what was sent before it, also inside one group."""
    answers = rig.ask_as_one_group(
        GetJob(job_id=1),
        CREATE,
        UpdateJobMetadata(job_id=1, metadata={"a": 1, "b": 1}),
        UpdateJobMetadata(job_id=1, metadata={"a": 2}),
        GetJob(job_id=1),
        UpdateJobMetadata(job_id=1, metadata={"a": 3}),
    )

    assert isinstance(answers[0], JobNotFoundError)
    assert answers[4].metadata == {"a": 2, "b": 1}


def test_only_neighbours_coalesce(rig: ManagerRig) -> None:
    """Messages of one type are done together where nothing stands between them."""
    answers = rig.ask_as_one_group(Coalesced(), Coalesced(), GetJob(job_id=1), Coalesced())

    assert (answers[:2], answers[3]) == ([2, 2], 1)


def test_coalescing_overtakes_nobody(rig: ManagerRig, tmp_path: Path, clock: ManualClock) -> None:
    """A line for the log of a job that is made only after it is not brought behind the making."""
    line = AddJobLog(entries=(LogEntry(job_id=1, at=1.0, level="INFO", message="early"),))

    rig.ask_as_one_group(line, CREATE, line, CREATE)

    logs = read(tmp_path / "jobs.db", clock, lambda queries: queries.logs(1))
    assert len(logs) == 1


# What should not happen


def test_unexpected_error_is_logged_and_the_manager_lives(rig: ManagerRig, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in one message is told to its sender and written down with its cause; nobody else notices."""
    error = answer_of(rig.address.ask_later(WriteThenFail(error=ZeroDivisionError("a bug"))))

    assert type(error) is EngineError
    assert rig.ask(CREATE).is_new
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


def test_told_message_that_fails_is_logged(
    rig: ManagerRig, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nobody waits for an answer the failure is in the log, and neighbours are kept."""
    let_go = rig.hold()
    rig.address.tell(UpdateJobMetadata(job_id=7, metadata={}))
    rig.address.tell(CREATE)
    let_go()
    rig.ask(GetJob(job_id=1))

    assert [(record.message, record.__dict__["asked"]) for record in caplog.records] == [
        ("what was told to the manager failed", "UpdateJobMetadata")
    ]
    assert job_ids(tmp_path / "jobs.db", clock) == [1]


@pytest.mark.parametrize("message", [object(), "hello", None, {"command": "stop"}])
def test_message_that_is_no_request_harms_nothing(rig: ManagerRig, message: object) -> None:
    """What the manager does not know is refused where somebody waits, and else passed over."""
    rig.ref.tell(message)
    refused = answer_of(rig.address.ask_later(message))

    assert isinstance(refused, EngineError)
    assert rig.ask(CREATE).is_new


def test_answer_that_cannot_be_sent_stops_no_other(rig: ManagerRig, caplog: pytest.LogCaptureFixture) -> None:
    """A reply that somebody else has set already is noted, and those behind it are answered."""
    reply: pykka.Future[Any] = pykka.ThreadingFuture()
    reply.set("mine")
    let_go = rig.hold()
    rig.address.tell(Ask(CREATE, reply))
    behind = rig.address.ask_later(CREATE)

    let_go()

    assert answer_of(behind).job_id == 2
    assert [record.message for record in caplog.records] == ["an answer was not sent"]


def test_errors_keep_their_class_and_text(rig: ManagerRig) -> None:
    """A refusal reaches its sender as the very error that the store raised."""
    with pytest.raises(BequestError, match="asked for job 41, found none") as caught:
        rig.ask(GetJob(job_id=41))

    assert type(caught.value) is JobNotFoundError


# The stop


def test_stop_stores_what_came_before_it(rig: ManagerRig, tmp_path: Path, clock: ManualClock) -> None:
    """What lay in the inbox when the stop was asked for is done and answered."""
    let_go = rig.hold()
    before = [rig.address.ask_later(CREATE) for _ in range(3)]
    stopped = rig.ref.stop(block=False)

    let_go()

    assert stopped.get(timeout=PATIENCE_S)
    assert [answer_of(reply).job_id for reply in before] == [1, 2, 3]
    assert read(tmp_path / "jobs.db", clock, lambda queries: len(queries.jobs())) == 3


def test_stop_answers_what_waits_and_what_comes_after(
    rig: ManagerRig, hand: Hand, tmp_path: Path, clock: ManualClock
) -> None:
    """Who waits for a change, and who asks behind the stop, is told that there will be none (I18)."""
    rig.ask(CREATE)
    parked = rig.address.ask_later(AwaitSettled(job_id=1))
    let_go = rig.hold()
    stopped = rig.ref.stop(block=False)
    late = rig.address.ask_later(CREATE)
    rig.address.tell(CREATE)
    rig.address.tell(hand.want())

    let_go()

    assert stopped.get(timeout=PATIENCE_S)
    assert [type(answer_of(reply)) for reply in (parked, late)] == [EngineStoppedError] * 2
    assert hand.assigned() == ()
    assert read(tmp_path / "jobs.db", clock, lambda queries: len(queries.jobs())) == 1


def test_stop_gives_all_leases_back(rig: ManagerRig, hand: Hand, tmp_path: Path, clock: ManualClock) -> None:
    """After the stop nothing is running, the attempt that was cut short does not count, and no waiter gets the job."""
    rig.ask_as_one_group(CREATE, ClaimJobs(queue="default", terms=(KindTerms(kind="noop"),), limit=1, lease_s=60.0))
    rig.address.tell(hand.want(kind="noop"))

    rig.stop()

    job = read(tmp_path / "jobs.db", clock, lambda queries: queries.job(1).job)
    assert (job.state, job.attempts, job.token) == (State.PENDING, 0, 1)
    assert hand.assigned() == ()
