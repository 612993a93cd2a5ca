"""Owns what a handler may say of its job: progress, log lines and children, checked where the handler stands.

What is wrong is raised there. Once it has gone to the manager it would fail beside the reports of other jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from ..engine.errors import InvalidJobError
from ..engine.job_rules import check_job
from ..engine.json_values import MAX_INTEGER, encode_json, encode_object
from ..engine.log_levels import check_level
from ..engine.records import Json, LogEntry, NewJob, OnFailure, Progress, Record

T = TypeVar("T", bound=Record)


def progress_of(job_id: int, done: int, total: int | None, message: str) -> Progress:
    """Return how far a job is; raises ``InvalidJobError`` for what is no number or text, and ``MetadataError``."""
    fields = {"done": done, "total": total, "message": message}
    encode_object(fields, owner=f"progress of job {job_id}")
    return read(fields, Progress, asked=f"progress of job {job_id}")


def log_entry(job_id: int, at: float, message: str, level: str, fields: Mapping[str, Json]) -> LogEntry:
    """Return a line of a job's log; raises ``InvalidJobError``, ``LogLevelError`` and ``MetadataError``."""
    asked = f"a log line of job {job_id}"
    entry = {"job_id": job_id, "at": at, "level": check_level(str(level)), "message": message, "fields": dict(fields)}
    encode_object(entry, owner=asked)
    return read(entry, LogEntry, asked=asked)


def child_job(job: NewJob, parent_id: int) -> NewJob:
    """Return *job* as a child of *parent_id*; raises ``InvalidJobError`` and ``MetadataError``."""
    asked = f"a {job.kind} child of job {parent_id}"
    encode_json(job.config, owner=f"config of {asked}")
    encode_object(job.metadata, owner=f"metadata of {asked}")
    fields = {name: plain(value) for name, value in msgspec.structs.asdict(job).items()}
    wide = next((name for name, value in fields.items() if isinstance(value, int) and abs(value) > MAX_INTEGER), None)
    if wide is not None:
        raise InvalidJobError(f"{asked}: {wide} is an integer of more than 64 bits")
    child = read({**fields, "parent_id": parent_id}, NewJob, asked=asked)
    check_job(child)
    return child


def on_failure_of(word: OnFailure | str) -> OnFailure:
    """Return what a child's failure does to its parent; raises ``InvalidJobError`` for a word that is none."""
    try:
        return OnFailure(word)
    except ValueError:
        raise InvalidJobError(f"asked for on_failure={word!r}, expected one of {', '.join(OnFailure)}") from None


def read(fields: Mapping[str, Any], type_: type[T], *, asked: str) -> T:
    """Return *fields* as a record; raises ``InvalidJobError`` naming the one that is wrong."""
    try:
        return msgspec.convert(fields, type_)
    except msgspec.ValidationError as error:
        raise InvalidJobError(f"{asked}: {error}") from None


def plain(value: Any) -> Any:
    """Return an enum's value, and all else as it is."""
    return getattr(value, "value", value)
