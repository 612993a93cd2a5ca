"""The claim: what starts next, in which order, in turns and within every limit; and who is told when more may start."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import pytest
from store_rig import LEASE_S, Worker, get, make, parent, spawn, states, work

from bequest.actors.messages import FallDue
from bequest.engine import due_lanes
from bequest.engine.database import Row, Value
from bequest.engine.limits import KindTerms, Rate
from bequest.engine.pauses import Pause, PauseScope
from bequest.engine.records import LeaseRef, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


def partitions(store: Store, job_ids: list[int]) -> str:
    """Return the partitions of jobs, in the order of their names."""
    return "".join(sorted(get(store, job_id).partition for job_id in job_ids))


# What starts


def test_claimed_job_runs_under_a_lease_with_a_new_token(store: Store, clock: ManualClock) -> None:
    """The lease has all that running takes; the attempt is counted (I3, I5)."""
    job_id = make(store, config={"n": 1}, metadata={"a": "b"}, timeout_s=5.0, max_attempts=3)
    worker = Worker(store)

    worker.take()

    lease, job = worker.leases[job_id], get(store, job_id)
    assert (lease.kind, lease.config, lease.metadata, lease.timeout_s) == ("work", {"n": 1}, {"a": "b"}, 5.0)
    assert (lease.token, lease.attempts, lease.max_attempts) == (job.token, 1, 3) == (1, job.attempts, 3)
    assert (job.state, job.lease_until, job.started_at) == (State.RUNNING, clock.now() + LEASE_S, clock.now())
    assert lease.lease_until == job.lease_until


def test_claim_takes_due_jobs_of_its_queue_and_kinds_alone(store: Store, clock: ManualClock) -> None:
    """Another queue's, another kind's and later ones stay where they are."""
    due = make(store)
    others = [make(store, queue="other"), make(store, "mail"), make(store, run_at=clock.now() + 1.0)]

    assert Worker(store).take() == [due]
    assert states(store, *others) == [State.PENDING] * 3


def test_job_is_claimed_from_its_time_on(store: Store, clock: ManualClock) -> None:
    """That instant included, with no other word than the claim."""
    job_id = make(store, run_at=clock.now() + 5.0)
    worker = Worker(store)

    early = worker.take()
    clock.advance(5.0)

    assert (early, worker.take()) == ([], [job_id])


def test_claim_takes_the_highest_priority_first_then_the_oldest(store: Store) -> None:
    """Whatever their kinds."""
    low, high, low_too, high_too = (
        make(store, kind, priority=priority) for kind, priority in (("work", 0), ("flow", 5), ("flow", 0), ("work", 5))
    )
    worker = Worker(store)

    assert [worker.take(1) for _ in range(4)] == [[high], [high_too], [low], [low_too]]


def test_claim_of_several_is_in_their_order(store: Store) -> None:
    """The worker begins with the first."""
    low, high = make(store), make(store, priority=1)

    assert Worker(store).take() == [high, low]


@pytest.mark.parametrize("limit", [0, -1])
def test_claim_of_nothing_takes_nothing(store: Store, limit: int) -> None:
    """A worker that is busy wants no job."""
    make(store)

    assert Worker(store).take(limit) == []


def test_claim_without_kinds_takes_nothing(store: Store) -> None:
    """A worker that knows no handler can run nothing."""
    make(store)

    with store.group():
        assert store.claims.claim("default", [], 5, LEASE_S) == []


def test_claim_of_more_kinds_than_sqlite_joins_at_once(store: Store) -> None:
    """Hundreds of kinds with due jobs in one lane are claimed like one, by priority."""
    kinds = [f"kind {number}" for number in range(900)]
    with store.group():
        store.jobs.create([NewJob(kind=kind, priority=number) for number, kind in enumerate(kinds)])
    worker = Worker(store, *kinds)

    taken = worker.take(3)

    assert [worker.leases[job_id].kind for job_id in taken] == ["kind 899", "kind 898", "kind 897"]


def test_claim_wakes_when_the_lease_ends(store: Store, clock: ManualClock) -> None:
    """So that what is not ended by then is."""
    make(store)

    with store.group():
        store.claims.claim("default", [KindTerms(kind="work")], 1, LEASE_S)
        wake_at = store.changes.wake_at

    assert wake_at == clock.now() + LEASE_S


# In turns


def test_lanes_share_a_claim_evenly(store: Store) -> None:
    """A partition with a thousand jobs leaves the others their places."""
    for partition in "aaaaaaaabbcc":
        make(store, partition=partition)

    taken = Worker(store).take(6)

    assert partitions(store, taken) == "aabbcc"


def in_order(store: Store, job_ids: list[int]) -> str:
    """Return the partitions of jobs, in the jobs' order."""
    return "".join(get(store, job_id).partition for job_id in job_ids)


def test_jobs_of_one_claim_take_turns(store: Store) -> None:
    """They are run in this order, so a lane with many jobs does not keep the others waiting until it is through."""
    for partition in "aaaabbbbcc":
        make(store, partition=partition)

    assert in_order(store, Worker(store).take(10)) == "abcabcabab"


def test_turns_within_a_claim_begin_after_the_lane_that_was_last(store: Store) -> None:
    """Claim by claim they go on where they ended."""
    for partition in "abc" * 4:
        make(store, partition=partition)
    worker = Worker(store)

    served = ""
    for limit in (1, 4, 5, 2):
        taken = worker.take(limit)
        worker.end(*taken)
        served += in_order(store, taken)

    assert served == "abc" * 4


def test_turns_keep_each_lanes_priorities_and_ages(store: Store) -> None:
    """Within a lane the highest priority is first, then the oldest, whatever its kind."""
    plan = [("a", "work", 0), ("b", "flow", 0), ("a", "flow", 5), ("b", "work", 5), ("a", "work", 5), ("a", "flow", -1)]
    jobs = [make(store, kind, partition=partition, priority=priority) for partition, kind, priority in plan]

    taken = Worker(store).take()

    assert [jobs.index(job_id) for job_id in taken] == [2, 3, 4, 1, 0, 5]


def test_children_of_two_parents_take_turns_in_one_claim(store: Store) -> None:
    """And the partitions of each, within its concurrency."""
    first = parent(store, *[work(partition=one) for one in "ppqq"], child_concurrency=3)
    second = parent(store, *[work() for _ in range(3)])

    taken = Worker(store).take()

    assert [[*first, *second].index(job_id) for job_id in taken] == [1, 3, 6, 2, 7, 8]


@pytest.mark.parametrize("lanes", [2, 40])
def test_claim_asks_sqlite_as_often_for_many_lanes_as_for_two(
    store: Store, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question may wait for the interpreter's lock, so there are no more of them with more lanes."""
    for number in range(lanes * 3):
        make(store, partition=f"p{number % lanes}")
    worker = Worker(store)
    asked: list[str] = []
    rows = store._database.rows

    def counted(sql: str, values: Iterable[Value] = ()) -> list[Row]:
        asked.append(sql)
        return rows(sql, values)

    monkeypatch.setattr(store._database, "rows", counted)

    assert len(worker.take(lanes * 3)) == lanes * 3

    assert len(asked) <= 9


def test_turns_leave_out_a_paused_run_and_a_kind_at_its_limit(store: Store) -> None:
    """What may start of the other lanes takes the places."""
    paused = make(store, partition="a")
    for partition in "aabbcc":
        make(store, partition=partition)
        make(store, "mail", partition=partition)
    with store.group():
        store.control.pause(Pause(scope=PauseScope.RUN, name=str(paused)))
    worker = Worker(store, "work", KindTerms(kind="mail", concurrency=2))

    taken = worker.take()

    assert in_order(store, taken) == "abcabcab"
    assert Counter(get(store, one).kind for one in taken) == {"work": 6, "mail": 2}


def test_places_that_a_lane_has_no_use_for_go_to_the_others(store: Store) -> None:
    """No place stays empty while something is due."""
    for partition in "abbbbb":
        make(store, partition=partition)

    assert Counter(partitions(store, Worker(store).take(5))) == {"a": 1, "b": 4}


def test_lane_with_fewer_running_jobs_goes_first(store: Store) -> None:
    """Those with long jobs wait for theirs."""
    for partition in "aaaabbbb":
        make(store, partition=partition)
    worker = Worker(store)
    first = worker.take(2)

    worker.end(next(job_id for job_id in first if get(store, job_id).partition == "a"))

    assert partitions(store, worker.take(1)) == "a"


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_lanes_take_turns_when_jobs_are_short(store: Store, limit: int) -> None:
    """A worker that ends what it takes serves all of them in turn, never one more than once ahead of another."""
    for partition in "aaaabbbbcccc":
        make(store, partition=partition)
    worker = Worker(store)
    served = Counter(dict.fromkeys("abc", 0))

    while taken := worker.take(limit):
        served.update(partitions(store, taken))
        worker.end(*taken)
        assert max(served.values()) - min(served.values()) <= 1

    assert served == Counter("aaaabbbbcccc")


def test_turns_of_a_queue_are_its_own(store: Store) -> None:
    """What runs in one queue does not keep a lane waiting in another."""
    parent_id, *_ = parent(store, *[work(queue="quick") for _ in range(4)])
    for _ in range(3):
        make(store, queue="slow")
        make(store, queue="quick")
    Worker(store, queue="slow").take()
    worker = Worker(store, queue="quick")

    lanes = []
    for _ in range(6):
        (job_id,) = worker.take(1)
        lanes.append(get(store, job_id).parent_id)
        worker.end(job_id)

    assert lanes == [None, parent_id] * 3


def test_turns_go_round_also_among_more_lanes_than_are_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one of many partitions is served once before any is served again."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 2)
    names = "abcdefg"
    for partition in names * 2:
        make(store, partition=partition)
    worker = Worker(store)

    served = ""
    while taken := worker.take(1):
        served += partitions(store, taken)
        worker.end(*taken)

    assert served == names * 2


def test_claim_looks_further_when_the_first_lanes_may_start_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lanes whose limits are met hide none behind them."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 2)
    terms = KindTerms(kind="work", partition_concurrency=1)
    for partition in "aabbccdd":
        make(store, partition=partition)
    worker = Worker(store, terms)

    assert partitions(store, worker.take(9)) == "abcd"
    assert worker.take(9) == []


def test_claim_goes_round_again_while_places_are_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once all of many lanes had their turn, in vain or not, one that may start more has another."""
    monkeypatch.setattr(due_lanes, "LANES_AT_ONCE", 2)
    for partition in "abbbbbb":
        make(store, partition=partition)
    for partition in "cdefghij":
        make(store, "mail", partition=partition)
        make(store, "mail", partition=partition, queue="other")
    Worker(store, "mail", queue="other").take()
    worker = Worker(store, "work", KindTerms(kind="mail", partition_concurrency=1))

    assert in_order(store, worker.take(5)) == "abbbb"


def test_claim_looks_at_no_lane_of_a_kind_at_its_limit(store: Store) -> None:
    """However many there are; a place that comes free is told."""
    for partition in "bcdef":
        make(store, "mail", partition=partition)
    for _ in range(3):
        make(store, partition="a")
    make(store, "mail", queue="other")
    elsewhere = Worker(store, "mail", queue="other")
    (running,) = elsewhere.take()
    worker = Worker(store, "work", KindTerms(kind="mail", concurrency=1))

    assert partitions(store, worker.take(2)) == "aa"
    elsewhere.end(running)

    assert store.changes.has_due_work
    assert partitions(store, worker.take()) == "ab"


# Within limits


def test_children_run_within_their_parents_concurrency(store: Store) -> None:
    """Over all partitions and claims; one that ends makes room for one."""
    _, *children = parent(store, *[work(partition=one) for one in "pqpq"], child_concurrency=3)
    worker = Worker(store)

    first, second = worker.take(2), worker.take(9)
    worker.end(first[0])

    assert (len(first), len(second)) == (2, 1)
    assert len(worker.take(9)) == 1
    assert len(children) == 4


def test_concurrency_of_a_kind_holds_over_queues_and_claims(store: Store) -> None:
    """As many run at once as it says, wherever."""
    terms = KindTerms(kind="work", concurrency=3)
    for queue in ("default", "other") * 3:
        make(store, queue=queue)

    taken = [Worker(store, terms, queue=queue).take() for queue in ("default", "other")]

    assert [len(jobs) for jobs in taken] == [3, 0]


def test_concurrency_of_a_partition_leaves_the_others_alone(store: Store) -> None:
    """Each partition of the kind has its own."""
    terms = KindTerms(kind="work", partition_concurrency=1)
    for partition in "aab":
        make(store, partition=partition)

    assert partitions(store, Worker(store, terms).take()) == "ab"


def test_kind_that_may_start_no_more_leaves_its_places_to_others(store: Store) -> None:
    """In the same lane and the same claim."""
    for kind in ("work", "work", "flow", "flow"):
        make(store, kind)
    worker = Worker(store, KindTerms(kind="work", concurrency=1), "flow")

    taken = worker.take()

    assert Counter(get(store, job_id).kind for job_id in taken) == {"work": 1, "flow": 2}


def test_rate_lets_through_what_the_bucket_has(store: Store, clock: ManualClock) -> None:
    """At most so many at once, and then as time passes."""
    for _ in range(9):
        make(store)
    worker = Worker(store, KindTerms(kind="work", rate=Rate(jobs=2, per_s=10.0)))

    taken = [len(worker.take())]
    for seconds in (4.0, 1.0, 5.0, 100.0):
        clock.advance(seconds)
        taken.append(len(worker.take()))

    assert taken == [2, 0, 1, 1, 2]


def test_rate_of_a_partition_is_its_own(store: Store) -> None:
    """Each partition has a bucket."""
    for partition in "aabb":
        make(store, partition=partition)

    taken = Worker(store, KindTerms(kind="work", partition_rate=Rate(jobs=1, per_s=60.0))).take()

    assert partitions(store, taken) == "ab"


def test_rate_outlives_a_restart(store: Store, clock: ManualClock) -> None:
    """The tokens are in the database."""
    for _ in range(9):
        make(store)
    terms = KindTerms(kind="work", rate=Rate(jobs=3, per_s=30.0))
    taken = Worker(store, terms).take()
    path = store._database._reopen_with
    assert path is not None
    store.close()

    again = Store.open(path[0], clock=clock)
    try:
        clock.advance(10.0)
        more = Worker(again, terms).take()
    finally:
        again.close()

    assert (len(taken), len(more)) == (3, 1)


def test_rate_goes_on_when_the_clock_was_set_back(store: Store, clock: ManualClock) -> None:
    """A bucket that was filled at a time which is to come fills from now on; else nothing starts until then."""
    for _ in range(9):
        make(store)
    worker = Worker(store, KindTerms(kind="work", rate=Rate(jobs=2, per_s=20.0)))
    worker.take()

    clock.jump(clock.now() - 86_400.0)
    taken = [len(worker.take())]
    for _ in range(2):
        clock.advance(10.0)
        taken.append(len(worker.take()))

    assert taken == [0, 1, 1]


def test_bucket_that_is_full_again_is_not_kept(store: Store, clock: ManualClock) -> None:
    """However many partitions come and go, the table holds those that were used of late."""
    terms = KindTerms(kind="work", partition_rate=Rate(jobs=1, per_s=60.0))
    worker = Worker(store, terms)
    for partition in "abc":
        make(store, partition=partition)
        worker.take()
        clock.advance(30.0)

    assert store._database.rows("SELECT name FROM bucket") == [
        ("kind work, partition b",),
        ("kind work, partition c",),
    ]


# What is paused


@pytest.mark.parametrize(
    ("pause", "is_held"),
    [
        (Pause(scope=PauseScope.ALL), True),
        (Pause(scope=PauseScope.QUEUE, name="default"), True),
        (Pause(scope=PauseScope.QUEUE, name="other"), False),
        (Pause(scope=PauseScope.KIND, name="work"), True),
        (Pause(scope=PauseScope.KIND, name="default"), False),
    ],
)
def test_paused_job_does_not_start(store: Store, pause: Pause, is_held: bool) -> None:
    """By queue, by kind, or all; once it is resumed it does."""
    job_id = make(store)
    worker = Worker(store)
    with store.group():
        store.control.pause(pause)

    held = worker.take() if is_held else []
    with store.group():
        store.control.resume(pause)

    assert (held, worker.take()) == ([], [job_id])


def test_only_job_there_is_may_be_the_root_of_a_paused_run(store: Store) -> None:
    """Then nothing starts."""
    job_id = make(store)
    with store.group():
        store.control.pause(Pause(scope=PauseScope.RUN, name=str(job_id)))

    assert Worker(store).take() == []


def test_paused_kind_leaves_the_others_running(store: Store) -> None:
    """The same queue goes on with what else it has."""
    make(store)
    other = make(store, "flow")
    with store.group():
        store.control.pause(Pause(scope=PauseScope.KIND, name="work"))

    assert Worker(store).take() == [other]


def test_paused_run_starts_nothing_at_any_depth(store: Store) -> None:
    """Neither its children, nor theirs, nor its own step; other runs go on."""
    root, child = parent(store, work(state=State.WAITING))
    (grandchild,) = spawn(store, child, work())
    alone, other = make(store), parent(store, work())[1]
    worker = Worker(store)
    with store.group():
        for job_id in (root, alone):
            store.control.pause(Pause(scope=PauseScope.RUN, name=str(job_id)))

    held = worker.take()
    with store.group():
        store.control.resume(Pause(scope=PauseScope.RUN, name=str(root)))

    assert (held, worker.take()) == ([other], [grandchild])


# What is offered


def test_only_what_is_below_an_offered_run_is_claimed(store: Store) -> None:
    """Its children and theirs; other runs and jobs without a parent rest."""
    first, second = parent(store, work()), parent(store, work(), work(state=State.WAITING))
    (grandchild,) = spawn(store, second[2], work())
    make(store)
    with store.group():
        store.claims.offer_only([second[0]])

    assert sorted(Worker(store).take()) == sorted([second[1], grandchild])
    assert states(store, first[1]) == [State.PENDING]


def test_offer_wakes_who_waits(store: Store) -> None:
    """What may be claimed now is as good as due."""
    with store.group():
        store.claims.offer_only([1])
        assert store.changes.has_due_work


# Who is told


def test_place_that_comes_free_is_told_after_any_claim_that_met_a_limit(store: Store) -> None:
    """Also when another queue, which nothing holds back, claimed since: who waits in the first is woken."""
    terms = KindTerms(kind="work", concurrency=1)
    running, _ = make(store), make(store)
    make(store, queue="other")
    worker = Worker(store, terms)
    worker.take()
    Worker(store, queue="other").take()

    worker.end(running)

    assert store.changes.has_due_work


def test_place_that_nobody_waits_for_is_not_told(store: Store) -> None:
    """Where no limit was met, the end of a job lets nothing start."""
    worker = Worker(store, KindTerms(kind="work", concurrency=5))
    running = make(store)
    worker.take(1)

    worker.end(running)

    assert not store.changes.has_due_work


@pytest.mark.parametrize("left", ["cancelled", "released", "expired", "deleted", "failed"])
def test_place_that_is_left_in_any_way_is_told(store: Store, clock: ManualClock, left: str) -> None:
    """Whoever waits for a place under a limit is woken."""
    running, _ = make(store), make(store)
    worker = Worker(store, KindTerms(kind="work", concurrency=1))
    worker.take()
    lease = worker.leases[running]
    if left == "expired":
        clock.advance(LEASE_S)

    with store.group():
        match left:
            case "cancelled":
                store.parents.cancel(running)
            case "released":
                store.leases.release([LeaseRef(job_id=running, token=lease.token)])
            case "expired":
                store.leases.expire()
            case "deleted":
                store.control.delete(running)
        is_told = store.changes.has_due_work
    if left == "failed":
        worker.fail(running)
        is_told = store.changes.has_due_work

    assert is_told


def test_rate_that_holds_jobs_back_wakes_who_waits(store: Store, clock: ManualClock) -> None:
    """The alarm is set for the next token, and by then what was held back counts as due."""
    for _ in range(3):
        make(store)
    worker = Worker(store, KindTerms(kind="work", rate=Rate(jobs=2, per_s=10.0)))

    worker.take()
    wake_at = store.changes.wake_at
    clock.jump(wake_at)
    with store.group():
        FallDue().apply(store)
        is_told = store.changes.has_due_work

    assert wake_at == pytest.approx(1_000_000_005.0, abs=1e-5)
    assert is_told
    assert len(worker.take()) == 1


def test_alarm_for_a_token_is_set_anew_when_it_rings_for_something_else(store: Store, clock: ManualClock) -> None:
    """Until its time has come, and not after."""
    for _ in range(2):
        make(store)
    Worker(store, KindTerms(kind="work", rate=Rate(jobs=1, per_s=10.0))).take()
    wakes = []

    for seconds in (4.0, 7.0, 1.0):
        clock.advance(seconds)
        with store.group():
            store.claims.promote()
            wakes.append((store.changes.wake_at == math.inf, store.changes.has_due_work))

    assert wakes == [(False, False), (True, True), (True, False)]


# What is left to do


def test_store_has_work_while_a_job_runs_or_is_due(store: Store, clock: ManualClock) -> None:
    """One that is due later, waits or has ended is no work."""
    worker = Worker(store)
    seen = []

    def look() -> None:
        with store.group():
            seen.append(store.claims.has_work())

    look()
    job_id = make(store, run_at=clock.now() + 5.0)
    make(store, state=State.WAITING)
    look()
    clock.advance(5.0)
    look()
    worker.take()
    look()
    worker.end(job_id)
    look()

    assert seen == [False, False, True, True, False]


def test_promotion_makes_claimable_what_has_fallen_due(store: Store, clock: ManualClock) -> None:
    """It says how many jobs, and that there is work."""
    for seconds in (1.0, 2.0, 9.0):
        make(store, run_at=clock.now() + seconds)
    clock.advance(2.0)

    with store.group():
        promoted, is_told = store.claims.promote(), store.changes.has_due_work

    assert (promoted, is_told) == (2, True)
