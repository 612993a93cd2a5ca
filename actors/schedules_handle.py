"""Owns what a caller holds of an engine's schedules: put, list, pause, resume, remove, and run one now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, Unpack

from ..engine.clock import Clock
from ..engine.crawl_jobs import run_job
from ..engine.definitions import Definition, check
from ..engine.errors import InvalidJobError
from ..engine.fire_times import Cron, Interval, Rule
from ..engine.records import NewJob
from ..engine.schedules import RESERVED, CatchUp, NewSchedule, Overlap, Schedule
from .address import Address
from .job_handle import JobHandle
from .job_interface import JobOptions, checked
from .kinds import Kind, Kinds
from .schedule_messages import (
    GetSchedule,
    ListSchedules,
    PauseSchedule,
    PutSchedule,
    RemoveSchedule,
    ResumeSchedule,
    RunScheduleNow,
)
from .step_jobs import check_steps

P = TypeVar("P", CatchUp, Overlap)
OWN = ("run_at", "delay_s", "key", "key_scope", "key_period_s", "on_clash")  # options that a schedule gives itself


class Schedules:
    """The schedules of an engine; they fire while it runs."""

    def __init__(
        self, manager: Address, reader: Address, kinds: Kinds, clock: Clock, start_crawlers: Callable[[], None]
    ) -> None:
        self._manager = manager
        self._reader = reader
        self._kinds = kinds
        self._clock = clock
        self._start_crawlers = start_crawlers

    def put(  # noqa: PLR0913 - all but the first three by name, each with a default
        self,
        name: str,
        kind: Kind[Any, Any] | str | Definition,
        config: Any = None,
        *,
        cron: str | None = None,
        every_s: float | None = None,
        timezone: str = "UTC",
        catch_up: CatchUp | Literal["skip", "once", "all"] = CatchUp.ONCE,
        catch_up_limit: int = 100,
        overlap: Overlap | Literal["allow", "skip", "queue"] = Overlap.ALLOW,
        **options: Unpack[JobOptions],
    ) -> Schedule:
        """Have jobs of a kind, or runs of a definition, made at the times of *cron* in *timezone* or each *every_s*.

        Durable on return. An equal schedule that is there stays as it is; one that differs in its times takes effect
        from now, the first interval ending after *every_s* seconds. The options are those of ``Engine.enqueue`` but for
        time and key. Raises ``InvalidJobError``, ``DefinitionError`` and ``MetadataError``; then nothing is written.
        """
        definition = kind if isinstance(kind, Definition) else None
        if isinstance(kind, Definition):
            job = self._run(name, kind, config, options)
        else:
            job = self._job(name, kind, config, options)
        schedule = NewSchedule(
            name=name,
            job=job,
            rule=rule_from(name, cron, every_s, timezone),
            catch_up=one_of(CatchUp, catch_up, name),
            catch_up_limit=catch_up_limit,
            overlap=one_of(Overlap, overlap, name),
        )
        kept: Schedule = self._manager.ask(PutSchedule(schedule=schedule, definition=definition))
        if definition is not None:
            self._start_crawlers()
        return kept

    def get(self, name: str) -> Schedule:
        """Return one schedule; raises ``ScheduleNotFoundError``."""
        found: Schedule = self._manager.ask(GetSchedule(name=name))
        return found

    def list(self) -> list[Schedule]:
        """Return all schedules by name."""
        found: list[Schedule] = self._manager.ask(ListSchedules())
        return found

    def pause(self, name: str) -> None:
        """Let a schedule make no job until it is resumed, also after a restart; raises ``ScheduleNotFoundError``."""
        self._manager.ask(PauseSchedule(name=name))

    def resume(self, name: str) -> None:
        """Let a schedule go on from now; what it passed meanwhile is left out. Raises ``ScheduleNotFoundError``."""
        self._manager.ask(ResumeSchedule(name=name))

    def remove(self, name: str) -> None:
        """Remove a schedule; the jobs that it made stay. Raises ``ScheduleNotFoundError``."""
        self._manager.ask(RemoveSchedule(name=name))

    def run_now(self, name: str) -> JobHandle[Any]:
        """Make a job, or a run, of a schedule at once, beside its times; raises ``ScheduleNotFoundError``."""
        job_id: int = self._manager.ask(RunScheduleNow(name=name))
        return JobHandle(job_id, self._manager, self._reader)

    def makes_runs(self) -> bool:
        """Whether there is a schedule that makes runs of a definition; for the engine."""
        return any(schedule.job.definition_id is not None for schedule in self.list())

    def _job(self, name: str, kind: Kind[Any, Any] | str, config: Any, options: JobOptions) -> NewJob:
        asked = f"asked for schedule {name!r}"
        known = self._kinds.get(kind) if isinstance(kind, str) else kind
        if not isinstance(known, Kind):
            raise InvalidJobError(f"{asked} of a {type(kind).__name__}; give a kind, its name or a definition")
        for option in options:
            if option in OWN:
                raise InvalidJobError(f"{asked} with {option}, but it gives its jobs their time and key itself")
            if option not in JobOptions.__annotations__:
                raise InvalidJobError(f"{asked} with {option}, found no option of that name")
        return known.new_job(config, **checked(options, self._clock.now()))

    def _run(self, name: str, definition: Definition, config: Any, options: JobOptions) -> NewJob:
        if config is not None or options:
            given = "a config" if config is not None else next(iter(options))
            raise InvalidJobError(
                f"asked for schedule {name!r} of definition {definition.name!r} with {given}; a run has what its"
                " definition says"
            )
        check(definition)
        check_steps(definition, self._kinds)
        taken = [label for label in RESERVED if label in definition.labels]
        if taken:
            raise InvalidJobError(f"schedule {name!r} gives its runs {taken[0]!r} itself; choose another label")
        return run_job(definition, key=None)


def rule_from(name: str, cron: str | None, every_s: float | None, timezone: str) -> Rule:
    """Return the rule that is asked for; raises ``InvalidJobError`` unless it is one of the two."""
    asked = f"asked for schedule {name!r}"
    if cron is not None and every_s is not None:
        raise InvalidJobError(f"{asked} with both cron and every_s; give one of them")
    if cron is not None:
        return Cron(expression=cron, timezone=timezone)
    if every_s is None:
        raise InvalidJobError(f"{asked}, found neither cron nor every_s; give one of them")
    if timezone != "UTC":
        raise InvalidJobError(f"{asked} with every_s and a timezone, but an interval is as long everywhere")
    return Interval(every_s=every_s)


def one_of(policies: type[P], policy: str, name: str) -> P:
    """Return the policy of that name; raises ``InvalidJobError``."""
    try:
        return policies(policy)
    except ValueError:
        known = ", ".join(policies)
        asked = f"asked for schedule {name!r} with {policy!r}"
        raise InvalidJobError(f"{asked}, found no policy of that name among {known}") from None
