"""Owns one attempt of a registered kind: the handler is called, and whatever it does becomes a completion.

Nothing that a handler raises leaves here, ``sys.exit`` included, so it harms only its own job.
"""

from __future__ import annotations

import inspect
import logging
import math
import os
import threading
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from ..engine.clock import Clock
from ..engine.errors import EngineStoppedError, InvalidJobError, JobCancelledError, LogLevelError, MetadataError
from ..engine.records import Completion, JobError, Json, Lease, OwnStep, State
from ..engine.retries import Discard, Snooze
from .forks import end_fork
from .job_context import JobContext
from .kinds import Kind, Step, as_json
from .sent_errors import message_of
from .threads import OS_THREADS, Thread, Threads
from .timeouts import LEAVE_S

if TYPE_CHECKING:
    from .async_runner import AsyncRunner
    from .process_runner import ProcessRunner

logger = logging.getLogger(__name__)

OWN_FILES = {str(Path(__file__).with_name(name)) for name in ("attempt.py", "async_runner.py", "process_runner.py")}
MAX_FRAMES = 30
MAX_MESSAGE = 2_000  # characters


class Attempts:
    """Runs attempts, any number at once, each on the caller's thread; ``async`` handlers on a loop, some in processes.

    *jitter* draws from [0, 1) for the waits between attempts.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float], threads: Threads = OS_THREADS) -> None:
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._is_stopped = False
        self._threads = threads
        self._loops: AsyncRunner | None = None
        self._processes: ProcessRunner | None = None

    def run(self, kind: Kind[Any, Any], lease: Lease, context: JobContext) -> Completion:
        """Return how the attempt ended; raises nothing."""
        own = os.getpid()
        try:
            result = self._call(kind, lease, context)
            end_fork(own, None)
            return succeeded(kind, lease, context, result)
        except BaseException as error:  # noqa: BLE001 - a handler may raise anything, and harms only its job
            end_fork(own, error)
            return self.failed(kind, lease, error)

    def failed(self, kind: Kind[Any, Any], lease: Lease, error: BaseException) -> Completion:
        """Return what becomes of an attempt that raised *error*; raises nothing."""
        try:
            delay_s = self._delay_s(kind, lease, error)
        except BaseException as fault:  # a policy may be the program's own function
            logger.exception("a retry policy failed", extra={"job_id": lease.job_id, "kind": kind.name})
            error, delay_s = fault, None
        now = self._clock.now()
        return Completion(
            job_id=lease.job_id,
            token=lease.token,
            state=State.FAILED if delay_s is None else State.PENDING,
            error=described(error),
            run_at=None if delay_s is None else now + delay_s,
            said_at=now,
            counts=not isinstance(error, Snooze),
        )

    def stop(self) -> list[Thread]:
        """End the loop and the processes; return the threads that did not end."""
        with self._lock:
            self._is_stopped = True
        if self._processes is not None:
            self._processes.stop()
        return [] if self._loops is None else self._loops.stop()

    def _delay_s(self, kind: Kind[Any, Any], lease: Lease, error: BaseException) -> float | None:
        """Return in how many seconds to try again, or None; raises whatever the policy does."""
        if isinstance(error, Snooze):
            return finite(error.delay_s, kind.name)
        never = isinstance(error, Discard | InvalidJobError | MetadataError | LogLevelError | JobCancelledError)
        if never or not kind.terms.retry.admits(error):
            return None
        return finite(kind.terms.retry.delay_s(lease.attempts, jitter=self._jitter()), kind.name)

    def _call(self, kind: Kind[Any, Any], lease: Lease, context: JobContext) -> Any:
        handler, has_config, _ = step_of(kind, lease)
        if kind.terms.run_in == "process":
            return self._process_runner().run(handler, kind, lease, context, has_config=has_config)
        result = handler(context, kind.read(lease.config)) if has_config else handler(context)
        if inspect.iscoroutine(result):
            return self._async_runner(result).run(result, context, timeout_s=timeout_of(kind, lease))
        return result

    def _process_runner(self) -> ProcessRunner:
        """Return it; what it needs is imported with the first job that needs it, for a start is to be quick."""
        with self._lock:
            if self._is_stopped:
                raise EngineStoppedError
            if self._processes is None:
                from .process_runner import ProcessRunner

                self._processes = ProcessRunner()
            return self._processes

    def _async_runner(self, coroutine: Coroutine[Any, Any, Any]) -> AsyncRunner:
        with self._lock:
            if self._is_stopped:
                coroutine.close()
                raise EngineStoppedError
            if self._loops is None:
                from .async_runner import AsyncRunner

                self._loops = AsyncRunner(self._threads)
            return self._loops


def succeeded(kind: Kind[Any, Any], lease: Lease, context: JobContext, result: Any) -> Completion:
    """Return how an attempt ended that returned *result*; raises ``InvalidJobError`` and ``MetadataError`` for that."""
    has_after = kind.own_step is not None and lease.own_step is not OwnStep.RELEASED
    return Completion(
        job_id=lease.job_id,
        token=lease.token,
        state=State.COMPLETED,
        result=result_of(kind, lease, result),
        children=tuple(context.spawned),
        own_step=OwnStep.AFTER_CHILDREN if has_after else OwnStep.NONE,
    )


def result_of(kind: Kind[Any, Any], lease: Lease, result: Any) -> Json:
    """Return a result as plain JSON values, of the type that the kind promises where this is its last step."""
    is_last = kind.own_step is None or lease.own_step is OwnStep.RELEASED
    type_ = kind.result_type if is_last else Any
    if result is None and type_ in (Any, NoneType):
        return None
    return as_json(result, type_, asked=f"result of job {lease.job_id}")


def step_of(kind: Kind[Any, Any], lease: Lease) -> Step:
    """Return which of a kind's steps the lease is for."""
    return kind.steps[-1 if lease.own_step is OwnStep.RELEASED else 0]


def timeout_of(kind: Kind[Any, Any], lease: Lease) -> float | None:
    """Return the seconds that an attempt may take, or None."""
    return lease.timeout_s if lease.timeout_s is not None else kind.terms.timeout_s


def given_up_after(kind: Kind[Any, Any], lease: Lease) -> float | None:
    """Return after how many seconds an attempt's thread is given up, or None; an ``async`` one can clean up first."""
    timeout_s = timeout_of(kind, lease)
    if timeout_s is None or kind.terms.run_in == "process":
        return timeout_s
    return timeout_s + LEAVE_S if step_of(kind, lease).is_async else timeout_s


def finite(delay_s: float, kind: str) -> float:
    """Return *delay_s*, no less than 0; raises ``InvalidJobError`` for what is no number of seconds."""
    if not math.isfinite(delay_s):
        raise InvalidJobError(f"a {kind!r} job is to be run again in a number of seconds, found {delay_s!r}")
    return max(0.0, delay_s)


def described(error: BaseException) -> JobError:
    """Return what is kept of *error*: its type, its message and where it came from, without any value of a variable."""
    frames = traceback.extract_tb(error.__traceback__, limit=-MAX_FRAMES)
    came_from = getattr(error, "remote_traceback", None)
    if came_from is None:
        came_from = "".join(traceback.format_list([frame for frame in frames if frame.filename not in OWN_FILES]))
    return JobError(
        type=type(error).__name__,
        message=as_text(message_of(error)[:MAX_MESSAGE]) or type(error).__name__,
        traceback=as_text(came_from) or None,
    )


def as_text(text: str) -> str:
    """Return *text* with what no file can hold written out: halves of surrogate pairs, and NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
