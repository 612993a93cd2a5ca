"""Owns the way to an actor: whoever holds an ``Address`` still reaches it after it was started again (I18).

It refuses a call from a forked child at once, where the actors' threads do not exist.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import pykka

from ..engine.errors import BequestError, EngineFailedError, EngineStoppedError, ForkError
from .asking import ALIVE_CHECK_S, Ask, FutureReply, Reply
from .given import check_timeout
from .threads import OS_THREADS, Threads

logger = logging.getLogger(__name__)

T = TypeVar("T")
ASK_TIMEOUT_S = 60.0


class Address:
    """Where an actor of one engine is reached; ``point_to`` and ``close`` are for the supervisor alone."""

    def __init__(self, name: str, threads: Threads = OS_THREADS) -> None:
        self.name = name
        self.threads = threads
        self._pid = os.getpid()
        self._ref: pykka.ActorRef[Any] | None = None
        self._failure: str | None = None

    def point_to(self, ref: pykka.ActorRef[Any]) -> None:
        """Let calls go to *ref* from now on."""
        self._ref, self._failure = ref, None

    def close(self, *, failure: str | None = None) -> None:
        """Refuse calls from now on, and say *failure* where one is why."""
        self._ref, self._failure = None, failure

    def tell(self, message: Any) -> None:
        """Send *message*; raises ``EngineStoppedError`` or ``EngineFailedError`` when there is no actor."""
        self._send(message)

    def tell_if_there(self, message: Any) -> None:
        """Send *message* to an actor that can do without it; when there is none, nobody is the worse for it."""
        try:
            self._send(message)
        except BequestError:
            logger.debug("told to an actor that is not there", extra={"to": self.name})

    def ask(self, message: Any, *, timeout_s: float = ASK_TIMEOUT_S) -> Any:
        """Send *message* and return the answer.

        Raises what the actor answers with, ``EngineStoppedError``, ``EngineFailedError`` when the engine has failed
        while it waited, and ``DeadlineError`` after *timeout_s* seconds.
        """
        check_timeout(timeout_s)
        reply = Reply()
        ref = self._send(Ask(message, reply))
        try:
            return self.threads.wait_for_reply(reply, ref, asked=type(message).__name__, timeout_s=timeout_s)
        except EngineStoppedError as error:
            if self._failure is not None:
                raise EngineFailedError(self._failure) from error
            raise

    def ask_later(self, message: Any) -> pykka.Future[Any]:
        """Send *message* and return the future of its answer, without a deadline of its own."""
        reply = Reply()
        self._send(Ask(message, reply))
        return reply

    def ask_into(self, future: Future[T], message: Any, read: Callable[[Any], T]) -> pykka.ActorRef[Any]:
        """Send *message* and have *future* set, on the actor's thread, to what *read* makes of its answer.

        Who cancels it waits no longer; what was asked is done all the same. Return who was asked.
        """
        return self._send(Ask(message, FutureReply(future, read)))

    async def ask_async(self, message: Any) -> Any:
        """Send *message* and return the answer, without blocking the running asyncio loop.

        Raises what the actor answers with, and ``EngineStoppedError`` when it has died unanswered.
        """
        import asyncio  # a program that has a loop has it; the others are spared it

        future: Future[Any] = Future()
        ref = self.ask_into(future, message, lambda answer: answer)
        self.threads.wait_for_future(future, None)
        answer = asyncio.wrap_future(future)
        try:
            while not (await asyncio.wait({answer}, timeout=ALIVE_CHECK_S))[0]:
                if not ref.is_alive() and not (await asyncio.wait({answer}, timeout=ALIVE_CHECK_S))[0]:
                    raise EngineStoppedError(f"the {self.name} has stopped; whether it was done is not known")
            return answer.result()
        finally:
            answer.cancel()

    def _send(self, message: Any) -> pykka.ActorRef[Any]:
        if os.getpid() != self._pid:
            raise ForkError
        ref, failure = self._ref, self._failure
        if ref is None:
            raise self._refusal(failure)
        try:
            ref.tell(message)
        except pykka.ActorDeadError:
            raise EngineStoppedError(f"the {self.name} has stopped") from None
        return ref

    def _refusal(self, failure: str | None) -> EngineFailedError | EngineStoppedError:
        if failure is not None:
            return EngineFailedError(failure)
        return EngineStoppedError(f"the {self.name} is not running; start the engine first")
