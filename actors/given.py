"""Owns the types of what a caller gives by name, and the refusal of what is of another, before anything is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..engine.errors import EngineError, InvalidJobError, RetentionError, StoreError
from ..engine.filters import JobFilter
from ..engine.job_rules import check_job
from ..engine.json_values import MAX_INTEGER
from ..engine.limits import Rate
from ..engine.number_rules import is_number, is_whole
from ..engine.records import NewJob, Record, State
from ..engine.retention import Retention
from ..engine.retries import Retry
from .job_words import plain, read

RECORDS: Mapping[str, type[Record]] = {"retry": Retry, "rate": Rate, "partition_rate": Rate}
RULED = ("queue", "timeout_s", "max_child_failures")  # of a kind's options those that its jobs take over


class GivenOfJob(Record, frozen=True, kw_only=True):
    """The options of a job; the words of enums are looked at by themselves."""

    queue: str = ""
    run_at: float | None = None
    delay_s: float | None = None
    priority: int = 0
    partition: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[Any, Any] = msgspec.field(default_factory=dict)  # Any: looked at when it is written
    max_attempts: int = 1
    timeout_s: float | None = None
    run_timeout_s: float | None = None
    key: str | None = None
    key_scope: Any = None  # Any: an enum or its word, here and twice below
    key_period_s: float | None = None
    on_clash: Any = None
    on_failure: Any = None
    max_child_failures: int | float | None = None


class GivenOfKind(Record, frozen=True, kw_only=True):
    """The options of a kind that are no records."""

    name: str
    queue: str = ""
    timeout_s: float | None = None
    run_in: Literal["thread", "process"] = "thread"
    concurrency: int | None = None
    partition_concurrency: int | None = None
    max_child_failures: int | float = 0


class GivenPlace(Record, frozen=True, kw_only=True):
    """Which jobs of a list are asked for."""

    state: State | None
    parent_id: int | None
    after_id: int
    limit: int


def check_job_options(options: Mapping[str, Any], *, asked: str) -> None:
    """Raise ``InvalidJobError`` for an option of a job that is of another type."""
    if options:
        read(options, GivenOfJob, asked=asked)


def check_kind_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise ``InvalidJobError`` for a name of a kind that is none, and for an option that no job of it can have."""
    asked = f"kind {name!r}"
    read({"name": name, **{one: options[one] for one in options if one not in RECORDS}}, GivenOfKind, asked=asked)
    for option, type_ in RECORDS.items():
        value = options.get(option)
        if option in options and not isinstance(value, type_):
            raise InvalidJobError(f"{asked}: {option} is a {type_.__name__}, found {value!r}")
    check_job(NewJob(kind=name, **{one: options[one] for one in RULED if one in options}))


def check_filter(job_filter: JobFilter) -> None:
    """Raise ``InvalidJobError`` for what is no filter, or has a field of another type."""
    if not isinstance(job_filter, JobFilter):
        raise InvalidJobError(f"asked for jobs by a {type(job_filter).__name__}; give a JobFilter")
    fields = {name: plain(value) for name, value in msgspec.structs.asdict(job_filter).items()}
    read(fields, JobFilter, asked="a filter of jobs")


def check_place(*, state: State | None, parent_id: int | None, after_id: int, limit: int) -> None:
    """Raise ``InvalidJobError`` for a list of jobs that there is not."""
    place = {"state": plain(state), "parent_id": parent_id, "after_id": after_id, "limit": limit}
    read(place, GivenPlace, asked="a list of jobs")
    for name, number in (("parent_id", parent_id or 0), ("after_id", after_id), ("limit", limit)):
        if not 0 <= number <= MAX_INTEGER:
            raise InvalidJobError(f"a list of jobs: {name} is a whole number from 0 on, found {number}")


def check_retention(retention: Retention) -> None:
    """Raise ``RetentionError`` for what is none."""
    if not isinstance(retention, Retention):
        raise RetentionError(f"asked to prune by a {type(retention).__name__}; give a Retention")


def checked_path(path: object) -> str:
    """Return *path* as a text; raises ``StoreError`` for what is no path."""
    found = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(found, str):
        raise StoreError(f"asked for a file, found {path!r} as its path; give a text or a Path")
    return found


def checked_id(job_id: int) -> int:
    """Return *job_id*; raises ``InvalidJobError`` for what no job can have as its id."""
    if not is_whole(job_id) or abs(job_id) > MAX_INTEGER:
        raise InvalidJobError(
            f"asked for job {job_id!r}, but the id of a job is a whole number; a handle has it as `id`"
        )
    return job_id


def check_timeout(timeout_s: float) -> None:
    """Raise ``EngineError`` for what is no number of seconds to wait."""
    if not is_number(timeout_s) or timeout_s != timeout_s:
        raise EngineError(f"asked to wait {timeout_s!r}, but a timeout is a number of seconds; leave it out to wait on")
