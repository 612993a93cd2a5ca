"""Whatever waits and runs: no limit is passed, no place stays empty that something could fill, and nobody starves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from bequest.engine import due_lanes
from bequest.engine.database import MEMORY
from bequest.engine.limits import Bucket, Caps, KindTerms, Lane, Offer, Rate, Running, allot, next_token_at, refilled
from bequest.engine.records import Completion, LeaseRef, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

NOW = 1_000_000_000.0
lanes = st.builds(Lane, st.integers(0, 3), st.sampled_from(["", "p", "q"]))
few = st.integers(0, 5)
limits = st.none() | st.integers(1, 6)
rates = st.none() | st.builds(Rate, jobs=st.integers(1, 9), per_s=st.floats(0.01, 1000.0))


@st.composite
def offers(draw: st.DrawFn) -> list[Offer]:
    """Return lanes with due jobs; those of one parent share its concurrency and what runs of it."""
    found = draw(st.lists(lanes, unique=True, max_size=8))
    running = {lane: draw(few) for lane in found}
    concurrency = {0: None, **{parent_id: draw(limits) for parent_id in range(1, 4)}}
    beside = {parent_id: draw(few) for parent_id in range(4)}  # of other queues and in lanes with nothing due
    of_parent = Counter(beside)
    for lane, count in running.items():
        of_parent[lane.parent_id] += count
    return [Offer(lane, concurrency[lane.parent_id], of_parent[lane.parent_id], running[lane]) for lane in found]


@given(given_offers=offers(), limit=st.integers(-1, 30), after=st.none() | lanes)
def test_places_are_divided_within_every_limit_and_none_is_wasted(
    given_offers: list[Offer], limit: int, after: Lane | None
) -> None:
    """No more than was asked for, than a parent allows, or than would leave a place empty; each lane once."""
    shares = allot(given_offers, limit, after)
    by_lane = dict(shares)
    given_to = Counter[int]()
    for lane, share in shares:
        given_to[lane.parent_id] += share

    assert len(by_lane) == len(shares)
    assert all(share > 0 for share in by_lane.values())
    assert sum(by_lane.values()) <= max(0, limit)
    room = {}
    for offer in given_offers:
        if offer.concurrency is not None:
            room[offer.lane.parent_id] = max(0, offer.concurrency - offer.siblings_running)
    assert all(given_to[parent_id] <= most for parent_id, most in room.items())
    if sum(by_lane.values()) < limit:
        assert all(given_to[offer.lane.parent_id] == room.get(offer.lane.parent_id, -1) for offer in given_offers)


@given(given_offers=offers(), limit=st.integers(0, 30), after=st.none() | lanes)
def test_no_lane_is_given_a_place_that_another_one_has_more_right_to(
    given_offers: list[Offer], limit: int, after: Lane | None
) -> None:
    """A lane that was given one runs at most one more than any that could have had it."""
    by_lane = dict(allot(given_offers, limit, after))
    given_to = Counter[int]()
    for lane, share in by_lane.items():
        given_to[lane.parent_id] += share
    then = {offer.lane: offer.running + by_lane.get(offer.lane, 0) for offer in given_offers}

    for offer in given_offers:
        is_full = (
            offer.concurrency is not None
            and offer.siblings_running + given_to[offer.lane.parent_id] >= offer.concurrency
        )
        if not is_full:
            assert all(then[lane] <= then[offer.lane] + 1 for lane in by_lane)


@given(
    terms=st.builds(
        KindTerms,
        kind=st.just("a"),
        concurrency=limits,
        partition_concurrency=limits,
        rate=rates,
        partition_rate=rates,
    ),
    running=st.dictionaries(lanes, few, max_size=5),
    tokens=st.dictionaries(st.sampled_from(["kind a", "kind a, partition p"]), st.floats(0, 9)),
    asked=st.lists(st.tuples(lanes, st.integers(1, 9)), max_size=8),
)
def test_caps_pass_no_limit_whatever_is_taken(
    terms: KindTerms, running: dict[Lane, int], tokens: dict[str, float], asked: list[tuple[Lane, int]]
) -> None:
    """Taking all that is allowed, lane after lane, neither too many run nor is a token spent that is not there."""
    counts = Counter(running)
    caps = Caps([terms], [Running("a", lane, jobs, 0) for lane, jobs in running.items()], NOW)
    caps.buckets.update({name: Bucket(held, NOW) for name, held in tokens.items()})

    for lane, share in asked:
        allowed = dict(caps.of(lane, ["a"], share)).get("a", 0)
        assert 0 <= allowed <= share
        if allowed:
            caps.take("a", lane, allowed)
            counts[lane] += allowed
            assert terms.concurrency is None or counts.total() <= terms.concurrency
            of_partition = sum(jobs for one, jobs in counts.items() if one.partition == lane.partition)
            assert terms.partition_concurrency is None or of_partition <= terms.partition_concurrency
        if allowed < share:
            assert caps.has_held_back
    assert all(left >= 0 for left, _ in caps.spent.values())


@given(
    rate=st.builds(Rate, jobs=st.integers(1, 10**6), per_s=st.floats(1e-3, 1e7)),
    tokens=st.floats(0, 1, exclude_max=True),
    now=st.floats(0, 4e9),
)
def test_bucket_has_a_token_soon_after_it_says_so(rate: Rate, tokens: float, now: float) -> None:
    """Waking at each time that it names, a claim is never woken in vain more than a few times."""
    bucket, at = Bucket(tokens, now), now
    for _ in range(3):
        at = next_token_at(refilled(bucket, rate, at), rate, at)
        if refilled(bucket, rate, at) >= 1:
            break

    assert at > now
    assert refilled(bucket, rate, at) >= 1


@settings(deadline=None, max_examples=60)
@given(
    partitions=st.lists(st.sampled_from("pqrst"), min_size=1, max_size=40),
    limits_of_claims=st.lists(st.integers(1, 7), min_size=1, max_size=20),
    window=st.integers(1, 6),
)
def test_no_lane_starves_over_many_claims(partitions: list[str], limits_of_claims: list[int], window: int) -> None:
    """While jobs are short, no lane with something due was ever served more than once less than another."""
    due, served = Counter(partitions), Counter[str]()
    with opened(window) as store:
        with store.group():
            store.jobs.create([NewJob(kind="a", partition=partition) for partition in partitions])

        for limit in limits_of_claims:
            with store.group():
                leases = store.claims.claim("default", [KindTerms(kind="a")], limit, 60.0)
                taken = [store.jobs.get(lease.job_id).partition for lease in leases]
                store.completions.complete(
                    [Completion(job_id=one.job_id, token=one.token, state=State.COMPLETED) for one in leases]
                )
            assert len(leases) == min(limit, due.total() - served.total())
            served.update(taken)
            for partition in due:
                assert served[partition] == due[partition] or served[partition] >= max(served.values()) - 1


@settings(deadline=None, max_examples=60)
@given(
    partitions=st.lists(st.sampled_from("pqrst"), min_size=1, max_size=40),
    terms=st.builds(
        KindTerms,
        kind=st.just("a"),
        concurrency=limits,
        partition_concurrency=limits,
        rate=rates,
        partition_rate=st.none() | st.builds(Rate, jobs=st.integers(1, 3), per_s=st.floats(0.5, 20.0)),
    ),
    steps=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 5), st.floats(0, 5)), min_size=1, max_size=15),
    window=st.integers(1, 6),
)
def test_claims_keep_every_limit_and_start_whatever_may(
    partitions: list[str], terms: KindTerms, steps: list[tuple[int, int, float]], window: int
) -> None:
    """However many lanes are looked at in one go: as many start as time, tokens and what runs allow, no more."""
    clock, left, running = ManualClock(), Counter(partitions), list[tuple[str, LeaseRef]]()
    bucket = Bucket(0.0 if terms.rate is None else float(terms.rate.jobs), clock.now())
    own: dict[str, Bucket] = {}  # of the partitions that have started any
    with opened(window, clock) as store:
        with store.group():
            store.jobs.create([NewJob(kind="a", partition=partition) for partition in partitions])

        for limit, ended, seconds in steps:
            clock.advance(seconds)
            ends, running = running[:ended], running[ended:]
            with store.group():
                store.completions.complete(
                    [Completion(job_id=one.job_id, token=one.token, state=State.COMPLETED) for _, one in ends]
                )
                leases = store.claims.claim("default", [terms], limit, 1e6)
                taken = [store.jobs.get(lease.job_id).partition for lease in leases]

            places = {
                partition: min(
                    waiting,
                    waiting
                    if terms.partition_concurrency is None
                    else terms.partition_concurrency - sum(one == partition for one, _ in running),
                )
                for partition, waiting in left.items()
            }
            own_tokens = dict.fromkeys(left, math.inf)
            if terms.partition_rate is not None:
                own_tokens = {one: refilled(own.get(one), terms.partition_rate, clock.now()) for one in left}
                places = {one: min(most, int(own_tokens[one])) for one, most in places.items()}
            most = min(limit, sum(places.values()))
            if terms.concurrency is not None:
                most = min(most, terms.concurrency - len(running))
            if terms.rate is not None:
                tokens = refilled(bucket, terms.rate, clock.now())
                most = min(most, int(tokens))
                if leases:
                    bucket = Bucket(tokens - len(leases), clock.now())
            assert len(leases) == most
            own |= {one: Bucket(own_tokens[one] - count, clock.now()) for one, count in Counter(taken).items()}
            assert all(bucket.tokens >= 0 for bucket in own.values())
            left.subtract(taken)
            assert min(left.values()) >= 0
            refs = [LeaseRef(job_id=lease.job_id, token=lease.token) for lease in leases]
            running += zip(taken, refs, strict=True)


@contextmanager
def opened(window: int, clock: ManualClock | None = None) -> Iterator[Store]:
    """Give a store in memory that looks at so many lanes in one go."""
    store, before = Store.open(MEMORY, clock=clock or ManualClock()), due_lanes.LANES_AT_ONCE
    due_lanes.LANES_AT_ONCE = window
    try:
        yield store
    finally:
        due_lanes.LANES_AT_ONCE = before
        store.close()
