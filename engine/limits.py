"""Owns how many jobs may start now: limits of concurrency and rate, and the fair division between those who wait.

Plain functions of their arguments. What is limited is counted from the running rows and from token buckets in the
database, so a restart forgets neither.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .errors import InvalidJobError
from .number_rules import is_number, is_whole
from .records import Record

UNLIMITED = 1_000_000_000  # more than anybody asks for at once


class Rate(Record, frozen=True, kw_only=True):
    """At most *jobs* in any *per_s* seconds on average, and at most so many at once (a token bucket)."""

    jobs: int
    per_s: float = 1.0

    def __post_init__(self) -> None:
        """Raise ``InvalidJobError`` for a rate that lets nothing through, ever."""
        if not is_whole(self.jobs) or self.jobs < 1 or not is_number(self.per_s) or not 0 < self.per_s < math.inf:
            raise InvalidJobError(
                f"a rate is 1 or more jobs in a number of seconds above 0, found {self.jobs!r} in {self.per_s!r}"
            )


class KindTerms(Record, frozen=True, kw_only=True):
    """What limits the jobs of one kind; None is no limit."""

    kind: str
    concurrency: int | None = None  # running at once
    partition_concurrency: int | None = None  # of one partition running at once
    rate: Rate | None = None
    partition_rate: Rate | None = None  # of one partition

    def __post_init__(self) -> None:
        """Raise ``InvalidJobError`` for a limit that lets nothing through, ever."""
        for name, limit in (
            ("concurrency", self.concurrency),
            ("partition_concurrency", self.partition_concurrency),
        ):
            if limit is not None and (not is_whole(limit) or limit < 1):
                raise InvalidJobError(f"{name} of kind {self.kind!r} is at least 1, found {limit!r}; pause it instead")

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return (self.concurrency, self.partition_concurrency, self.rate, self.partition_rate) != (None,) * 4


class Lane(NamedTuple):
    """Jobs that take turns with those of other lanes: the children of one parent in one partition."""

    parent_id: int  # 0 for jobs that have none
    partition: str


NO_LANE = Lane(-1, "")


class Offer(NamedTuple):
    """A lane that has due jobs."""

    lane: Lane
    concurrency: int | None  # of the parent's children
    siblings_running: int  # of the parent
    running: int  # of the lane in this queue


class Running(NamedTuple):
    """How many jobs of a kind run in a lane."""

    kind: str
    lane: Lane
    jobs: int
    of_queue: int  # those of the queue that is asked for


class Bucket(NamedTuple):
    """A token bucket as it was left."""

    tokens: float
    filled_at: float  # seconds since the epoch


def allot(offers: Sequence[Offer], limit: int, after: Lane | None = None) -> list[tuple[Lane, int]]:
    """Divide *limit* places: one by one, each to the lane that would then run the fewest jobs.

    Of lanes that would run as many it is the next after *after*, the lane that had its turn last, so that none waits
    for ever behind others whose jobs are short. Return lanes with their shares, none of them 0, the lane whose turn was
    last at the end. A share may be more than what is due.
    """
    shares: dict[Lane, int] = {}
    given_to_parent: dict[int, int] = {}
    queue = [(offer.running, after is not None and offer.lane <= after, offer.lane, offer) for offer in offers]
    heapq.heapify(queue)
    while queue and limit > 0:
        running, has_had_turn, lane, offer = queue[0]
        taken = given_to_parent.get(lane.parent_id, 0)
        room = _room(offer, taken)
        if room < 1:
            heapq.heappop(queue)
            continue
        given = int(min(limit, room)) if len(queue) == 1 else 1
        shares[lane] = shares.pop(lane, 0) + given
        given_to_parent[lane.parent_id] = taken + given
        limit -= given
        heapq.heapreplace(queue, (running + given, has_had_turn, lane, offer))
    return list(shares.items())


def started(offers: Iterable[Offer], counts: Mapping[Lane, int]) -> list[Offer]:
    """Return *offers* as they stand once *counts* jobs of each lane were started."""
    of_parent: Counter[int] = Counter()
    for lane, count in counts.items():
        of_parent[lane.parent_id] += count
    return [
        offer._replace(
            siblings_running=offer.siblings_running + of_parent[offer.lane.parent_id],
            running=offer.running + counts.get(offer.lane, 0),
        )
        for offer in offers
    ]


def refilled(bucket: Bucket | None, rate: Rate, now: float) -> float:
    """Return how many tokens *bucket* has by now; a new one is full, and time that went backwards adds none."""
    if bucket is None:
        return float(rate.jobs)
    gained = max(0.0, now - bucket.filled_at) * rate.jobs / rate.per_s
    return min(float(rate.jobs), bucket.tokens + gained)


def next_token_at(tokens: float, rate: Rate, now: float) -> float:
    """Return when a bucket with less than one token has one, in seconds since the epoch; always after *now*."""
    return math.nextafter(now + (1.0 - tokens) * rate.per_s / rate.jobs, math.inf)


def full_at(tokens: float, rate: Rate, now: float) -> float:
    """Return when a bucket with so many tokens is full and need not be kept, in seconds since the epoch."""
    return now + (rate.jobs - tokens) * rate.per_s / rate.jobs


class Caps:
    """What is left of the limits while a claim is made.

    Of a lane it can only be asked once the buckets of its partition, those of ``rates_of``, are among *buckets*.
    """

    def __init__(self, terms: Iterable[KindTerms], running: Iterable[Running], now: float) -> None:
        self.wake_at = math.inf  # when a limit of rate that held something back lets one more through
        self.has_held_back = False
        self.shut: dict[tuple[str, Lane], float] = {}  # lanes, by kind, whose own tokens are used up, until the next
        self.buckets: dict[str, Bucket] = {}
        self.spent: dict[str, tuple[float, Rate]] = {}  # buckets that tokens were taken of, with what is left
        self._terms = {term.kind: term for term in terms}
        self._now = now
        self._running: dict[tuple[str, str | None], int] = {}
        for kind, lane, jobs, _ in running:
            self._count(kind, lane, jobs)

    def of(self, lane: Lane, kinds: Iterable[str], share: int) -> list[tuple[str, int]]:
        """Return each of *kinds* with how many of *share* jobs of it may start in *lane*; 0 is left out."""
        caps = [(kind, min(share, self._cap(self._terms[kind], lane, share))) for kind in kinds]
        self.has_held_back = self.has_held_back or any(cap < share for _, cap in caps)
        return [(kind, cap) for kind, cap in caps if cap > 0]

    def has_room(self, kind: str) -> bool:
        """Whether one more job of *kind* may start as far as the limits of the whole kind go."""
        term = self._terms[kind]
        whole = KindTerms(kind=kind, concurrency=term.concurrency, rate=term.rate)
        has_room = not whole.is_limited or self._cap(whole, NO_LANE, 1) > 0
        self.has_held_back = self.has_held_back or not has_room
        return has_room

    def take_one(self, kind: str, lane: Lane) -> bool:
        """Note that one job was started if it may; return whether it may."""
        if not self._terms[kind].is_limited:
            return True
        may_start = bool(self.of(lane, (kind,), 1))
        if may_start:
            self.take(kind, lane, 1)
        return may_start

    def take(self, kind: str, lane: Lane, count: int) -> None:
        """Note that *count* jobs were started."""
        self._count(kind, lane, count)
        for name, rate in rates_of(self._terms[kind], lane.partition):
            self.spent[name] = (self._tokens(name, rate) - count, rate)

    def _count(self, kind: str, lane: Lane, count: int) -> None:
        for key in ((kind, None), (kind, lane.partition)):
            self._running[key] = self._running.get(key, 0) + count

    def _cap(self, term: KindTerms, lane: Lane, share: int) -> int:
        cap = UNLIMITED
        if term.concurrency is not None:
            cap = min(cap, term.concurrency - self._running.get((term.kind, None), 0))
        if term.partition_concurrency is not None:
            cap = min(cap, term.partition_concurrency - self._running.get((term.kind, lane.partition), 0))
        for name, rate in rates_of(term, lane.partition):
            tokens = self._tokens(name, rate)
            whole = math.floor(tokens)
            cap = min(cap, whole)
            if whole < share:
                next_at = next_token_at(tokens - whole, rate, self._now)
                self.wake_at = min(self.wake_at, next_at)
                if whole < 1 and name == bucket_of(term.kind, lane.partition):
                    self.shut[term.kind, lane] = next_at
        return max(0, cap)

    def _tokens(self, name: str, rate: Rate) -> float:
        if name in self.spent:
            return self.spent[name][0]
        bucket = self.buckets.get(name)
        tokens = refilled(bucket, rate, self._now)
        if bucket is not None and bucket.filled_at > self._now:
            self.spent[name] = (tokens, rate)  # the clock was set back: it fills from here on, not from then
        return tokens


def rates_of(term: KindTerms, partition: str) -> list[tuple[str, Rate]]:
    """Return the buckets, by name, that a job of that kind and partition takes a token of."""
    found = []
    if term.rate is not None:
        found.append((f"kind {term.kind}", term.rate))
    if term.partition_rate is not None:
        found.append((bucket_of(term.kind, partition), term.partition_rate))
    return found


def bucket_of(kind: str, partition: str) -> str:
    """Return the name of a partition's own bucket."""
    return f"kind {kind}, partition {partition}"


def _room(offer: Offer, given: int) -> float:
    """Return how many more may start in the lane when its parent's lanes were given so many."""
    if offer.concurrency is None:
        return math.inf
    return max(0, offer.concurrency - offer.siblings_running - given)
