"""Owns the processes of handlers that run in one: each thread of a pool has its own, killed when its job must end.

A process that dies, by itself or because its job timed out or was cancelled, takes nothing with it but its own job and
the processes that it started. When the program dies it ends too.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing import spawn
from multiprocessing.connection import Connection
from typing import Any

from ..engine.errors import EngineStoppedError
from ..engine.json_values import encode_json
from ..engine.records import Lease
from .job_context import JobContext
from .kinds import Handler, Kind
from .process_child import Call, Raised, Returned, Task
from .sent_errors import packed, unpacked

JOIN_TIMEOUT_S = 10.0
CHILD = "from bequest.actors.process_child import main; import sys; main(int(sys.argv[1]))"


class ProcessDiedError(Exception):
    """The handler's process ended before it answered."""


class HandlerProcess:
    """One process with the connection to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", CHILD, str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # the terminal's signals are for the program; and it is killed as a group
                )
            except BaseException:
                ours.close()
                raise
        self._connection = Connection(ours.detach())
        self._ending = threading.Lock()
        self._has_ended = False  # from then on its number may be somebody else's
        preparation = spawn.get_preparation_data("bequest handler")
        del preparation["authkey"]  # for connections between processes, of which there are none
        try:
            self.send(preparation)
        except ProcessDiedError:
            self.end()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def send(self, message: Any) -> None:
        """Send it *message*; raises ``ProcessDiedError``."""
        try:
            self._connection.send(message)
        except OSError:
            raise ProcessDiedError from None

    def receive(self) -> Any:
        """Wait for what it says; raises ``ProcessDiedError``."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            raise ProcessDiedError from None

    def kill(self) -> None:
        """End it and what it started, at once; any thread may call."""
        with self._ending:
            if not self._has_ended and self._process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill it if it lives, and return its exit code, negative for a signal."""
        self.kill()
        with self._ending:
            self._has_ended = True
        with suppress(OSError):
            self._connection.close()
        return self._process.wait(JOIN_TIMEOUT_S)


class ProcessRunner:
    """Runs handlers in processes, one for each thread that calls."""

    def __init__(self) -> None:
        self._processes: dict[threading.Thread, HandlerProcess] = {}
        self._lock = threading.Lock()
        self._is_stopped = False

    def run(
        self, handler: Handler, kind: Kind[Any, Any], lease: Lease, context: JobContext, *, has_config: bool
    ) -> Any:
        """Return what *handler* returns, or raise what it raises; raises ``ProcessDiedError`` when its process ends."""
        task = task_of(handler, kind, lease, context, has_config=has_config)
        process = self._process()
        context.on_lost(lambda _: process.kill())
        try:
            said = converse(process, task, context)
        except ProcessDiedError:
            raise ProcessDiedError(f"the handler's process {how_it_ended(self._drop())} before it answered") from None
        except BaseException:
            self._drop()  # it may be in the middle of something
            raise
        finally:
            context.on_lost(None)
        if isinstance(said, Raised):
            raise unpacked(said.error)
        return said.value

    def stop(self) -> None:
        """End all processes."""
        with self._lock:
            self._is_stopped = True
            processes, self._processes = list(self._processes.values()), {}
        for process in processes:
            process.kill()
        for process in processes:
            process.end()

    def _process(self) -> HandlerProcess:
        """Return the calling thread's own process, begun where it has none that lives."""
        thread = threading.current_thread()
        with self._lock:
            found = self._processes.get(thread)
        if found is not None and found.is_alive:
            return found
        self._drop()
        self._end_left_over()
        process = HandlerProcess()
        with self._lock:
            if not self._is_stopped:
                self._processes[thread] = process
                return process
        process.end()
        raise EngineStoppedError

    def _end_left_over(self) -> None:
        """End the processes of threads that have ended, as all do when their worker is started again."""
        with self._lock:
            gone = [thread for thread in self._processes if not thread.is_alive()]
            processes = [self._processes.pop(thread) for thread in gone]
        for process in processes:
            process.end()

    def _drop(self) -> int | None:
        with self._lock:
            process = self._processes.pop(threading.current_thread(), None)
        return None if process is None else process.end()


def converse(process: HandlerProcess, task: Task, context: JobContext) -> Returned | Raised:
    """Give *process* its task and answer what the handler asks of its context, until it says what came of it."""
    process.send(task)
    while True:
        match process.receive():
            case Call() as call:
                process.send(answer(context, call))
            case Returned() | Raised() as said:
                return said


def task_of(handler: Handler, kind: Kind[Any, Any], lease: Lease, context: JobContext, *, has_config: bool) -> Task:
    """Return what is sent to the process."""
    return Task(
        module=handler.__module__,
        qualname=handler.__qualname__,
        config=encode_json(lease.config, owner=f"config of job {lease.job_id}") if has_config else None,
        config_type_of=kind.handler.__qualname__,
        facts={
            "id": context.id,
            "kind": context.kind,
            "attempt": context.attempt,
            "max_attempts": context.max_attempts,
            "parent_id": context.parent_id,
            "metadata": context.metadata,
        },
    )


def answer(context: JobContext, call: Call) -> Returned | Raised:
    """Ask *context* what its handler asks of it."""
    try:
        return Returned(getattr(context, call.method)(*call.arguments, **call.named))
    except Exception as error:  # noqa: BLE001 - it is the handler's to see
        return Raised(packed(error))


def how_it_ended(code: int | None) -> str:
    """Return in words how a process ended, by its exit code."""
    if code is None:
        return "was ended"
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
