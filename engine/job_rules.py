"""Owns what must hold of a job before it is made; what it says of it, the schema holds too."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .errors import InvalidJobError
from .json_values import MAX_INTEGER
from .records import KeyScope, NewJob, OnClash, OwnStep, State

MAX_KEY_LENGTH = 255  # characters; of a kind, a queue, a partition or a tag too
MAX_TAGS = 50


def check_job(job: NewJob) -> None:
    """Raise ``InvalidJobError`` for what no row can hold."""
    for faults in (_texts, _numbers, _shares, _times, _states, _keys):
        for fault in faults(job):
            raise InvalidJobError(fault)


def check_key(key: str | None) -> None:
    """Raise ``InvalidJobError`` for a key that no row can hold."""
    for fault in _key_text(key):
        raise InvalidJobError(fault)


def _texts(job: NewJob) -> Iterator[str]:
    for name, text in (("kind", job.kind), ("queue", job.queue)):
        if not _is_text(text):
            yield f"a job's {name} has 1 to {MAX_KEY_LENGTH} printable characters, found another text"
    if len(job.tags) > MAX_TAGS or not all(map(_is_text, job.tags)):
        yield f"a job has at most {MAX_TAGS} tags of 1 to {MAX_KEY_LENGTH} printable characters"
    if job.partition and not _is_text(job.partition):
        yield f"a partition has at most {MAX_KEY_LENGTH} printable characters; hash what is longer"
    yield from _key_text(job.key)


def _key_text(key: str | None) -> Iterator[str]:
    if key is not None and not _is_text(key):
        yield f"a key has 1 to {MAX_KEY_LENGTH} printable characters; hash what is longer"


def _numbers(job: NewJob) -> Iterator[str]:
    for name, least, number in (
        ("priority", -MAX_INTEGER, job.priority),
        ("max_attempts", 1, job.max_attempts),
        ("child_limit", 0, job.child_limit),
        ("child_concurrency", 1, job.child_concurrency),
        ("max_child_failures", 0, job.max_child_failures),
    ):
        if number is not None and not least <= number:
            yield f"{name} is at least {least}, found {number}"
        elif number is not None and number > MAX_INTEGER:
            yield f"{name} is at most {MAX_INTEGER}, found {number}"


def _shares(job: NewJob) -> Iterator[str]:
    share = job.max_child_failures
    if isinstance(share, float) and share > 1.0:
        yield f"max_child_failures is a whole number, or a share from 0.0 to 1.0, found {share}"


def _times(job: NewJob) -> Iterator[str]:
    if job.run_at is not None and not math.isfinite(job.run_at):
        yield f"run_at is seconds since the epoch, found {job.run_at}"
    for name, seconds in (
        ("timeout_s", job.timeout_s),
        ("run_timeout_s", job.run_timeout_s),
        ("key_period_s", job.key_period_s),
    ):
        if seconds is not None and not 0 < seconds < math.inf:
            yield f"{name} is a number of seconds above 0, found {seconds}"


def _states(job: NewJob) -> Iterator[str]:
    if job.state not in (State.PENDING, State.WAITING):
        yield f"a job begins as pending or waiting, not as {job.state}"
    if job.own_step is not OwnStep.NONE and (job.state, job.own_step) != (State.WAITING, OwnStep.AFTER_CHILDREN):
        yield "a job with its own step after its children begins as waiting for them"


def _keys(job: NewJob) -> Iterator[str]:
    if job.key is None and job.key_scope is not KeyScope.FOREVER:
        yield "a key scope was given without a key; give both or neither"
    if (job.key_scope is KeyScope.PERIOD) is (job.key_period_s is None):
        yield "the key scope 'period' goes with key_period_s, a number of seconds above 0"
    if job.on_clash is OnClash.AFTER and job.key_scope is not KeyScope.UNFINISHED:
        yield "on_clash 'after' goes with the key scope 'unfinished'"
    if job.on_clash is not OnClash.EXISTING and job.parent_id is not None:
        yield "on_clash is for jobs without a parent; a child whose key is taken is left out"
    if job.on_clash in (OnClash.REPLACE, OnClash.AFTER) and job.state is not State.PENDING:
        yield f"on_clash {str(job.on_clash)!r} is for jobs without children"


def _is_text(text: str) -> bool:
    return 0 < len(text) <= MAX_KEY_LENGTH and text.isprintable()
