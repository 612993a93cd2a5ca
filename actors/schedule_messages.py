"""Owns what people ask of schedules; what is due fires with ``FallDue``."""

from __future__ import annotations

import msgspec

from ..engine.definitions import Definition
from ..engine.schedules import NewSchedule, Schedule
from ..engine.store import Store
from .messages import Request


class PutSchedule(Request, frozen=True, kw_only=True):
    """Keep a schedule; reply the ``Schedule``. With a definition, that is kept and named in the same write."""

    schedule: NewSchedule
    definition: Definition | None = None

    def apply(self, store: Store) -> Schedule:
        """Keep it."""
        schedule = self.schedule
        if self.definition is not None:
            stored = store.definitions.save(self.definition)
            job = msgspec.structs.replace(schedule.job, definition_id=stored.id)
            schedule = msgspec.structs.replace(schedule, job=job)
        return store.schedules.put(schedule)


class GetSchedule(Request, frozen=True, kw_only=True):
    """Reply one ``Schedule``."""

    name: str

    def apply(self, store: Store) -> Schedule:
        """Read it."""
        return store.schedules.get(self.name)


class ListSchedules(Request, frozen=True, kw_only=True):
    """Reply all ``Schedule`` records by name."""

    def apply(self, store: Store) -> list[Schedule]:
        """Read them."""
        return store.schedules.entries()


class RemoveSchedule(Request, frozen=True, kw_only=True):
    """Remove a schedule."""

    name: str

    def apply(self, store: Store) -> None:
        """Remove it."""
        store.schedules.remove(self.name)


class PauseSchedule(Request, frozen=True, kw_only=True):
    """Let a schedule make no job until it is resumed."""

    name: str

    def apply(self, store: Store) -> None:
        """Pause it."""
        store.schedules.pause(self.name)


class ResumeSchedule(Request, frozen=True, kw_only=True):
    """Let a schedule go on from now."""

    name: str

    def apply(self, store: Store) -> None:
        """Resume it."""
        store.schedules.resume(self.name)


class RunScheduleNow(Request, frozen=True, kw_only=True):
    """Make a job of a schedule beside its fire times; reply its id."""

    name: str

    def apply(self, store: Store) -> int:
        """Make it."""
        return store.schedules.run_now(self.name)
