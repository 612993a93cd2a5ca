"""The limits: whose turn it is, how many may start, and when a bucket has a token again."""

from __future__ import annotations

import math

import pytest

from bequest.engine.errors import InvalidJobError
from bequest.engine.limits import (
    Bucket,
    Caps,
    KindTerms,
    Lane,
    Offer,
    Rate,
    Running,
    allot,
    full_at,
    next_token_at,
    rates_of,
    refilled,
    started,
)

NOW = 1_000_000_000.0
A, B, C = Lane(1, ""), Lane(2, ""), Lane(3, "")
P, Q = Lane(7, "p"), Lane(7, "q")  # children of one parent
RATE = Rate(jobs=4, per_s=2.0)


def offer(lane: Lane, *, running: int = 0, concurrency: int | None = None, siblings: int = 0) -> Offer:
    return Offer(lane, concurrency, siblings, running)


def caps(*terms: KindTerms, running: tuple[Running, ...] = (), **buckets: Bucket) -> Caps:
    made = Caps(terms, running, NOW)
    made.buckets.update({name.replace("_", " "): bucket for name, bucket in buckets.items()})
    return made


# Whose turn it is


@pytest.mark.parametrize(
    ("offers", "limit", "shares"),
    [
        ([], 5, {}),
        ([offer(A)], 0, {}),
        ([offer(A)], 4, {A: 4}),
        ([offer(A, concurrency=2)], 9, {A: 2}),
        ([offer(A, concurrency=2, siblings=2)], 9, {}),
        ([offer(A, concurrency=2, siblings=3)], 9, {}),  # a smaller concurrency than when they were claimed
        ([offer(A), offer(B)], 4, {A: 2, B: 2}),
        ([offer(A), offer(B)], 5, {A: 3, B: 2}),
        ([offer(A, running=3), offer(B)], 4, {A: 1, B: 3}),
        ([offer(A, running=5), offer(B)], 4, {B: 4}),
        ([offer(A, concurrency=1), offer(B), offer(C)], 7, {A: 1, B: 3, C: 3}),
        ([offer(P, concurrency=3), offer(Q, concurrency=3)], 9, {P: 2, Q: 1}),  # one parent's limit
        ([offer(P, concurrency=3, siblings=2), offer(Q, concurrency=3, siblings=2), offer(C)], 3, {C: 2, P: 1}),
    ],
)
def test_places_go_to_the_lane_that_would_run_the_fewest(
    offers: list[Offer], limit: int, shares: dict[Lane, int]
) -> None:
    """One by one; no lane gets a share of nothing, and no parent more than its concurrency over all its lanes."""
    assert dict(allot(offers, limit)) == shares


@pytest.mark.parametrize(
    ("after", "lanes"), [(None, [A, B]), (A, [B, C]), (B, [C, A]), (C, [A, B]), (Lane(2, "z"), [C, A])]
)
def test_lanes_that_run_as_many_take_turns(after: Lane | None, lanes: list[Lane]) -> None:
    """The next after the one that was last begins, and after the last lane the first again; the last stands last."""
    offers = [offer(A), offer(B), offer(C)]

    assert allot(offers, 2, after) == [(lane, 1) for lane in lanes]


def test_fewer_running_jobs_go_before_the_turn() -> None:
    """A lane whose jobs are long does not get more places than one whose jobs are short."""
    assert allot([offer(A), offer(B, running=1)], 1, A) == [(A, 1)]


def test_lane_that_was_given_a_place_last_stands_last() -> None:
    """So that the next claim begins after it."""
    assert allot([offer(A), offer(B)], 3) == [(B, 1), (A, 2)]


def test_offer_counts_what_was_started_in_its_lane_and_beside_it() -> None:
    """Children of one parent count together, whatever their partition."""
    offers = [offer(P, concurrency=9), offer(Q, concurrency=9), offer(C)]

    p, q, c = started(offers, {P: 2, C: 1})

    assert (p.running, p.siblings_running) == (2, 2)
    assert (q.running, q.siblings_running) == (0, 2)
    assert (c.running, c.siblings_running) == (1, 1)


# How many may start


@pytest.mark.parametrize(
    ("terms", "running", "expected"),
    [
        (KindTerms(kind="a"), 9, 5),
        (KindTerms(kind="a", concurrency=9), 6, 3),
        (KindTerms(kind="a", concurrency=9), 0, 5),
        (KindTerms(kind="a", concurrency=2), 3, 0),  # more run than may: the limit was lowered
        (KindTerms(kind="a", partition_concurrency=4), 1, 3),
        (KindTerms(kind="a", concurrency=7, partition_concurrency=9), 3, 4),
        (KindTerms(kind="a", rate=Rate(jobs=2)), 0, 2),
        (KindTerms(kind="a", partition_rate=Rate(jobs=3)), 0, 3),
        (KindTerms(kind="a", rate=Rate(jobs=4), partition_rate=Rate(jobs=3)), 0, 3),
    ],
)
def test_smallest_limit_says_how_many_may_start(terms: KindTerms, running: int, expected: int) -> None:
    """Of those asked for, what all of the kind's limits let through."""
    found = caps(terms, running=(Running("a", P, running, 0),)).of(P, ["a"], 5)

    assert found == ([("a", expected)] if expected else [])


def test_partition_is_limited_by_what_runs_in_it_alone() -> None:
    """Under any parent, but of its own kind and partition only."""
    terms = KindTerms(kind="a", partition_concurrency=2)
    running = (Running("a", Lane(9, "p"), 1, 0), Running("a", Q, 5, 0), Running("b", P, 5, 0))

    assert caps(terms, running=running).of(P, ["a"], 9) == [("a", 1)]


def test_kind_is_limited_over_all_partitions() -> None:
    """What runs of it anywhere counts."""
    running = (Running("a", P, 1, 0), Running("a", Q, 1, 0), Running("b", P, 9, 0))

    assert caps(KindTerms(kind="a", concurrency=3), running=running).of(C, ["a"], 9) == [("a", 1)]


def test_each_kind_has_its_own_cap_and_only_those_asked_for_are_looked_at() -> None:
    """Of several kinds in a lane each may start as many as its own limits allow."""
    made = caps(KindTerms(kind="a", concurrency=1), KindTerms(kind="b"), KindTerms(kind="c"))

    assert made.of(A, ["a", "b"], 3) == [("a", 1), ("b", 3)]


def test_started_jobs_take_places_and_tokens() -> None:
    """What was taken in one lane is gone for the next, also of the kind's bucket."""
    made = caps(KindTerms(kind="a", concurrency=9, rate=RATE, partition_rate=Rate(jobs=3)))

    made.take("a", P, 3)

    assert made.of(P, ["a"], 9) == []
    assert made.of(Q, ["a"], 9) == [("a", 1)]
    assert {name: tokens for name, (tokens, _) in made.spent.items()} == {"kind a": 1.0, "kind a, partition p": 0.0}


def test_limit_that_was_met_is_noted() -> None:
    """And one that lets all through is not."""
    free, full = caps(KindTerms(kind="a", concurrency=9)), caps(KindTerms(kind="a", concurrency=4))

    free.of(A, ["a"], 5)
    full.of(A, ["a"], 5)

    assert (free.has_held_back, full.has_held_back) == (False, True)


@pytest.mark.parametrize(
    ("tokens", "share", "wait_s"),
    [
        (0.5, 1, 0.25),
        (0.0, 9, 0.5),
        (2.5, 9, 0.25),  # two start now, and then half a token is left
        (3.0, 9, 0.5),
        (3.0, 3, math.inf),
    ],
)
def test_rate_that_holds_jobs_back_says_when_the_next_may_start(tokens: float, share: int, wait_s: float) -> None:
    """Also when it lets some through, for then it holds back the others."""
    made = caps(KindTerms(kind="a", rate=RATE), kind_a=Bucket(tokens, NOW))

    made.of(A, ["a"], share)

    assert made.wake_at == pytest.approx(NOW + wait_s, abs=1e-6)


def test_concurrency_that_holds_jobs_back_has_no_time_to_wake() -> None:
    """Nothing but a job that ends makes room."""
    made = caps(KindTerms(kind="a", concurrency=1, rate=Rate(jobs=9)))

    made.of(A, ["a"], 2)

    assert (made.has_held_back, made.wake_at) == (True, math.inf)


# Buckets


def test_bucket_that_is_new_is_full() -> None:
    """As many as its rate allows at once."""
    assert refilled(None, RATE, NOW) == 4.0


@pytest.mark.parametrize(
    ("tokens", "after_s", "expected"), [(0.0, 0.0, 0.0), (0.0, 0.5, 1.0), (1.5, 1.0, 3.5), (1.0, 60.0, 4.0)]
)
def test_bucket_fills_with_time_up_to_its_rate(tokens: float, after_s: float, expected: float) -> None:
    """Evenly, and never beyond what may start at once."""
    assert refilled(Bucket(tokens, NOW), RATE, NOW + after_s) == expected


def test_bucket_gains_nothing_from_time_that_goes_backwards() -> None:
    """A clock that is set back takes nothing away and gives nothing (I20)."""
    assert refilled(Bucket(1.5, NOW), RATE, NOW - 3600.0) == 1.5


def test_bucket_above_a_rate_that_was_lowered_is_cut_to_it() -> None:
    """A smaller rate holds from the next claim on."""
    assert refilled(Bucket(4.0, NOW), Rate(jobs=2), NOW) == 2.0


@pytest.mark.parametrize("rate", [RATE, Rate(jobs=3, per_s=7.0), Rate(jobs=1000), Rate(jobs=1, per_s=86_400.0)])
@pytest.mark.parametrize("tokens", [0.0, 0.1, 0.3, 0.999999])
def test_bucket_has_a_token_when_it_says_so(rate: Rate, tokens: float) -> None:
    """Or a claim at that time would start nothing, and be woken for nothing again."""
    at = next_token_at(tokens, rate, NOW)

    assert at > NOW
    assert refilled(Bucket(tokens, NOW), rate, at) >= 1


def test_bucket_is_full_when_it_says_so() -> None:
    """Then it is as a new one, and need not be kept."""
    at = full_at(1.0, RATE, NOW)

    assert (at, refilled(Bucket(1.0, NOW), RATE, at)) == (NOW + 1.5, 4.0)


def test_buckets_of_kind_and_partition_have_names_of_their_own() -> None:
    """So that no kind takes another's tokens."""
    terms = KindTerms(kind="a", rate=RATE, partition_rate=Rate(jobs=1))

    assert rates_of(terms, "p") == [("kind a", RATE), ("kind a, partition p", Rate(jobs=1))]
    assert rates_of(KindTerms(kind="a"), "p") == []


# What is no limit


@pytest.mark.parametrize(
    ("jobs", "per_s"), [(0, 1.0), (-1, 1.0), (1, 0.0), (1, -1.0), (1, math.inf), (1, math.nan), (math.nan, 1.0)]
)
def test_rate_that_lets_nothing_through_is_refused(jobs: int, per_s: float) -> None:
    """A rate of nothing would hold jobs back for ever; the refusal says what was found."""
    with pytest.raises(InvalidJobError, match=f"found {jobs} in {per_s}"):
        Rate(jobs=jobs, per_s=per_s)


@pytest.mark.parametrize("name", ["concurrency", "partition_concurrency"])
@pytest.mark.parametrize("limit", [0, -3])
def test_concurrency_that_lets_nothing_through_is_refused(name: str, limit: int) -> None:
    """To stop a kind is to pause it."""
    limits = {name: limit}

    with pytest.raises(InvalidJobError, match=f"{name} of kind 'a' is at least 1, found {limit}; pause it"):
        KindTerms(
            kind="a", concurrency=limits.get("concurrency"), partition_concurrency=limits.get("partition_concurrency")
        )


@pytest.mark.parametrize(
    ("terms", "is_limited"),
    [
        (KindTerms(kind="a"), False),
        (KindTerms(kind="a", concurrency=1), True),
        (KindTerms(kind="a", partition_concurrency=1), True),
        (KindTerms(kind="a", rate=RATE), True),
        (KindTerms(kind="a", partition_rate=RATE), True),
    ],
)
def test_terms_say_whether_they_limit_anything(terms: KindTerms, is_limited: bool) -> None:
    """Any one of the four does."""
    assert terms.is_limited is is_limited
