"""Owns schedules as rows: what is due makes its job in the transaction that notes it (I20).

All methods run inside the store's group, so a kill leaves both the job and the note, or neither. While claims are kept
to some runs, all else rests, and no schedule fires.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .changes import Changes
from .claim_store import ClaimStore
from .damaged_rows import made_of_row
from .database import Database, Row, Value
from .errors import ScheduleNotFoundError
from .fire_times import Interval, Rule
from .job_store import JobStore
from .records import NewJob, State
from .schedules import (
    CatchUp,
    Look,
    NewSchedule,
    Overlap,
    Schedule,
    Span,
    check_schedule,
    look,
    look_at_queue,
    marked_job,
    next_fire,
)

COLUMNS = (
    "name, definition_id, job_json, rule_json, catch_up, catch_up_limit, overlap, is_paused, seen_at, next_at, last_at,"
    " last_job_id, queued_at, used_json, fault"
)
PLACES = ", ".join("?" for _ in COLUMNS.split(","))
FIRES = "is_paused = 0 AND fault IS NULL"
IS_BUSY = "EXISTS (SELECT 1 FROM job WHERE job.id = schedule.last_job_id AND job.state < 3)"


class ScheduleStore:
    """The schedules of the store."""

    def __init__(self, database: Database, changes: Changes, jobs: JobStore, claims: ClaimStore) -> None:
        self._database = database
        self._changes = changes
        self._jobs = jobs
        self._claims = claims
        self._awaited: tuple[int, frozenset[int]] | None = None  # with the number of rollbacks that it is good for
        self._has_looked = False  # at all schedules, since the store was opened

    def put(self, new: NewSchedule) -> Schedule:
        """Keep a schedule and return it; an equal one that is there stays as it is, paused or not.

        One with another rule takes effect from now: what is due by the old one is left out. Raises ``InvalidJobError``
        and ``MetadataError``.
        """
        check_schedule(new, self._database.now)
        old = self._find(new.name)
        fields = {name: getattr(new, name) for name in NewSchedule.__struct_fields__}
        if old is None:
            schedule = self._from_now(Schedule(**fields))
        elif old.fault is None and is_same(old.rule, new.rule):
            schedule = msgspec.structs.replace(old, **{**fields, "rule": old.rule})
        else:
            used = () if old.last_at is None else (Span(old.last_at, old.last_at),)
            schedule = self._from_now(msgspec.structs.replace(old, **fields, used=used, fault=None))
        if old is None or row_of(schedule) != row_of(old):
            self._write(schedule)
        return schedule

    def get(self, name: str) -> Schedule:
        """Return one schedule; raises ``ScheduleNotFoundError``."""
        schedule = self._find(name)
        if schedule is None:
            raise ScheduleNotFoundError(f"asked for schedule {name!r}, found none of that name")
        return schedule

    def entries(self) -> list[Schedule]:
        """Return all schedules by name."""
        return [schedule_from(row) for row in self._database.rows(f"SELECT {COLUMNS} FROM schedule ORDER BY name")]

    def remove(self, name: str) -> None:
        """Remove a schedule, with what it has queued; its jobs stay. Raises ``ScheduleNotFoundError``."""
        self.get(name)
        self._database.run("DELETE FROM schedule WHERE name = ?", (name,))

    def pause(self, name: str) -> None:
        """Let a schedule make no job until it is resumed; raises ``ScheduleNotFoundError``."""
        schedule = self.get(name)
        if not schedule.is_paused:
            self._write(msgspec.structs.replace(schedule, is_paused=True))

    def resume(self, name: str) -> None:
        """Let a schedule go on from now; what it has passed meanwhile is left out. Raises ``ScheduleNotFoundError``."""
        schedule = self.get(name)
        if schedule.is_paused:
            now = self._database.now
            self._write(
                msgspec.structs.replace(schedule, is_paused=False, seen_at=now, next_at=next_fire(schedule, now))
            )
            if schedule.queued_at is not None:
                self._changes.wake_at = now

    def run_now(self, name: str) -> int:
        """Make a job of a schedule beside its fire times, whatever its state and policies, and return its id.

        For the overlap policy it is the schedule's last job. Raises ``ScheduleNotFoundError``.
        """
        schedule = self.get(name)
        (job_id,) = self._make([marked_job(schedule, self._database.now)])
        self._write(msgspec.structs.replace(schedule, last_job_id=job_id))
        return job_id

    def fire_due(self) -> None:
        """Make the jobs of all that is due.

        The first time all schedules are looked at: the time zones may be newer than when their next times were found.
        """
        if self._claims.is_kept:
            return
        if self._awaited_jobs():
            self._fire_queued()
        is_due = "(next_at <= ?1 OR seen_at > ?1)" if self._has_looked else "?1 IS NOT NULL"
        rows = self._database.rows(
            f"SELECT {COLUMNS}, {IS_BUSY} FROM schedule WHERE {FIRES} AND {is_due} ORDER BY next_at, name",
            (self._database.now,),
        )
        self._has_looked = True
        for row in rows:
            self._look_at(schedule_from(row[:-1]), is_busy=bool(row[-1]))

    def follow_up(self) -> None:
        """Make the jobs that were queued behind one that has ended in this group."""
        awaited = self._awaited_jobs()
        if awaited and not awaited.isdisjoint(move.job_id for move in self._changes.moves) and not self._claims.is_kept:
            self._fire_queued()

    def next_wake(self) -> float | None:
        """Return when the next schedule fires, in seconds since the epoch, or None."""
        if self._claims.is_kept:
            return None
        row = self._database.row(f"SELECT min(next_at) FROM schedule WHERE {FIRES}")
        return None if row is None else row[0]

    def _look_at(self, schedule: Schedule, *, is_busy: bool) -> None:
        try:
            looked = look(schedule, self._database.now, is_busy=is_busy)
        except Exception as error:  # noqa: BLE001 - such as a time zone that is gone; it must not hold up all else
            fault = f"{type(error).__name__}: {error}"
            self._write(msgspec.structs.replace(schedule, fault=fault, next_at=None))
        else:
            self._apply(schedule, looked)

    def _fire_queued(self) -> None:
        rows = self._database.rows(
            f"SELECT {COLUMNS} FROM schedule WHERE queued_at IS NOT NULL AND {FIRES} AND NOT {IS_BUSY} ORDER BY name"
        )
        for schedule in map(schedule_from, rows):
            self._apply(schedule, look_at_queue(schedule))

    def _apply(self, schedule: Schedule, looked: Look) -> None:
        """Make the jobs of a look and write what it made of the schedule."""
        after = looked.schedule
        for job_id in self._make(looked.jobs)[-1:]:
            after = msgspec.structs.replace(after, last_job_id=job_id)
        if after != schedule:
            self._write(after)

    def _make(self, jobs: Sequence[NewJob]) -> list[int]:
        """Make *jobs* and return their ids; one whose key is there was made before, perhaps of another kind."""
        made = [(one.job_id, job) for one, job in zip(self._jobs.create_free(jobs), jobs, strict=True) if one]
        # The parent of a run has no first step yet, so it counts as ripe, and the executor is told to go on with it.
        self._changes.parents.update(job_id for job_id, job in made if job.state is State.WAITING)
        return [job_id for job_id, _ in made]

    def _from_now(self, schedule: Schedule) -> Schedule:
        """Return a schedule whose first fire time is the first from now on."""
        now, rule = self._database.now, schedule.rule
        if isinstance(rule, Interval):
            rule = msgspec.structs.replace(rule, from_at=now)
        fresh = msgspec.structs.replace(schedule, rule=rule, seen_at=now)
        return msgspec.structs.replace(fresh, next_at=next_fire(fresh, now))

    def _find(self, name: str) -> Schedule | None:
        row = self._database.row(f"SELECT {COLUMNS} FROM schedule WHERE name = ?", (name,))
        return None if row is None else schedule_from(row)

    def _write(self, schedule: Schedule) -> None:
        self._awaited = None
        self._database.run(f"INSERT OR REPLACE INTO schedule ({COLUMNS}) VALUES ({PLACES})", row_of(schedule))
        if schedule.next_at is not None and not schedule.is_paused:
            self._changes.wake_at = min(self._changes.wake_at, schedule.next_at)

    def _awaited_jobs(self) -> frozenset[int]:
        """Return the jobs that something is queued behind; read once, and again after every write and rollback."""
        if self._awaited is None or self._awaited[0] != self._database.rollbacks:
            rows = self._database.rows("SELECT last_job_id FROM schedule WHERE queued_at IS NOT NULL")
            self._awaited = (self._database.rollbacks, frozenset(row[0] for row in rows))
        return self._awaited[1]


def is_same(old: Rule, new: Rule) -> bool:
    """Whether *new*, as a caller says it, is the rule *old* that is kept; an interval is kept with where it begins."""
    if isinstance(old, Interval) and isinstance(new, Interval):
        return old.every_s == new.every_s
    return old == new


def row_of(schedule: Schedule) -> tuple[Value, ...]:
    """Return the row of ``COLUMNS`` that keeps *schedule*."""
    return (
        schedule.name,
        schedule.job.definition_id,
        _text_of(schedule.job),
        _text_of(schedule.rule),
        schedule.catch_up,
        schedule.catch_up_limit,
        schedule.overlap,
        int(schedule.is_paused),
        schedule.seen_at,
        schedule.next_at,
        schedule.last_at,
        schedule.last_job_id,
        schedule.queued_at,
        _text_of(schedule.used),
        schedule.fault,
    )


@made_of_row
def schedule_from(row: Row) -> Schedule:
    """Make the record of a row of ``COLUMNS``."""
    return Schedule(
        name=row[0],
        job=msgspec.json.decode(row[2], type=NewJob),
        rule=msgspec.json.decode(row[3], type=Rule),
        catch_up=CatchUp(row[4]),
        catch_up_limit=row[5],
        overlap=Overlap(row[6]),
        is_paused=bool(row[7]),
        seen_at=row[8],
        next_at=row[9],
        last_at=row[10],
        last_job_id=row[11],
        queued_at=row[12],
        used=msgspec.json.decode(row[13], type=tuple[Span, ...]),
        fault=row[14],
    )


def _text_of(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
