"""Owns the bound on what one page may load: it is counted as it is decoded, and a page that passes it is ended.

A small answer can be a large document (a gigabyte of zeros takes a megabyte on the wire), so what the guard counts on a
connection says nothing of it. Frames and workers that have a process of their own are not in this count.

Counting costs a dozen messages a page, and what passes a bound takes its time: so it begins with what a page is still
loading when for a moment nothing has been heard of it, and a page that has loaded by then is only watched for a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from playwright.async_api import CDPSession, Error

from .browser_events import TabEvents
from .browser_frames import Event

MAX_DOCUMENT_BYTES = 40_000_000  # decoded, of one document
MAX_PAGE_BYTES = 100_000_000  # decoded, of the document and all that it loads
COUNTED_AFTER_S = 0.5  # in which little can be decoded, beside the bounds
STAGES = 3  # of a page that gets on: begun, parsed, loaded; one that leads on and on has no more than that
ANNOUNCED_AFTER_S = 2.0  # of counting; to ask has the driver tell of each request of the tab from then on

Announced = Callable[[], Awaitable[int]]  # the length that the answer gave for the document, 0 where it gave none


class SizeWatch:
    """Counts what one tab loads; past a bound it calls *on_passed* and crashes the renderer.

    Nothing less gives the memory back: what has stopped loading is still parsed to its end.
    """

    def __init__(
        self, session: CDPSession, events: TabEvents, announced: Announced, on_passed: Callable[[], None]
    ) -> None:
        self.is_passed = False
        self._session = session
        self._announced = announced
        self._on_passed = on_passed
        self._is_counting = False
        self._stages_left = 0
        self._received = 0
        self._lengths: dict[str, int] = {}  # by request
        self._documents: set[str] = set()  # the requests that are documents
        self._is_parsing = False
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        events.on("Page.frameNavigated", self._on_navigated)
        events.on("Page.domContentEventFired", self._on_parsed)
        events.on("Page.loadEventFired", lambda _: self._put_off())
        events.on("Network.dataReceived", self._on_data)

    def begin(self) -> None:
        """Count from nothing; the tab is led to another URL, which has no part in what the last one still loads."""
        self.stop()
        if self._is_counting:
            self._is_counting = False
            self._send("Network.disable")
        self._is_parsing = False
        self._stages_left = STAGES
        self._received = 0
        self._lengths.clear()
        self._documents.clear()

    def stop(self) -> None:
        """Begin no count any more; the tab is closed or is led elsewhere."""
        if self._timer is not None:
            self._timer.cancel()
        if self._reading is not None:
            self._reading.cancel()
        self._timer = self._reading = None

    def _on_navigated(self, event: Event) -> None:
        self._documents.add(event["frame"]["loaderId"])  # a document's request has the id of its loader
        if "parentId" not in event["frame"]:
            self._is_parsing = True
            self._put_off()

    def _on_parsed(self, _event: Event) -> None:
        self._is_parsing = False
        self._put_off()

    def _put_off(self) -> None:
        if self._stages_left and not self._is_counting:
            self._stages_left -= 1
            self.stop()
            self._timer = asyncio.get_running_loop().call_later(COUNTED_AFTER_S, self._count)

    def _count(self) -> None:
        """Begin to count; no body is kept for it."""
        self._is_counting = True
        self._send("Network.enable", {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0})
        self._timer = asyncio.get_running_loop().call_later(ANNOUNCED_AFTER_S, self._look_at_announcement)

    def _look_at_announcement(self) -> None:
        if self._is_parsing:
            self._reading = self._spawn(self._read_announcement())

    async def _read_announcement(self) -> None:
        with contextlib.suppress(Error):  # it was closed
            if await self._announced() > MAX_DOCUMENT_BYTES:
                self._pass()

    def _on_data(self, event: Event) -> None:
        if not self._is_counting:  # it is of the last page, and was on its way
            return
        request, length = event["requestId"], event["dataLength"]
        self._received += length
        self._lengths[request] = self._lengths.get(request, 0) + length
        is_large = request in self._documents and self._lengths[request] > MAX_DOCUMENT_BYTES
        if is_large or self._received > MAX_PAGE_BYTES:
            self._pass()

    def _pass(self) -> None:
        if not self.is_passed:
            self.is_passed = True
            self._on_passed()
            self._send("Page.crash")

    def _send(self, method: str, params: dict[str, Any] | None = None) -> None:  # Any: of the DevTools protocol
        self._spawn(self._tell(method, params))

    async def _tell(self, method: str, params: dict[str, Any] | None) -> None:
        with contextlib.suppress(Error):  # what is crashed or closed answers no more
            await self._session.send(method, params)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task
