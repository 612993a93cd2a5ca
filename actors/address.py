"""Owns the way to an actor: whoever holds an ``Address`` still reaches it after it was started again (I18).

It refuses a call from a forked child at once, where the actors' threads do not exist.
"""

from __future__ import annotations

import os
from typing import Any

import pykka

from ..engine.errors import EngineStoppedError, ForkError
from .asking import Ask, wait_for

ASK_TIMEOUT_S = 60.0


class Address:
    """Where an actor of one engine is reached; ``point_to`` is for the engine alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pid = os.getpid()
        self._ref: pykka.ActorRef[Any] | None = None

    def point_to(self, ref: pykka.ActorRef[Any] | None) -> None:
        """Let calls go to *ref* from now on; None: refuse them."""
        self._ref = ref

    def tell(self, message: Any) -> None:
        """Send *message*; raises ``EngineStoppedError`` when there is no actor."""
        self._send(message)

    def ask(self, message: Any, *, timeout_s: float = ASK_TIMEOUT_S) -> Any:
        """Send *message* and return the answer.

        Raises what the actor answers with, ``EngineStoppedError``, and ``DeadlineError`` after *timeout_s* seconds.
        """
        reply = pykka.ThreadingFuture[Any]()
        ref = self._send(Ask(message, reply))
        return wait_for(reply, ref, asked=type(message).__name__, timeout_s=timeout_s)

    def ask_later(self, message: Any) -> pykka.Future[Any]:
        """Send *message* and return the future of its answer, without a deadline of its own."""
        reply = pykka.ThreadingFuture[Any]()
        self._send(Ask(message, reply))
        return reply

    def _send(self, message: Any) -> pykka.ActorRef[Any]:
        if os.getpid() != self._pid:
            raise ForkError
        ref = self._ref
        if ref is None:
            raise EngineStoppedError(f"the {self.name} is not running; start the engine first")
        try:
            ref.tell(message)
        except pykka.ActorDeadError:
            raise EngineStoppedError(f"the {self.name} has stopped") from None
        return ref
