"""Owns what every actor of an engine has in common: nothing that it raises leaves its thread.

pykka does not supervise: an exception under ``tell`` stops the actor, and a ``BaseException`` in any actor stops every
actor of the host's process. So an actor hands what it did not expect to its supervisor, refuses what comes after, and
stops.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Protocol

import pykka

from ..engine.errors import EngineFailedError, EngineStoppedError
from .asking import Ask, answer

logger = logging.getLogger(__name__)


class Overseer(Protocol):
    """Who is told of an actor's life, on the actor's own thread."""

    def started(self, ref: pykka.ActorRef[Any], thread: threading.Thread) -> None:
        """Note the thread that an actor runs in."""
        ...

    def crashed(self, ref: pykka.ActorRef[Any], error: BaseException) -> None:
        """Note that an actor dies; called once."""
        ...


class SupervisedActor(pykka.ThreadingActor):
    """An actor with a supervisor; a subclass does its work in ``receive``."""

    def __init__(self, overseer: Overseer) -> None:
        super().__init__()
        self._overseer = overseer
        self._has_crashed = False

    def on_start(self) -> None:
        """Say which thread it is, so that a stop can wait for its end."""
        self._overseer.started(self.actor_ref, threading.current_thread())

    def receive(self, message: Any) -> None:  # Any: each actor has its own messages
        """Handle one message."""
        raise NotImplementedError

    def on_receive(self, message: Any) -> None:
        """Handle one message; let nothing out."""
        if self._has_crashed:
            refuse(message, EngineStoppedError())
            return
        try:
            self.receive(message)
        except BaseException as error:  # noqa: BLE001 - pykka would stop every actor in the process
            self._crash(message, error)

    def on_stop(self) -> None:
        """Answer what was told after the stop was asked for; pykka would drop it."""
        self.drain(EngineStoppedError())

    def drain(self, error: EngineStoppedError) -> None:
        """Refuse all that is left in the inbox."""
        while not self.actor_inbox.empty():
            refuse(self.actor_inbox.get().message, error)

    def _crash(self, message: Any, error: BaseException) -> None:
        self._has_crashed = True
        name = type(self).__name__
        if isinstance(error, EngineStoppedError):
            logger.info("actor ends with another one", extra={"actor": name})
        else:
            logger.error("actor crashed", extra={"actor": name, "error": type(error).__name__}, exc_info=error)
        refuse(message, EngineFailedError(f"{name} crashed on this call ({type(error).__name__}) and is started again"))
        self._overseer.crashed(self.actor_ref, error)
        self.stop()


def refuse(message: object, error: BaseException) -> None:
    """Answer *message* with *error* if anybody waits for an answer."""
    if isinstance(message, Ask) and not is_answered(message.reply):
        answer(message.reply, error)


def is_answered(reply: pykka.Future[Any]) -> bool:
    """Whether *reply* was set, to a result or an error."""
    try:
        reply.get(timeout=0)
    except pykka.Timeout:
        return False
    except Exception:  # noqa: BLE001 - the error that it was answered with
        return True
    return True
