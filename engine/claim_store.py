"""Owns the claim: which due jobs of a queue start next, fairly and within their limits (I3, I5).

Lanes take turns; within a lane the highest priority comes first, then the oldest job, whatever its kind.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from .changes import Changes, Move
from .damaged_rows import damaged
from .database import Database, Row, Value
from .due_jobs import NOT_PAUSED, DueJob, due_jobs, in_turns
from .due_lanes import DueLane, DueLanes
from .job_rows import LEASE_COLUMNS, NUMBER_OF, lease_from
from .limits import Bucket, Caps, KindTerms, Lane, Offer, Running, allot, full_at, rates_of, started
from .packed_rows import unpacked
from .records import Lease, State

RUNNING = "SELECT kind, lane, partition, count(*), sum(queue = ?) FROM job WHERE state = 1 GROUP BY 1, 2, 3"
OLDEST_OF_KIND = (
    "FROM job WHERE queue = ?1 AND lane = ?2 AND partition = ?3 AND kind = ?{} AND state = 0 AND is_due = 1 {}"
    " ORDER BY priority DESC, id LIMIT ?{}"
)
LEASED = LEASE_COLUMNS.replace("token, lease_until", "token + 1, ?5").replace("attempts,", "attempts + 1,", 1)
CHOSEN = "FROM job WHERE id IN (SELECT value FROM json_each(?1))"
TAKE = "UPDATE job SET state = 1, attempts = attempts + 1, token = token + 1, lease_until = ?1, started_at = ?2 WHERE"
TAKE_ONE = f"{TAKE} id = ?3"
TAKE_ALL = f"{TAKE} id IN (SELECT value FROM json_each(?3))"
KINDS_AT_ONCE = 400  # SQLite joins no more than 500 selects on one level
KIND, PARENT_ID, PRIORITY = (LEASE_COLUMNS.split(", ").index(name) for name in ("kind", "parent_id", "priority"))
DUE, TAKEN = NUMBER_OF[State.PENDING], NUMBER_OF[State.RUNNING]


class ClaimStore:
    """The claims of the store."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._held_back: dict[str, bool] = {}  # by queue, whether its latest claim met a limit
        self._tokens_at = math.inf  # when a limit of rate that held something back lets one more through
        self._turns: dict[str, Lane] = {}  # by queue, the lane that had its turn last
        self._database = database
        self._changes = changes
        self._lanes = DueLanes(database)
        self._offered: frozenset[int] | None = None  # parents; None is all, and jobs without one
        self._is_closed = False

    def close(self) -> None:
        """Have nothing claimed any more, until the store is opened anew."""
        self._is_closed = True

    @property
    def is_kept(self) -> bool:
        """Whether only children of some parents are claimed; then what is not asked for rests, schedules too."""
        return self._offered is not None

    def offer_only(self, parent_ids: Sequence[int]) -> None:
        """Have what is below these parents claimed and no other job, until the store is closed."""
        self._offered = frozenset(parent_ids)
        self._changes.has_due_work = True

    def claim(self, queue: str, terms: Sequence[KindTerms], limit: int, lease_s: float) -> list[Lease]:
        """Claim up to *limit* due jobs of *queue* for *lease_s* seconds, of the kinds that *terms* are for."""
        if self._is_closed:
            return []
        is_limited = any([term.is_limited for term in terms])
        look = self._lanes.look(queue, () if is_limited else [term.kind for term in terms])
        if look.has_fallen_due or self._tokens_at < math.inf:
            self.promote()
        if look.has_pauses:
            terms = self._not_paused(queue, terms)
        if not terms or limit < 1:
            return []
        is_plain = not (is_limited or look.has_fallen_due or look.has_pauses) and self._offered is None
        if is_plain and look.sole is not None:
            rows = self._take_sole(queue, look.sole, limit, lease_s)
        else:
            rows = self._take_turns(Claim(self._database, queue, terms, limit, lease_s, has_pauses=look.has_pauses))
        if rows:
            self._changes.wake_at = min(self._changes.wake_at, self._database.now + lease_s)
            self._changes.move([Move(row[0], row[PARENT_ID], queue, row[KIND], DUE, TAKEN) for row in rows])
        return list(map(lease_from, rows))

    @property
    def has_held_back(self) -> bool:
        """Whether a limit kept a claim from more, so that a job which ends may let another one start."""
        return any(self._held_back.values())

    def has_work(self) -> bool:
        """Return whether any job runs or is due."""
        row = self._database.row(
            "SELECT EXISTS (SELECT 1 FROM job WHERE state = 1)"
            " OR EXISTS (SELECT 1 FROM job WHERE state = 0 AND is_due = 1)"
            " OR EXISTS (SELECT 1 FROM job WHERE state = 0 AND is_due = 0 AND run_at <= ?)",
            (self._database.now,),
        )
        return row is not None and bool(row[0])

    def promote(self) -> int:
        """Make claimable what has fallen due; return how many jobs, without those that a limit of rate held back."""
        now = self._database.now
        promoted = self._database.run(
            "UPDATE job SET is_due = 1 WHERE state = 0 AND is_due = 0 AND run_at <= ?", (now,)
        )
        if promoted:
            self._changes.has_due_work = True
        if self._tokens_at <= now:
            self._changes.has_due_work = True
            self._tokens_at = math.inf
        self._changes.wake_at = min(self._changes.wake_at, self._tokens_at)
        return promoted

    def _not_paused(self, queue: str, terms: Sequence[KindTerms]) -> Sequence[KindTerms]:
        paused = {(scope, name) for scope, name in self._database.rows("SELECT scope, name FROM pause")}
        if ("all", "") in paused or ("queue", queue) in paused:
            return ()
        return [term for term in terms if ("kind", term.kind) not in paused]

    def _take_sole(self, queue: str, lanes: Sequence[DueLane], limit: int, lease_s: float) -> list[Row]:
        """Claim what is due in the one lane that there is, if any, which no limit holds back."""
        self._held_back[queue] = False
        if not lanes:
            return []
        ((lane, kinds, *_),) = lanes
        self._turns[queue] = lane
        allowed = [(kind, limit) for kind in kinds]
        return take(self._database, queue, lane, allowed, limit, lease_s, has_pauses=False)

    def _take_turns(self, claim: Claim) -> list[Row]:
        """Have lanes take turns until nothing more may start."""
        queue = claim.queue
        claim.turn = self._turns.get(queue)
        if claim.rated:
            self._lanes.rated.open(queue, claim.rated_terms)
        while self._go_round(claim):
            pass
        claim.spend()
        if claim.rated:
            claim.tokens_at = min(claim.tokens_at, self._lanes.rated.shut(queue, claim.shut))
        if claim.turn is not None:
            self._turns[queue] = claim.turn
        self._held_back[queue] = claim.has_held_back
        self._tokens_at = min(self._tokens_at, claim.tokens_at)
        self._changes.wake_at = min(self._changes.wake_at, claim.tokens_at)
        return claim.rows

    def _go_round(self, claim: Claim) -> bool:
        """Have the lanes take a turn; return whether they may take another, for places are left and some got one."""
        before = claim.left
        claim.leave_out_full_kinds()
        windows = self._lanes.windows(claim.queue, claim.kinds, claim.turn, claim.left, rated=claim.rated)
        for window in windows:
            is_only = window.end is None and claim.left == before
            claim.take_from([due for due in window.lanes if self._is_offered(due)], is_only=is_only)
            if claim.left < 1 or is_only:
                return False
        return claim.left < before

    def _is_offered(self, due: DueLane) -> bool:
        is_offered = self._offered is None or due.lane.parent_id in self._offered or due.root_id in self._offered
        return is_offered and not due.is_paused


class Claim:
    """One claim while it is made."""

    def __init__(
        self,
        database: Database,
        queue: str,
        terms: Sequence[KindTerms],
        limit: int,
        lease_s: float,
        *,
        has_pauses: bool,
    ) -> None:
        self.rows: list[Row] = []
        self.left = limit
        self.turn: Lane | None = None  # the lane that had its turn last
        self.has_held_back = False  # whether a limit was met, or may have been
        self.tokens_at = math.inf  # when a limit of rate that held something back lets one more through
        self.has_pauses = has_pauses  # whether anything is paused
        self.queue = queue
        self.kinds = [term.kind for term in terms]  # of which more may start
        self._limited = [term for term in terms if term.is_limited]
        self.rated_terms = [term for term in self._limited if term.partition_rate is not None]
        self.rated = frozenset([term.kind for term in self.rated_terms])
        self._database = database
        self._terms = terms
        self._lease_s = lease_s
        self._caps: Caps | None = None

    def take_from(self, lanes: Sequence[DueLane], *, is_only: bool) -> None:
        """Claim what may start in *lanes*; in the only ones there are until nothing more may, else one turn."""
        if not lanes:
            return
        if is_only and len(lanes) == 1 and not self._is_limited(lanes[0]):
            self._take(lanes[0].lane, [(kind, self.left) for kind in lanes[0].kinds], self.left)
            return
        running = self._count_running()
        caps = self._caps = self._caps or Caps(self._terms, running, self._database.now)
        kinds = {due.lane: due.kinds for due in lanes}
        offers = offers_of(lanes, running)
        if self._limited:
            caps.buckets.update(self._buckets(lanes))
            offers = [offer for offer in offers if caps.of(offer.lane, kinds[offer.lane], 1)]
        while offers and self.left > 0:
            offers = self._take_turn(caps, offers, kinds)
            if not is_only:
                break
        is_crowded = any(due.concurrency is not None for due in lanes)
        self.has_held_back = self.has_held_back or caps.has_held_back or is_crowded
        self.tokens_at = min(self.tokens_at, caps.wake_at)
        self.leave_out_full_kinds()

    @property
    def shut(self) -> Mapping[tuple[str, Lane], float]:
        """The lanes, by kind, whose own tokens are used up, each with when it has the next."""
        return {} if self._caps is None else self._caps.shut

    def leave_out_full_kinds(self) -> None:
        """Look at no more lanes of kinds whose own limits let nothing start, however many there are."""
        if not self._limited:
            return
        if self._caps is None:
            self._caps = Caps(self._terms, self._count_running(), self._database.now)
            self._caps.buckets.update(self._buckets(()))
        self.kinds[:] = [kind for kind in self.kinds if self._caps.has_room(kind)]
        self.has_held_back = self.has_held_back or self._caps.has_held_back
        self.tokens_at = min(self.tokens_at, self._caps.wake_at)

    def spend(self) -> None:
        """Write down the tokens that were taken; of a bucket that is full again nothing need be known."""
        if self._caps is None or not self._caps.spent:
            return
        now = self._database.now
        rows = [(name, tokens, full_at(tokens, rate, now)) for name, (tokens, rate) in self._caps.spent.items()]
        self._database.run("DELETE FROM bucket WHERE full_at <= ?", (now,))
        self._database.run(
            "INSERT INTO bucket SELECT value ->> 0, value ->> 1, ?2, value ->> 2 FROM json_each(?1) WHERE true"
            " ON CONFLICT (name) DO UPDATE SET"
            " tokens = excluded.tokens, filled_at = excluded.filled_at, full_at = excluded.full_at",
            (msgspec.json.encode(rows).decode(), now),
        )

    def _take_turn(self, caps: Caps, offers: list[Offer], kinds: Mapping[Lane, Sequence[str]]) -> list[Offer]:
        """Divide what is left between the lanes; return those that may have more, none where all had their shares."""
        shares = allot(offers, self.left, self.turn)
        counts = self._take_shares(caps, shares, kinds)
        # Of these nothing is left that is due and within the limits.
        exhausted = {lane for lane, share in shares if counts[lane] < share}
        return [offer for offer in started(offers, counts) if offer.lane not in exhausted] if exhausted else []

    def _take_shares(
        self, caps: Caps, shares: Sequence[tuple[Lane, int]], kinds: Mapping[Lane, Sequence[str]]
    ) -> Counter[Lane]:
        """Start in each lane as many jobs as its share; return how many that were."""
        allowed = [(lane, share, caps.of(lane, kinds[lane], share)) for lane, share in shares]
        if len(shares) == 1:
            ((lane, share, of_kinds),) = allowed
            rows = self._take(lane, of_kinds, share)
            for kind, count in Counter(row[KIND] for row in rows).items():
                caps.take(kind, lane, count)
            return Counter({lane: len(rows)})
        asked = [(lane, kind, cap) for lane, _, of_kinds in allowed for kind, cap in of_kinds]
        due = due_jobs(self._database, self.queue, asked, has_pauses=self.has_pauses)
        from_turn_on = sorted(shares, key=lambda one: (self.turn is not None and one[0] <= self.turn, one[0]))
        chosen = in_turns(from_turn_on, due, lambda job: caps.take_one(job.kind, job.lane))
        self._take_chosen(chosen)
        counts = Counter(job.lane for job in chosen)
        self.turn = next((lane for lane, _ in reversed(shares) if counts[lane]), self.turn)
        return counts

    def _is_limited(self, due: DueLane) -> bool:
        return due.concurrency is not None or bool(self._limited)

    def _count_running(self) -> list[Running]:
        rows = self._database.rows(RUNNING, (self.queue,))
        return [Running(kind, Lane(lane, partition), *counts) for kind, lane, partition, *counts in rows]

    def _buckets(self, lanes: Iterable[DueLane]) -> dict[str, Bucket]:
        of_lanes = [(term, due.lane.partition) for due in lanes for term in self._terms if term.kind in due.kinds]
        of_kinds = [(term, "") for term in self._terms if term.rate is not None]
        names = {name for term, partition in (*of_lanes, *of_kinds) for name, _ in rates_of(term, partition)}
        if not names:
            return {}
        rows = self._database.rows(
            "SELECT name, tokens, filled_at FROM bucket WHERE name IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(sorted(names)).decode(),),
        )
        return {name: Bucket(tokens, filled_at) for name, tokens, filled_at in rows}

    def _take(self, lane: Lane, allowed: Sequence[tuple[str, int]], share: int) -> list[Row]:
        """Start at most *share* jobs of *lane*, of each kind at most as many as is *allowed*; return their leases."""
        if not allowed:
            return []
        rows = take(self._database, self.queue, lane, allowed, share, self._lease_s, has_pauses=self.has_pauses)
        if rows:
            self.rows += rows
            self.left -= len(rows)
            self.turn = lane
        return rows

    def _take_chosen(self, chosen: Sequence[DueJob]) -> None:
        """Start jobs of several lanes, in their order."""
        if not chosen:
            return
        now, ids = self._database.now, [job.job_id for job in chosen]
        until, asked = now + self._lease_s, msgspec.json.encode(ids).decode()
        rows = unpacked(self._database, LEASED.replace("?5", "?2"), CHOSEN, (asked, until))
        by_id = {row[0]: row for row in rows}
        self._database.run(TAKE_ALL, (until, now, asked))
        try:
            self.rows += [by_id[job_id] for job_id in ids]
        except KeyError as error:  # an index has what the table has not
            raise damaged(error) from error
        self.left -= len(ids)


def take(  # noqa: PLR0913 - what a claim is made of
    database: Database,
    queue: str,
    lane: Lane,
    allowed: Sequence[tuple[str, int]],
    share: int,
    lease_s: float,
    *,
    has_pauses: bool,
) -> list[Row]:
    """Start at most *share* jobs of *lane*, of each kind at most as many as is *allowed*; return their leases."""
    now, until = database.now, database.now + lease_s
    values: list[Value] = [queue, *lane, share, until]
    for kind_and_cap in allowed:
        values += kind_and_cap
    rows = unpacked(database, LEASED, due_source(len(allowed), has_pauses=has_pauses), values)
    try:
        rows.sort(key=lambda row: (-row[PRIORITY], row[0]))
    except TypeError as error:
        raise damaged(error) from error
    if len(rows) == 1:
        database.rows(TAKE_ONE, (until, now, rows[0][0]))
    elif rows:
        database.rows(TAKE_ALL, (until, now, msgspec.json.encode([row[0] for row in rows]).decode()))
    return rows


def offers_of(lanes: Sequence[DueLane], running: Iterable[Running]) -> list[Offer]:
    """Return *lanes* with what runs in them and beside them."""
    of_lane: Counter[Lane] = Counter()
    of_parent: Counter[int] = Counter()
    for one in running:
        of_lane[one.lane] += one.of_queue
        of_parent[one.lane.parent_id] += one.jobs
    return [
        Offer(due.lane, due.concurrency, siblings_running=of_parent[due.lane.parent_id], running=of_lane[due.lane])
        for due in lanes
    ]


@lru_cache
def due_source(kinds: int, *, has_pauses: bool) -> str:
    """Return the rows of at most ?4 jobs of a lane; from ?6 on come a kind and its cap in turn, so many *kinds*."""
    pauses = NOT_PAUSED if has_pauses else ""
    each = [OLDEST_OF_KIND.format(6 + 2 * index, pauses, 7 + 2 * index) for index in range(kinds)]
    if kinds == 1:
        return f"FROM (SELECT {LEASE_COLUMNS} {each[0]})"
    of_kinds = [f"SELECT * FROM (SELECT id, priority {one})" for one in each]
    groups = [" UNION ALL ".join(of_kinds[first : first + KINDS_AT_ONCE]) for first in range(0, kinds, KINDS_AT_ONCE)]
    due = groups[0] if len(groups) == 1 else " UNION ALL ".join(f"SELECT * FROM ({group})" for group in groups)
    chosen = f"SELECT id FROM ({due}) ORDER BY priority DESC, id LIMIT ?4"
    return f"FROM job WHERE id IN ({chosen})"
