"""A manager whose database fails: who is in doubt is told so, nobody waits for good, and it goes on when it can."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from actor_rig import PATIENCE_S, Hand, Hold, ManagerRig, Watch, answer_of, read

from bequest.actors.address import Address
from bequest.actors.asking import Ask, Reply
from bequest.actors.control_messages import RetryJob
from bequest.actors.manager import RETRY_S, ManagerActor, Tick
from bequest.actors.messages import (
    AddJobLog,
    CancelRun,
    ClaimJobs,
    CreateJob,
    GetJob,
    Request,
    SpawnChildren,
    UpdateJobMetadata,
    UpdateJobStatus,
)
from bequest.actors.standing_messages import Assigned, AwaitSettled, WantJobs
from bequest.engine.errors import CommitInDoubtError, EngineError, EngineStoppedError, StoreError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, LogEntry, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

pytest_plugins = ["manager_fixtures"]
CREATE = CreateJob(job=NewJob(kind="page"))
PARENT = CreateJob(job=NewJob(kind="crawl", state=State.WAITING))


class FailToCommit(Request, frozen=True, kw_only=True):
    """Makes the COMMIT of its group fail for real: a deferred foreign key is looked at only then."""

    gone: Path | None = None  # move the database there first, so that it cannot be opened again

    def apply(self, store: Store) -> None:
        """Break it."""
        database = store._database
        database.run("PRAGMA defer_foreign_keys=ON")
        database.run("INSERT INTO job_log (job_id, at, level, message, fields_json) VALUES (99, 1, 'INFO', '', '')")
        if self.gone is not None:
            self.gone.with_name("jobs.db").rename(self.gone)


class LoseAll(Request, frozen=True, kw_only=True):
    """Undoes its whole group, as SQLite does by itself when the disk is full."""

    def apply(self, store: Store) -> None:
        """Undo it, and be told so."""
        store._database._connection.execute("ROLLBACK")
        store.jobs.create([NewJob(kind="page")])


class ExitInTheMiddle(Request, frozen=True, kw_only=True):
    """Raises what nobody expects of a message, after it has written."""

    def apply(self, store: Store) -> None:
        """Write, and exit."""
        store.jobs.create([NewJob(kind="page")])
        raise SystemExit


class DoubtfulStore(Store):
    """A store whose next group fails when it is told to: undone, or written all the same."""

    fails_with: StoreError | None = None

    @contextmanager
    def group(self) -> Iterator[None]:
        """Run the block as one transaction, and fail."""
        error, self.fails_with = self.fails_with, None
        with super().group():
            yield
            if error is not None and not isinstance(error, CommitInDoubtError):
                raise error
        if error is not None:
            raise error


@pytest.fixture
def doubtful(tmp_path: Path, clock: ManualClock) -> Iterator[DoubtfulStore]:
    """Give a store that fails when it is told to."""
    opened = DoubtfulStore.open(tmp_path / "doubtful.db", clock=clock)
    assert isinstance(opened, DoubtfulStore)
    yield opened
    opened.close()


# A commit in doubt


def test_commit_that_fails_is_in_doubt_for_the_whole_group(rig: ManagerRig) -> None:
    """Everybody whose message was in the group is told that it may be stored or not, reads and refusals too."""
    answers = rig.ask_as_one_group(CREATE, GetJob(job_id=1), FailToCommit(), GetJob(job_id=99))

    assert [type(answer) for answer in answers] == [CommitInDoubtError] * 4


def test_manager_goes_on_after_a_commit_in_doubt(rig: ManagerRig) -> None:
    """The next group is stored, over a database that was opened again."""
    rig.ask_as_one_group(CREATE, FailToCommit())

    assert rig.ask(CREATE).job_id == 1
    assert rig.ask(GetJob(job_id=1)).kind == "page"


def test_manager_goes_on_when_the_database_could_be_opened_only_later(rig: ManagerRig, tmp_path: Path) -> None:
    """While the file is gone each call is refused, as by a database; when it is back all goes on as before."""
    rig.ask(CREATE)
    elsewhere = tmp_path / "elsewhere.db"

    in_doubt = answer_of(rig.address.ask_later(FailToCommit(gone=elsewhere)))
    refused = [answer_of(rig.address.ask_later(GetJob(job_id=1))) for _ in range(2)]
    elsewhere.rename(tmp_path / "jobs.db")

    assert isinstance(in_doubt, CommitInDoubtError)
    assert all("asked to open the database again" in str(error) for error in refused)
    assert rig.ask(GetJob(job_id=1)).id == 1
    assert rig.watch.errors == []


def test_commit_in_doubt_is_looked_after_without_a_further_call(rig: ManagerRig, clock: ManualClock) -> None:
    """The manager has itself woken soon after, for what the commit may have done (I9)."""
    rig.ask_as_one_group(FailToCommit())
    rig.address.tell(Tick())
    rig.ask(AddJobLog(entries=()))

    assert clock.now() + RETRY_S in rig.wakes


def test_waiter_learns_of_a_commit_that_happened_in_doubt(doubtful: DoubtfulStore) -> None:
    """Who waits for the end of a job is answered although the commit that ended it was reported as failed (I9, I18)."""
    with ManagerRig(doubtful) as rig:
        rig.ask(CREATE)
        waiter = rig.address.ask_later(AwaitSettled(job_id=1))
        rig.ask(GetJob(job_id=1))
        doubtful.fails_with = CommitInDoubtError()
        in_doubt = answer_of(rig.address.ask_later(UpdateJobStatus(job_id=1, state=State.CANCELLED)))

        rig.address.tell(Tick())

        assert isinstance(in_doubt, CommitInDoubtError)
        assert answer_of(waiter).state is State.CANCELLED


def test_key_makes_a_retry_after_doubt_safe(doubtful: DoubtfulStore) -> None:
    """What is repeated under its key after a doubt is the job that was stored all the same (I11)."""
    with ManagerRig(doubtful) as rig:
        keyed = CreateJob(job=NewJob(kind="page", key="once"))
        doubtful.fails_with = CommitInDoubtError()
        answer_of(rig.address.ask_later(keyed))

        assert not rig.ask(keyed).is_new


@pytest.mark.parametrize("error", [CommitInDoubtError(), StoreError("disk full")], ids=["written", "undone"])
def test_worker_whose_group_failed_is_served_at_the_next_tick(
    doubtful: DoubtfulStore, tmp_path: Path, clock: ManualClock, hand: Hand, error: StoreError
) -> None:
    """A worker holds no future, so what it told is done again; a result that was stored is not stored twice (I4)."""
    with ManagerRig(doubtful) as rig:
        rig.ask(PARENT)
        rig.ask(SpawnChildren(parent_id=1, jobs=(NewJob(kind="page"), NewJob(kind="page")), seal=True))
        rig.address.tell(hand.want())
        (lease,) = hand.assigned()
        done = Completion(
            job_id=lease.job_id,
            token=lease.token,
            state=State.COMPLETED,
            logs=(LogEntry(job_id=lease.job_id, at=1.0, level="INFO", message="done"),),
        )
        let_go = rig.hold()
        rig.address.tell(hand.want(done))
        neighbour = rig.address.ask_later(GetJob(job_id=1))
        doubtful.fails_with = error
        let_go()
        answer_of(neighbour)
        was_idle = hand.is_idle()

        rig.address.tell(Tick())
        (assigned,) = hand.assigned()

        assert was_idle
        assert clock.now() + RETRY_S in rig.wakes
        assert rig.ask(GetJob(job_id=lease.job_id)).state is State.COMPLETED
        assert (assigned.job_id, assigned.attempts) == (lease.job_id + 1, 1)
        logs = read(tmp_path / "doubtful.db", clock, lambda queries: queries.logs(1))
        assert len(logs) == 1


def test_group_that_was_undone_leaves_nothing(doubtful: DoubtfulStore) -> None:
    """When a group fails before its commit nothing of it is stored, and each sender gets the database's error (I12)."""
    with ManagerRig(doubtful) as rig:
        let_go = rig.hold()
        doubtful.fails_with = StoreError("disk full")
        replies = [rig.address.ask_later(message) for message in (CREATE, CREATE)]
        let_go()

        assert [str(answer_of(reply)) for reply in replies] == ["disk full"] * 2
        assert rig.ask(CREATE).job_id == 1


@pytest.mark.parametrize("fault", [FailToCommit(), LoseAll()], ids=["in doubt", "undone"])
def test_failed_group_is_told_to_nobody(rig: ManagerRig, fault: Request) -> None:
    """Events are facts: neither what was undone nor what may have been done is one, and no worker loses a job by it."""
    rig.ask(CREATE)
    rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=60.0))
    rig.moves.clear()

    rig.ask_as_one_group(CREATE, CancelRun(job_id=1), fault)
    rig.ask(GetJob(job_id=1))

    assert (rig.moves, rig.lost) == ([], [])


def test_failed_group_names_no_parents(rig: ManagerRig) -> None:
    """What the last good group told of parents is not told again by one that failed."""
    rig.ask_as_one_group(PARENT, SpawnChildren(parent_id=1, jobs=(), seal=True))
    answer_of(rig.address.ask_later(FailToCommit()))
    rig.ask(GetJob(job_id=1))

    assert rig.settled == [1]


def test_failed_group_wakes_nobody_for_nothing(doubtful: DoubtfulStore) -> None:
    """Where no worker has to be served again an ordinary failure is over with its answer."""
    with ManagerRig(doubtful) as rig:
        doubtful.fails_with = StoreError("disk full")
        answer_of(rig.address.ask_later(CREATE))

    assert set(rig.wakes) == {float("inf")}


# A crash


def test_crash_in_the_middle_of_a_group_leaves_nothing_and_nobody_waiting(
    store: Store, tmp_path: Path, clock: ManualClock, hand: Hand
) -> None:
    """When the manager itself dies its group is undone, and all that waited is told so: asks and workers (I18)."""
    rig = ManagerRig(store)
    rig.ask(PARENT)
    parked = rig.address.ask_later(AwaitSettled(job_id=1))
    rig.address.tell(hand.want())
    let_go = rig.hold()
    in_group = [rig.address.ask_later(message) for message in (CREATE, ExitInTheMiddle(), CREATE)]
    rig.address.tell(hand.want())
    last = rig.address.ask_later(GetJob(job_id=1))

    let_go()

    assert isinstance(rig.watch.wait_for_crash(), SystemExit)
    answers = [answer_of(reply) for reply in (*in_group, parked)]
    assert [type(answer) for answer in answers] == [EngineStoppedError] * 4
    assert type(answer_of(last)) is EngineError
    assert [hand.assigned() for _ in range(2)] == [(), ()]
    assert read(tmp_path / "jobs.db", clock, lambda queries: len(queries.jobs())) == 1
    rig.watch.join()


def test_what_lies_behind_a_crash_is_turned_away(store: Store, hand: Hand) -> None:
    """Messages that a dying manager never came to are refused, and their workers ask again of the next one."""
    rig = ManagerRig(store)
    let_go = rig.hold()
    replies = []
    for number in range(600):  # more than a group takes
        rig.address.tell(ExitInTheMiddle() if number == 0 else hand.want())
        replies.append(rig.address.ask_later(GetJob(job_id=1)))

    let_go()
    rig.watch.join()

    assert {type(answer_of(reply)) for reply in replies} <= {EngineStoppedError, EngineError}
    assert [hand.assigned() for _ in range(599)] == [()] * 599


def test_next_manager_goes_on_over_the_same_store(store: Store) -> None:
    """A crash leaves the store as it was after the last commit, open and usable."""
    rig = ManagerRig(store)
    rig.ask(CREATE)
    rig.address.tell(ExitInTheMiddle())
    rig.watch.join()

    with ManagerRig(store) as successor:
        assert successor.ask(CREATE).job_id == 2


def test_crash_does_not_tell_a_sender_twice(store: Store) -> None:
    """The message in hand is answered once, with the crash, and the end of the actor passes over it."""
    rig = ManagerRig(store)
    reply = Reply()

    rig.address.tell(Ask(ExitInTheMiddle(), reply))

    assert "ManagerActor crashed on this call (SystemExit)" in str(answer_of(reply))
    rig.watch.join()


def test_callback_that_fails_keeps_no_answer_back(store: Store) -> None:
    """What is durable is answered before anything else is told, whatever becomes of that."""
    rig = ManagerRig(store)

    def fail(_at: float) -> None:
        raise RuntimeError("the alarm is broken")

    broken = ManagerActor.start(rig.watch, store, wake_at=fail, on_ripe=lambda _: None)
    reply = Reply()
    broken.tell(Ask(CREATE, reply))

    assert answer_of(reply).job_id == 1
    assert isinstance(rig.watch.wait_for_crash(), RuntimeError)
    rig.stop()


def test_job_that_is_lost_and_assigned_anew_is_lost_first(store: Store) -> None:
    """Where one group cancels it, brings it back and gives it out, its worker would else lose the new lease."""
    told: list[object] = []

    class Ear:
        """A worker that notes what it is told, at once."""

        is_alive = staticmethod(lambda: True)
        tell = staticmethod(told.append)

    watch = Watch()
    ref = ManagerActor.start(watch, store, wake_at=lambda _: None, on_ripe=lambda _: None, on_lost=told.append)
    address = Address("manager")
    address.point_to(ref)
    want = WantJobs(worker=Ear(), queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=60.0)  # type: ignore[arg-type]
    address.ask(CREATE)
    address.tell(want)
    address.ask(GetJob(job_id=1))
    told.clear()
    held = Hold(is_held=threading.Event(), may_go=threading.Event())
    address.tell(held)
    assert held.is_held.wait(PATIENCE_S)

    for message in (CancelRun(job_id=1), RetryJob(job_id=1), want):
        address.tell(message)
    held.may_go.set()
    address.ask(GetJob(job_id=1))
    ref.stop(timeout=PATIENCE_S)
    watch.join()

    assert [type(one) for one in told[:2]] == [frozenset, Assigned]


# A result that cannot be stored


def test_result_that_cannot_be_stored_fails_its_job_and_keeps_its_worker(
    rig: ManagerRig, hand: Hand, clock: ManualClock
) -> None:
    """A job whose result is refused for its own sake ends as failed, and its worker gets the next one."""
    rig.ask_as_one_group(CREATE, CREATE)
    rig.address.tell(hand.want())
    (lease,) = hand.assigned()
    unwritable = LogEntry(job_id=1, at=1.0, level="INFO", message="odd", fields={"odd": {1, 2}})
    poison = Completion(job_id=1, token=lease.token, state=State.COMPLETED, logs=(unwritable,))

    rig.address.tell(hand.want(poison))
    rig.ask(UpdateJobMetadata(job_id=2, metadata={}))
    woken_at = rig.wakes[-1]
    rig.address.tell(Tick())

    (assigned,) = hand.assigned()
    failed = rig.ask(GetJob(job_id=1))
    assert assigned.job_id == 2
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == (
        "not_storable",
        "what the attempt left cannot be stored: MetadataError",
    )
    assert woken_at == clock.now() + RETRY_S
