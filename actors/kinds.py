"""Owns what a program registers: kinds of jobs, each with its handler, the types it takes and returns, and its terms.

A kind is looked up by its name, which the database keeps. What is enqueued is checked against the type here, before
anything is written, and again when it is run.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_type_hints

import msgspec

from ..engine.crawl_jobs import PAGE, RUN_KINDS
from ..engine.errors import InvalidJobError
from ..engine.json_values import encode_json
from ..engine.limits import KindTerms
from ..engine.records import DEFAULT_QUEUE, Json, KeyScope, NewJob, OnClash, OnFailure, Record
from ..engine.retries import Retry
from .given import GivenOfJob, check_job_options

C = TypeVar("C")
R = TypeVar("R")
RunIn = Literal["thread", "process"]
RESERVED = RUN_KINDS | {PAGE}
OPTIONS = frozenset(GivenOfJob.__struct_fields__) - {"delay_s"}  # of a job, beside what its kind says
WORDS: Mapping[str, type[KeyScope | OnClash | OnFailure]] = {
    "key_scope": KeyScope,
    "on_clash": OnClash,
    "on_failure": OnFailure,
}
Handler = Callable[..., Any]  # of a JobContext and, where it takes one, a config; perhaps async


class Terms(Record, frozen=True, kw_only=True):
    """What holds for all jobs of a kind, unless one is enqueued with something else."""

    queue: str = DEFAULT_QUEUE
    retry: Retry = Retry()
    timeout_s: float | None = None  # of one attempt
    run_in: RunIn = "thread"
    max_child_failures: int | float = 0
    limits: KindTerms


class Step(NamedTuple):
    """A handler, and how it is called; looked up once, for that takes longer than a quick job."""

    handler: Handler
    takes_config: bool
    is_async: bool


class Kind(Generic[C, R]):
    """A registered kind; called, it calls the handler."""

    def __init__(self, name: str, handler: Handler, terms: Terms) -> None:
        self.name = name
        self.terms = terms
        self.handler = handler
        self._defaults: dict[str, Any] = {  # of its jobs
            "queue": terms.queue,
            "max_attempts": terms.retry.max_attempts,
            "max_child_failures": terms.max_child_failures,
            "timeout_s": terms.timeout_s,
        }
        self.own_step: Handler | None = None
        self.config_type, self.result_type = types_of(handler, name)
        self.steps: tuple[Step, ...] = (step_of(handler),)  # and then its own step, where it has one
        if terms.run_in == "process":
            check_importable(handler, name)
        self.__doc__ = handler.__doc__

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the handler."""
        return self.handler(*arguments, **named)

    def after_children(self, handler: Handler) -> Handler:
        """Have *handler* run once the children that a job spawned have ended; what it returns is the job's result."""
        _, self.result_type = types_of(handler, self.name)
        if self.terms.run_in == "process":
            check_importable(handler, self.name)
        self.own_step, self.steps = handler, (*self.steps[:1], step_of(handler))
        return handler

    def new_job(self, config: Any, **options: Any) -> NewJob:
        """Return a job of this kind; the options are ``OPTIONS``, the words of enums as texts too.

        Raises ``InvalidJobError`` naming the option, or the field of *config*, that is wrong.
        """
        return NewJob(kind=self.name, config=self.checked(config), **self._fields(options))

    def bare_job(self, **options: Any) -> NewJob:
        """Return what jobs of this kind have in common, whatever their configs; raises ``InvalidJobError``."""
        return NewJob(kind=self.name, **self._fields(options))

    def checked(self, config: Any) -> Json:
        """Return *config* as plain JSON values; raises ``InvalidJobError`` unless it is of the handler's type."""
        if self.config_type is None:
            if config is not None:
                raise InvalidJobError(f"kind {self.name!r} takes no config, found a {type(config).__name__}")
            return {}
        return as_json(config, self.config_type, asked=f"config of a {self.name!r} job")

    def _fields(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._defaults, **fields_of(options)} if options else self._defaults

    def read_result(self, result: Json) -> R:
        """Return what a job of this kind returned from plain JSON values."""
        found: R = msgspec.convert(result, self.result_type)
        return found

    def read(self, config: Json) -> Any:
        """Return the handler's config from plain JSON values; raises ``InvalidJobError``."""
        try:
            return msgspec.convert(config, self.config_type)
        except msgspec.ValidationError as error:
            raise InvalidJobError(f"config of a {self.name!r} job: {error}") from None


class Kinds:
    """The kinds of one engine; any thread may use it."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind[Any, Any]] = {}
        self._lock = threading.Lock()

    def add(self, kind: Kind[Any, Any]) -> None:
        """Register *kind*; raises ``InvalidJobError`` when its name is taken."""
        if kind.name in RESERVED:
            raise InvalidJobError(f"asked to register kind {kind.name!r}, which is the crawler's; choose another name")
        with self._lock:
            if kind.name in self._kinds:
                raise InvalidJobError(f"asked to register kind {kind.name!r}, found it registered; choose another name")
            self._kinds[kind.name] = kind

    def get(self, name: str) -> Kind[Any, Any]:
        """Return the kind of that name; raises ``InvalidJobError``."""
        kind = self._kinds.get(name)
        if kind is None:
            raise InvalidJobError(f"asked for kind {name!r}, found none; register it with @engine.kind({name!r})")
        return kind

    def of(self, kind: Kind[Any, Any] | str) -> Kind[Any, Any]:
        """Return the kind that a caller means; raises ``InvalidJobError`` for one that is not registered here."""
        if isinstance(kind, str):
            return self.get(kind)
        return self.get(as_kind(kind).name)

    def of_queue(self, queue: str) -> tuple[KindTerms, ...]:
        """Return the terms of all kinds, for a job of any kind may be enqueued in any queue."""
        del queue
        return tuple(kind.terms.limits for kind in self._kinds.values())

    def queues(self) -> set[str]:
        """Return the queues that kinds name."""
        return {kind.terms.queue for kind in self._kinds.values()}


def as_kind(kind: Kind[C, R]) -> Kind[C, R]:
    """Return *kind*; raises ``InvalidJobError`` for what is none, such as a function that was not registered."""
    given: object = kind
    if not isinstance(given, Kind):
        named = getattr(given, "__name__", repr(given))
        raise InvalidJobError(f"asked for a job of {named}, found no kind; register it with @engine.kind(...)")
    return kind


def fields_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return *options* as fields of a ``NewJob``; raises ``InvalidJobError`` for one that is none."""
    fields = dict(options)
    unknown = fields.keys() - OPTIONS
    if unknown:
        raise InvalidJobError(f"asked for a job with {', '.join(sorted(unknown))}, found no option of that name")
    check_job_options(fields, asked="asked for a job")
    for name, type_ in WORDS.items():
        if name in fields:
            try:
                fields[name] = type_(fields[name])
            except ValueError:
                said = f"asked for a job with {name}={fields[name]!r}"
                raise InvalidJobError(f"{said}, expected one of {', '.join(type_)}") from None
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    return fields


def types_of(handler: Handler, name: str) -> tuple[Any, Any]:
    """Return the types of a handler's config (None where it takes none) and result, from its annotations.

    Raises ``InvalidJobError`` for a handler that cannot be called with a job and a config.
    """
    if not callable(handler):
        raise InvalidJobError(f"the handler of {name!r} is a function, found a {type(handler).__name__}")
    parameters = list(inspect.signature(handler).parameters.values())
    if not 1 <= len(parameters) <= 2 or not all(map(is_positional, parameters)):
        raise InvalidJobError(
            f"the handler of {name!r} takes a job and perhaps a config, found {len(parameters)} parameters"
        )
    config_type = None
    if len(parameters) == 2:
        config_type = hint_of(handler, parameters[1].name, name)
        if config_type is None:
            raise InvalidJobError(f"the handler of {name!r} says no type for its parameter {parameters[1].name!r}")
    result_type = hint_of(handler, "return", name)
    return config_type, Any if result_type is None else result_type


def step_of(handler: Handler) -> Step:
    """Return how a handler is called that ``types_of`` knows."""
    takes_config = len(inspect.signature(handler).parameters) == 2
    return Step(handler, takes_config, inspect.iscoroutinefunction(handler))


def is_positional(parameter: inspect.Parameter) -> bool:
    """Whether *parameter* takes one value by its place."""
    return parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def hint_of(handler: Handler, parameter: str, name: str) -> Any:
    """Return one of a handler's annotations, None where there is none.

    The others are not looked at: that of the job may be imported for type checkers alone.
    """
    owner: Any = handler.func if isinstance(handler, partial) else handler
    owner = inspect.unwrap(owner if hasattr(owner, "__annotations__") else type(owner).__call__)
    annotations = getattr(owner, "__annotations__", {})
    if parameter not in annotations:
        return None

    def only() -> None: ...

    only.__annotations__ = {parameter: annotations[parameter]}
    try:
        return get_type_hints(only, globalns=getattr(owner, "__globals__", {}))[parameter]
    except (NameError, TypeError) as error:
        raise InvalidJobError(f"the handler of {name!r} has a type that cannot be found: {error}") from None


def check_importable(handler: Handler, name: str) -> None:
    """Raise ``InvalidJobError`` for a handler that another process cannot import."""
    if "<" in handler.__qualname__:
        raise InvalidJobError(
            f"the handler of {name!r} is to run in a process, found it inside a function; put it at the top of a module"
        )


def as_json(value: Any, type_: Any, *, asked: str) -> Json:
    """Return *value* as plain JSON values of *type_*; raises ``InvalidJobError`` with the path of what is wrong."""
    try:
        plain = msgspec.to_builtins(value)
        msgspec.convert(plain, type_)
    except (msgspec.ValidationError, TypeError, ValueError, RecursionError) as error:
        raise InvalidJobError(f"{asked}: {error}") from None
    encode_json(plain, owner=asked)
    return plain
