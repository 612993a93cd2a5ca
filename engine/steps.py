"""Owns ``Step``: one part of a definition that does more than crawl, and what must hold of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from .definition_rules import key_shown, shown
from .errors import MetadataError
from .json_values import encode_json
from .records import Json, Record

CRAWL = "crawl"  # the kind of a run's parent, the queue of its pages, and the one kind of step that is built in
MAX_RETRIES = 100
STEP_LISTS = ("pre_jobs", "steps", "post_jobs")
NOT_OF_A_CRAWL = ("name", *STEP_LISTS)  # keys of a definition that one crawl of a run has no use for

OnError = Literal["fail", "continue", "retry"]


class Step(Record, frozen=True, kw_only=True):
    """One job of a run, or one crawl in it."""

    kind: str  # "crawl", or a kind that the program has registered
    config: dict[str, Json] = msgspec.field(
        default_factory=dict
    )  # of the job; for a crawl the keys of a definition, where it differs from its run's
    on_error: OnError = "fail"  # what its failure does: end the run, nothing, or have it done again first
    retries: int = 1  # how often it is done again, with on_error = "retry"; then it fails the run


def step_faults(key: str, value: object) -> Iterator[str]:
    """Yield what is wrong with a list of steps as a file holds it, each with the key that it stands under."""
    if not isinstance(value, list | tuple):
        yield f"{key}: expected a list of tables, each with a kind, found {shown(value)}"
        return
    for index, step in enumerate(value):
        for name, fault in _faults_of(step):
            yield f"{key}[{index}]{name}: {fault}"


def _faults_of(step: object) -> Iterator[tuple[str, str]]:
    fields: Mapping[str, Any] | None = step if isinstance(step, dict) else None
    if isinstance(step, Step):
        fields = {name: getattr(step, name) for name in Step.__struct_fields__}
    if fields is None:
        yield "", f"expected a table with a kind, found {shown(step)}"
        return
    for name in fields:
        if name not in Step.__struct_fields__:
            near = difflib.get_close_matches(str(name), Step.__struct_fields__, n=1)
            yield f".{key_shown(name)}", "unknown key" + (f"; did you mean {near[0]}?" if near else "")
    kind, on_error, retries = fields.get("kind"), fields.get("on_error", "fail"), fields.get("retries", 1)
    if not isinstance(kind, str) or not kind or not kind.isprintable():
        yield ".kind", f'expected "crawl" or a registered kind, found {"nothing" if kind is None else shown(kind)}'
    yield from _config_faults(kind, fields.get("config", {}))
    if on_error not in ("fail", "continue", "retry"):
        yield ".on_error", f'expected "fail", "continue" or "retry", found {shown(on_error)}'
    if not isinstance(retries, int) or isinstance(retries, bool) or not 1 <= retries <= MAX_RETRIES:
        yield ".retries", f"expected an integer from 1 to {MAX_RETRIES}, found {shown(retries)}"
    elif retries != 1 and on_error != "retry":
        yield ".retries", f'expected on_error = "retry" beside it, found {shown(on_error)}'


def _config_faults(kind: object, config: object) -> Iterator[tuple[str, str]]:
    if not isinstance(config, dict):
        yield ".config", f"expected a table, found {shown(config)}"
        return
    try:
        encode_json(config, owner="expected what JSON can hold")
    except MetadataError as error:
        yield ".config", str(error)
    for name in NOT_OF_A_CRAWL if kind == CRAWL else ():
        if name in config:
            yield f".config.{name}", "expected none in a crawl of a run, found one"
