"""Owns the browser as an actor: takes messages in its thread and has a loop of its own thread do the work.

``receive`` only passes coroutines on, because an actor that blocked would serialize all crawlers. The loop answers.
Stopping answers everything outstanding with ``EngineStoppedError`` and leaves no thread and no process (I18).
"""

from __future__ import annotations

import asyncio
import logging
import queue
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pykka

from ..engine.clock import Clock
from ..engine.errors import BequestError, BrowserError, EngineStoppedError
from .asking import Ask, answer
from .browser_messages import FetchPage, Login
from .browser_service import BrowserService
from .guard import LookUp
from .loop_thread import LoopThread
from .name_lookup import look_up
from .session_messages import JudgeSession
from .supervised import Overseer, SupervisedActor
from .write_back import Seals

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 25.0
JOIN_TIMEOUT_S = 5.0


class BrowserActor(SupervisedActor):
    """Answers ``FetchPage`` and ``Login``, each sent as an ``Ask``; is told ``JudgeSession``.

    *seals* opens credentials, on the loop's thread, and writes them back; *executable* None means to look for a
    Chromium; *look_up_name* resolves host names for the guard. The browser starts with the first message.
    """

    def __init__(
        self,
        overseer: Overseer,
        seals: Seals,
        clock: Clock,
        executable: str | None = None,
        tabs_per_context: int = 4,
        look_up_name: LookUp = look_up,
    ) -> None:
        super().__init__(overseer)
        self._loop = LoopThread("bequest-browser")
        self._service = BrowserService(
            seals,
            clock,
            look_up_name,
            executable=Path(executable) if executable else None,
            tabs=tabs_per_context,
        )
        self._open: set[pykka.Future[Any]] = set()  # asked and not answered
        self._serving: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Start the loop."""
        self._loop.start()

    def receive(self, message: object) -> None:
        """Pass what is asked to the loop."""
        if isinstance(message, JudgeSession):
            self._loop.call_soon(partial(self._service.judge, message))
            return
        if not isinstance(message, Ask):
            self.refuse_unknown(message)
            return
        self._open.add(message.reply)
        self._loop.submit(self._track(message))

    def on_stop(self) -> None:
        """Close the browser and answer what is outstanding."""
        self._shut_down()

    async def _track(self, ask: Ask) -> None:
        task = asyncio.create_task(self._serve(ask))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, ask: Ask) -> None:
        try:
            result = await self._do(ask.message)
        except asyncio.CancelledError:
            self._settle(ask.reply, EngineStoppedError())
        except BequestError as error:
            self._settle(ask.reply, error)
        except Exception as error:
            logger.exception("the browser failed unexpectedly")
            self._settle(ask.reply, BrowserError(f"the browser failed unexpectedly: {type(error).__name__}"))
        else:
            self._open.discard(ask.reply)
            ask.reply.set(result)

    async def _do(self, message: object) -> object:
        match message:
            case FetchPage(request=request):
                return await self._service.read(request)
            case Login():
                return await self._service.log_in(message)
        raise BrowserError(f"the browser was asked for a {type(message).__name__}; it knows FetchPage and Login")

    def _settle(self, reply: pykka.Future[Any], error: BequestError) -> None:
        self._open.discard(reply)
        with suppress(queue.Full):  # it was answered before
            answer(reply, error)

    def _shut_down(self) -> None:
        try:
            self._loop.submit(self._end()).result(CLOSE_TIMEOUT_S)
        except Exception:
            logger.exception("the browser did not close in order")
        if not self._loop.stop(JOIN_TIMEOUT_S):
            logger.error("the browser's thread did not end")
        self.drain(EngineStoppedError())
        for reply in tuple(self._open):
            self._settle(reply, EngineStoppedError())

    async def _end(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._service.close()
