"""Owns what every actor of an engine has in common: nothing that it raises leaves its thread.

pykka does not supervise: an exception under ``tell`` stops the actor, one at its start is only logged, and a
``BaseException`` in any actor stops every actor of the host's process. So an actor hands what it did not expect to its
supervisor, refuses what comes after, and stops.
"""

from __future__ import annotations

import logging
import queue
from typing import Any, Protocol

import pykka

from ..engine.errors import EngineError, EngineFailedError, EngineStoppedError
from .asking import Ask, answer
from .threads import Thread, Threads

logger = logging.getLogger(__name__)


class Overseer(Protocol):
    """Who is told of an actor's life, on the actor's own thread."""

    @property
    def threads(self) -> Threads:
        """What it runs on."""
        ...

    def started(self, ref: pykka.ActorRef[Any], thread: Thread) -> None:
        """Note the thread that an actor runs in."""
        ...

    def crashed(self, ref: pykka.ActorRef[Any], error: BaseException) -> None:
        """Note that an actor dies; called once."""
        ...


class SupervisedActor(pykka.ThreadingActor):
    """An actor with a supervisor; a subclass does its work in ``begin`` and ``receive``."""

    def __init__(self, overseer: Overseer) -> None:
        super().__init__()
        self._overseer = overseer
        self._has_crashed = False

    @staticmethod
    def _create_actor_inbox() -> Any:  # Any: pykka does not export the protocol
        """Return a queue written in C: pykka's own takes a lock and two conditions in Python for each message."""
        return queue.SimpleQueue()

    def on_start(self) -> None:
        """Say which thread it is, so that a stop can wait for its end, and begin."""
        self._overseer.started(self.actor_ref, self._overseer.threads.current())
        try:
            self.begin()
        except BaseException as error:  # noqa: BLE001 - pykka would stop it, and its supervisor would not know
            self._crash(None, error)

    def begin(self) -> None:
        """Do what comes before the first message."""

    def receive(self, message: Any) -> None:  # Any: each actor has its own messages
        """Handle one message."""
        raise NotImplementedError

    def on_receive(self, message: Any) -> None:
        """Handle one message; let nothing out."""
        if self._has_crashed:
            self.turn_away(message, EngineStoppedError())
            return
        try:
            self.receive(message)
        except BaseException as error:  # noqa: BLE001 - pykka would stop every actor in the process
            self._crash(message, error)

    def on_stop(self) -> None:
        """Answer what was told after the stop was asked for; pykka would drop it."""
        self.drain(EngineStoppedError())

    def drain(self, error: EngineStoppedError) -> None:
        """Turn away all that is left in the inbox."""
        while not self.actor_inbox.empty():
            envelope = self.actor_inbox.get()
            if envelope.reply_to is None:
                self.turn_away(envelope.message, error)
            else:  # pykka's own: another stop, whose caller waits until it is answered
                envelope.reply_to.set(None)

    def turn_away(self, message: object, error: BaseException) -> None:
        """Do what can be done about a message that comes too late."""
        refuse(message, error)

    def refuse_unknown(self, message: object) -> None:
        """Note a message that this actor does not know, and tell whoever asked so."""
        known_as = type(message.message if isinstance(message, Ask) else message).__name__
        name = type(self).__name__
        logger.warning("an actor was sent what it does not know", extra={"actor": name, "type": known_as})
        refuse(message, EngineError(f"{name} was asked for {known_as}, which it does not know"))

    def _crash(self, message: Any, error: BaseException) -> None:
        self._has_crashed = True
        name = type(self).__name__
        if isinstance(error, EngineStoppedError | EngineFailedError):
            logger.info("actor ends with another one", extra={"actor": name})
        else:
            logger.error("actor crashed", extra={"actor": name, "error": type(error).__name__}, exc_info=error)
        self.turn_away(
            message, EngineError(f"{name} crashed on this call ({type(error).__name__}) and is started again")
        )
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
    except BaseException:  # noqa: BLE001 - the error that it was answered with
        return True
    return True
