"""Owns ``Definition``: what a person declares and keeps, the recipe for a run.

A definition is decoded field by field by msgspec, which judges types, and then checked for sense; every error names
the source, the key and what was expected there. No message shows a start URL, for its query may hold a token. What a
field left out means is the default written on the record, and nowhere else.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

import msgspec

from . import definition_rules as rules
from .errors import DefinitionError, UrlError
from .login_steps import LoginStep, login_faults
from .records import Record
from .session_checks import SessionCheck, session_check_faults
from .steps import CRAWL, STEP_LISTS, Step, step_faults
from .urls import canonical_url

Scope = Literal["site", "host", "any"]
Label = str | int | float | bool | None
Steps = Sequence[Step | Mapping[str, Any]]
NESTED = {**dict.fromkeys(STEP_LISTS, step_faults), "login": login_faults, "session_check": session_check_faults}


class AuthPolicy(enum.StrEnum):
    """What becomes of a page whose session cannot be had or does not work."""

    REQUIRE = "require"  # it waits for the credential
    DEGRADE = "degrade"  # it is fetched anonymously, with a warning


class Definition(Record, frozen=True, kw_only=True):
    """A recipe for a crawl; ``Definition.crawl`` builds a checked one, the constructor alone checks nothing."""

    name: str
    start_urls: tuple[str, ...] = ()  # the seeds, depth 0; of a definition that has no steps
    auth_id: str | None = None  # of the stored session to crawl with; None is anonymous
    auth_policy: AuthPolicy | None = None  # None: require once auth_id is named, else degrade
    login: tuple[LoginStep, ...] = ()  # how to log in, with the secrets of that credential; () only a person can
    session_check: SessionCheck | None = None  # what tells a page with a session from one without
    max_pages: int = 100  # exact for the run
    max_depth: int = 3  # links followed from a seed
    include: tuple[str, ...] = ()  # regular expressions; a link must match one of them, if there are any
    exclude: tuple[str, ...] = ()  # regular expressions; a link must match none of them
    scope: Scope = "site"  # where links may lead: the seeds' sites, exactly their hosts, or anywhere
    concurrency: int = 4  # pages fetched at once
    allow_private: bool = False  # whether addresses that are not public may be dialled
    error_tolerance: float = 1.0  # the share of pages that may fail; 1.0: the run fails only when all of them failed
    page_timeout_s: float = 30.0  # for one page, from the request to the end of its scripts
    max_attempts: int = 4  # for one page: the first try and three retries
    labels: dict[str, Label] = msgspec.field(default_factory=dict)  # go into the run's metadata, and so to every page
    pre_jobs: tuple[Step, ...] = ()  # run first, one after the other
    steps: tuple[Step, ...] = ()  # instead of start_urls: jobs and crawls, one after the other
    post_jobs: tuple[Step, ...] = ()  # run last, also after a failure
    timeout_s: float | None = None  # for the whole run; then it fails

    @property
    def effective_auth_policy(self) -> AuthPolicy:
        """The policy in force: the one declared, else require once a session is named, else degrade."""
        if self.auth_policy is not None:
            return self.auth_policy
        return AuthPolicy.DEGRADE if self.auth_id is None else AuthPolicy.REQUIRE

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps; a definition without any is one crawl."""
        return self.steps or (Step(kind=CRAWL),)

    @property
    def is_one_crawl(self) -> bool:
        """Whether a run of it is a crawl and nothing else."""
        return not (self.pre_jobs or self.steps or self.post_jobs)

    def of_step(self, step: Step, key: str) -> Definition:
        """Return the definition of one crawl of a run: the run's own, but for what the step's config says."""
        whole = {**msgspec.structs.asdict(self), "pre_jobs": (), "steps": (), "post_jobs": (), "timeout_s": None}
        return definition_from({**whole, **step.config, "name": f"{self.name} {key}"}, source=f"{self.name} {key}")

    @overload
    @classmethod
    def crawl(cls, name: str, *, start_urls: Sequence[str], **options: Unpack[CrawlOptions]) -> Definition: ...

    @overload
    @classmethod
    def crawl(cls, name: str, *, steps: Steps, **options: Unpack[CrawlOptions]) -> Definition: ...

    @classmethod
    def crawl(cls, name: str, **options: Any) -> Definition:
        """Build and check a definition from *start_urls* or *steps*; the options are the other fields of the record.

        Raises ``DefinitionError`` for an unknown option, a wrong type, or a value that makes no sense.
        """
        return definition_from({"name": name, "start_urls": (), **options}, source=f"definition {rules.shown(name)}")


class CrawlOptions(TypedDict, total=False):
    """The further options of ``Definition.crawl``: fields of ``Definition``, with lists where that has tuples."""

    auth_id: str | None
    auth_policy: AuthPolicy | Literal["require", "degrade"] | None
    login: Sequence[LoginStep | Mapping[str, Any]]
    session_check: SessionCheck | Mapping[str, Any] | None
    max_pages: int
    max_depth: int
    include: Sequence[str]
    exclude: Sequence[str]
    scope: Scope
    concurrency: int
    allow_private: bool
    error_tolerance: float
    page_timeout_s: float
    max_attempts: int
    pre_jobs: Steps
    post_jobs: Steps
    timeout_s: float | None
    labels: Mapping[str, Label]


def definition_from(fields: Mapping[Any, Any], *, source: str) -> Definition:
    """Decode and check a definition from plain values, as a TOML or JSON file or the database holds them.

    *source* names where they came from in the ``DefinitionError`` that any fault raises.
    """
    known = msgspec.structs.fields(Definition)
    unknown = [key for key in fields if key not in Definition.__struct_fields__]
    if unknown:
        raise DefinitionError(f"{source}: {rules.unknown_key(unknown[0], Definition.__struct_fields__)}")

    values: dict[str, Any] = {}  # checked one by one against the record's own types
    for field in known:
        if field.name in fields:
            values[field.name] = _converted(source, field, fields[field.name])
        elif field.required or (field.name == "start_urls" and "steps" not in fields):
            raise DefinitionError(f"{source}: {field.name}: expected {rules.EXPECTED[field.name]}, found nothing")
    definition = Definition(**values)
    check(definition, source=source)
    return definition


def check(definition: Definition, *, source: str | None = None) -> None:
    """Check all that types do not say; raise ``DefinitionError`` naming *source*, the key and what was expected.

    Without *source* the definition's own name stands for it.
    """
    given: object = definition
    if not isinstance(given, Definition):
        raise DefinitionError(
            f"asked for a run of a {type(given).__name__}; give a Definition, or read_definition(...)"
        )
    fault = (
        rules.first_fault(msgspec.structs.asdict(definition)) or _unreadable_url(definition) or _bad_part(definition)
    )
    if fault is not None:
        source = source or f"definition {rules.shown(definition.name)}"
        raise DefinitionError(f"{source}: {fault}")


def _unreadable_url(definition: Definition) -> str | None:
    for index, url in enumerate(definition.start_urls):
        try:
            canonical_url(url)
        except UrlError as error:
            return f"start_urls[{index}]: {error}"
    return None


def _bad_part(definition: Definition) -> str | None:
    for key, faults in NESTED.items():
        for fault in faults(key, getattr(definition, key)):
            return fault
    for key in STEP_LISTS:
        steps: tuple[Step, ...] = getattr(definition, key)
        for index, step in enumerate(steps):
            if step.kind == CRAWL:
                try:
                    definition.of_step(step, f"{key}[{index}]")
                except DefinitionError as error:
                    return str(error).replace(f"{definition.name} {key}[{index}]", f"{key}[{index}].config")
    return None


def canonical_json(definition: Definition) -> bytes:
    """Encode with sorted keys and every default written out; the seeds keep their order."""
    return msgspec.json.encode(definition, order="sorted")


def definition_digest(definition: Definition) -> str:
    """Return the hash of the canonical JSON, 32 hex digits; equal definitions, and only those, share one."""
    return hashlib.blake2b(canonical_json(definition), digest_size=16).hexdigest()


def _converted(source: str, field: msgspec.structs.FieldInfo, value: Any) -> Any:  # Any: decoded from outside
    if field.name in NESTED:
        for fault in NESTED[field.name](field.name, value):
            raise DefinitionError(f"{source}: {fault}")
    try:
        return msgspec.convert(value, field.type)
    except msgspec.ValidationError:
        # msgspec's own text speaks of arrays and objects and may quote a value; the rules say it in the file's words.
        raise DefinitionError(f"{source}: {rules.wrong_type(field.name, value)}") from None
