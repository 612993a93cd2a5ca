"""Owns how one thread asks an actor: a told message that carries its own reply, and a wait with a deadline (I18).

pykka's own ``ask`` replies before the manager has committed, so it is not used. A waiter looks again whether the
actor is alive, because pykka drops what is told after a stop was asked for.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import pykka

from ..engine.errors import DeadlineError, EngineStoppedError

T = TypeVar("T")
ALIVE_CHECK_S = 1.0


class Ask(NamedTuple):
    """A message together with the future that its answer goes to."""

    message: Any  # each actor names its own messages
    reply: pykka.Future[Any]


class Reply(pykka.Future[Any]):
    """The future of an answer; *is_given_up* once nobody waits for it any more, so that nobody need keep it.

    It is set once, and takes one lock where pykka's own takes a condition with two: a manager answers many in a group.
    """

    is_given_up = False

    def __init__(self) -> None:
        super().__init__()
        self._answer: Any = None
        self._error: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._is_set = False
        self._has_hook = False
        self._unset = threading.Lock()  # held until it is set
        self._unset.acquire()

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the answer or raise the error that it is; raises ``pykka.Timeout`` after *timeout* seconds."""
        if self._has_hook:
            return super().get(timeout=timeout)
        if not self._is_set:
            if not self._unset.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
                raise pykka.Timeout(f"{timeout} seconds")
            self._unset.release()
        if self._error is not None:
            raise self._error.with_traceback(self._traceback)
        return self._answer

    def set(self, value: Any = None) -> None:
        """Set the answer; raises ``queue.Full`` when it was set before."""
        self._check_unset()
        self._answer = value
        self._release()

    def set_exception(self, exc_info: Any = None) -> None:
        """Set the error that the answer is, from the triple that pykka takes."""
        self._check_unset()
        _, self._error, self._traceback = exc_info or sys.exc_info()
        self._release()

    @property
    def is_set(self) -> bool:
        """Whether it has its answer, or its error."""
        return self._is_set

    def set_get_hook(self, func: Callable[[float | None], Any]) -> None:
        """Have *func* asked for the answer instead, as pykka's ``map`` and ``filter`` do."""
        self._check_unset()
        super().set_get_hook(func)
        self._has_hook = True

    def _check_unset(self) -> None:
        if self._is_set or self._has_hook:
            raise queue.Full

    def _release(self) -> None:
        self._is_set = True
        self._unset.release()


class FutureReply(pykka.Future[Any]):
    """A reply that goes into *future*, by what *read* makes of the answer, on the thread that answers.

    Who cancels the future waits no longer; what was asked is done all the same.
    """

    def __init__(self, future: Future[T], read: Callable[[Any], T]) -> None:
        super().__init__()
        self._future: Future[Any] = future
        self._read = read

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._future.cancelled()

    def set(self, value: Any = None) -> None:
        """Set the future to what is read of *value*."""
        if self._future.set_running_or_notify_cancel():
            try:
                self._future.set_result(self._read(value))
            except BaseException as error:  # noqa: BLE001 - it is the future's
                self._future.set_exception(error)

    def set_exception(self, exc_info: Any = None) -> None:
        """Set the error that the answer is, from the triple that pykka takes."""
        _, error, _ = exc_info or sys.exc_info()
        if self._future.set_running_or_notify_cancel():
            self._future.set_exception(error)


def wait_for(reply: Reply, ref: pykka.ActorRef[Any], *, asked: str, timeout_s: float) -> Any:
    """Return the answer.

    Raises whatever the actor answered with, ``EngineStoppedError`` when the actor has died unanswered and
    ``DeadlineError`` after *timeout_s* seconds, when what was *asked* may still be done.
    """
    left = timeout_s
    is_dead = False
    while left > 0:
        slice_s = min(ALIVE_CHECK_S, left)
        try:
            return reply.get(timeout=slice_s)
        except pykka.Timeout:
            left -= slice_s
        except KeyboardInterrupt:
            reply.is_given_up = True
            raise
        if is_dead:
            raise died_unanswered(ref, asked)
        is_dead = not ref.is_alive()  # then one more look: it answers what it can on its way out
    raise given_up(reply, asked, timeout_s)


def died_unanswered(ref: pykka.ActorRef[Any], asked: str) -> EngineStoppedError:
    """Return the error of what was *asked* of an actor that has died without an answer."""
    name = ref.actor_class.__name__
    return EngineStoppedError(f"asked for {asked}, but {name} has stopped; whether it was done is not known")


def given_up(reply: Reply, asked: str, timeout_s: float) -> DeadlineError:
    """Wait no longer for *reply*, and return the error of that."""
    reply.is_given_up = True
    return DeadlineError(f"asked for {asked}, found no answer after {timeout_s:g} s; it may still be done")


def answer(reply: pykka.Future[Any], error: BaseException) -> None:
    """Make *reply* raise *error*; pykka wants the triple, and given a bare exception it would kill the actor."""
    reply.set_exception((type(error), error, error.__traceback__))
