"""Owns how one thread asks an actor: a told message that carries its own reply, and a wait with a deadline (I18).

pykka's own ``ask`` replies before the manager has committed, so it is not used. A waiter looks again whether the
actor is alive, because pykka drops what is told after a stop was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pykka

from ..engine.errors import DeadlineError, EngineStoppedError

ALIVE_CHECK_S = 1.0


class Ask(NamedTuple):
    """A message together with the future that its answer goes to."""

    message: Any  # each actor names its own messages
    reply: pykka.Future[Any]


class Reply(pykka.ThreadingFuture[Any]):
    """The future of an answer; *is_given_up* once nobody waits for it any more, so that nobody need keep it."""

    is_given_up = False


class NotifyingReply(Reply):
    """A reply that says when it is set, on the thread that sets it."""

    def __init__(self, when_set: Callable[[NotifyingReply], None]) -> None:
        super().__init__()
        self._when_set = when_set

    def set(self, value: Any = None) -> None:
        """Set the answer."""
        super().set(value)
        self._when_set(self)

    def set_exception(self, exc_info: Any = None) -> None:
        """Set the error that the answer is."""
        super().set_exception(exc_info)
        self._when_set(self)


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
            name = ref.actor_class.__name__
            raise EngineStoppedError(f"asked for {asked}, but {name} has stopped; whether it was done is not known")
        is_dead = not ref.is_alive()  # then one more look: it answers what it can on its way out
    reply.is_given_up = True
    raise DeadlineError(f"asked for {asked}, found no answer after {timeout_s:g} s; it may still be done")


def answer(reply: pykka.Future[Any], error: BaseException) -> None:
    """Make *reply* raise *error*; pykka wants the triple, and given a bare exception it would kill the actor."""
    reply.set_exception((type(error), error, error.__traceback__))
