"""Owns what runs in a handler's own process: it takes one attempt after the other from its parent and answers.

What a handler asks of its ``JobContext`` there is asked of the real one over the connection. Started by
``process_runner`` alone; ends when the connection does, in the middle of a handler too.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import select
import signal
import threading
from contextlib import suppress
from multiprocessing import spawn
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Unpack

import msgspec

from ..engine.errors import InvalidJobError, JobCancelledError
from ..engine.json_values import decode_json
from ..engine.records import Job, Json, NewJob, OnFailure, State
from .forks import end_fork
from .handler_signals import leave_to_program
from .job_interface import JobOptions, checked
from .job_words import on_failure_of
from .kinds import Handler, Kind, types_of
from .sent_errors import SentError, packed, unpacked


class Task(NamedTuple):
    """One attempt, as it is sent to a handler's process."""

    module: str
    qualname: str
    config: str | None  # JSON; None for a handler that takes none
    config_type_of: str  # the kind's own handler, whose annotation says what the config is
    facts: dict[str, Any]  # of the context: id, kind, attempt...


class Call(NamedTuple):
    """Something that the handler asks of its context."""

    method: str
    arguments: tuple[Any, ...]
    named: dict[str, Any]


class Returned(NamedTuple):
    """What came of a task or a call."""

    value: Any


class Raised(NamedTuple):
    """That a task or a call raised."""

    error: SentError


class RemoteContext:
    """The ``JobContext`` of a handler that runs in a process of its own; used by one thread at a time."""

    id: int
    kind: str
    attempt: int
    max_attempts: int
    parent_id: int | None
    metadata: dict[str, Json]

    def __init__(self, connection: Connection, facts: dict[str, Any]) -> None:
        self._connection = connection
        self._asking = threading.Lock()
        self.__dict__.update(facts)

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled, timed out or passed to somebody else."""
        lost: bool = self._call("is_cancelled")
        return lost

    def check(self) -> None:
        """Raise ``JobCancelledError`` if the job is ``cancelled``."""
        if self.cancelled:
            raise JobCancelledError(f"job {self.id} was cancelled or its lease has ended; stop here")

    def update_metadata(self, **changes: Json) -> None:
        """Merge keys into the job's metadata, which its children inherit; durable on return."""
        self._call("update_metadata", **changes)
        self.metadata = {**self.metadata, **changes}

    def spawn(
        self,
        kind: Kind[Any, Any],
        config: Any = None,
        *,
        on_failure: OnFailure | str = OnFailure.COUNT,
        **options: Unpack[JobOptions],
    ) -> None:
        """Make a child of this job, once this attempt has succeeded."""
        fields = checked(options, 0.0)
        delay_s = options.get("delay_s")
        if delay_s is not None:
            del fields["run_at"]  # the time is the engine's to say
        job: NewJob = kind.new_job(config, on_failure=on_failure_of(on_failure), **fields)
        self._call("spawn_job", job, delay_s=delay_s)

    def results(self, kind: Kind[Any, Any]) -> list[Any]:
        """Return what the completed children of that kind returned, oldest first."""
        completed: list[Job] = self._call("children", State.COMPLETED)
        return [kind.read_result(job.result) for job in completed if job.kind == kind.name]

    def result_of(self, job_id: int, type_: Any = None) -> Any:
        """Return what another job returned, as *type_* where that is given; raises ``JobNotFoundError``."""
        result = self._call("result_of", job_id)
        return result if type_ is None else msgspec.convert(result, type_)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments, **named: self._call(name, *arguments, **named)

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        with self._asking:
            self._connection.send(Call(method, arguments, named))
            said: Returned | Raised = self._connection.recv()
        if isinstance(said, Raised):
            raise unpacked(said.error)
        return said.value


def main(descriptor: int) -> None:
    """Serve the parent over the socket *descriptor* until it closes."""
    leave_to_program()
    threading.Thread(target=die_with_parent, args=(descriptor,), daemon=True).start()
    connection = Connection(descriptor)
    try:
        fault = prepare(connection.recv())
        while True:
            task = connection.recv()
            connection.send(fault or perform(task, connection))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def die_with_parent(descriptor: int) -> None:
    """End this process, and what its handler has started, once the other end of the socket is closed."""
    ends = select.poll()
    ends.register(descriptor, 0)  # no data, only the end
    ends.poll()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def prepare(preparation: dict[str, Any]) -> Raised | None:
    """Take over sys.path, the working folder and the program's main module; return what that raised."""
    try:
        spawn.prepare(preparation)
    except BaseException as error:  # noqa: BLE001 - the main module is the program's own
        return Raised(packed(error, without=__file__))
    return None


def perform(task: Task, connection: Connection) -> Returned | Raised:
    """Run one attempt and return what came of it."""
    own = os.getpid()
    try:
        handler = handler_at(task.module, task.qualname)
        arguments: list[Any] = [RemoteContext(connection, task.facts)]
        if task.config is not None:
            arguments.append(config_of(task))
        result = handler(*arguments)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        end_fork(own, None)
        return Returned(as_plain(result))
    except BaseException as error:  # noqa: BLE001 - a handler may raise anything, and harms only its job
        end_fork(own, error)
        return Raised(packed(error, without=__file__))


def as_plain(result: Any) -> Json:
    """Return a result as plain values, which the other side can read without the handler's own classes."""
    try:
        return msgspec.to_builtins(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidJobError(f"the result cannot be written as JSON: {error}") from None


def config_of(task: Task) -> Any:
    """Return the handler's config; raises ``InvalidJobError`` unless it is of the kind's type."""
    config_type, _ = types_of(handler_at(task.module, task.config_type_of), task.facts["kind"])
    try:
        return msgspec.convert(decode_json(task.config or "null"), config_type)
    except msgspec.ValidationError as error:
        raise InvalidJobError(f"config of a {task.facts['kind']!r} job: {error}") from None


def handler_at(module: str, qualname: str) -> Handler:
    """Return the handler of that dotted name, whether the kind has taken its place or not."""
    found: Any = importlib.import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    handler: Handler = found.handler if isinstance(found, Kind) else found
    return handler
