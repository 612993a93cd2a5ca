"""Owns the bound on what one page may load: it is counted as it is decoded, and a page that passes it is ended.

A small answer can be a large document (a gigabyte of zeros takes a megabyte on the wire), so what the guard counts on a
connection says nothing of it. Frames and workers that have a process of their own are not in this count.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from playwright.async_api import CDPSession, Error

MAX_DOCUMENT_BYTES = 40_000_000  # decoded, of one document
MAX_PAGE_BYTES = 100_000_000  # decoded, of the document and all that it loads

Event = dict[str, Any]  # of the DevTools protocol, domain Network


class SizeWatch:
    """Counts what one tab loads; past a bound it calls *on_passed* and crashes the renderer.

    Nothing less gives the memory back: what has stopped loading is still parsed to its end.
    """

    def __init__(self, session: CDPSession, on_passed: Callable[[], None]) -> None:
        self.is_passed = False
        self._session = session
        self._on_passed = on_passed
        self._received = 0
        self._lengths: dict[str, int] = {}  # by request
        self._documents: set[str] = set()  # those that are documents
        self._ending: asyncio.Task[None] | None = None
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.dataReceived", self._on_data)

    async def enable(self) -> None:
        """Begin to count; no body is kept for it."""
        await self._session.send("Network.enable", {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0})

    def begin(self) -> None:
        """Count from nothing; the tab is led to another URL, which has no part in what the last one still loads."""
        self._received = 0
        self._lengths.clear()
        self._documents.clear()

    def _on_response(self, event: Event) -> None:
        self._lengths[event["requestId"]] = 0
        if event["type"] != "Document":
            return
        self._documents.add(event["requestId"])
        headers = {name.lower(): text for name, text in event["response"]["headers"].items()}
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_DOCUMENT_BYTES:
            self._pass()

    def _on_data(self, event: Event) -> None:
        request, length = event["requestId"], event["dataLength"]
        if request not in self._lengths:
            return
        self._received += length
        self._lengths[request] += length
        is_large = request in self._documents and self._lengths[request] > MAX_DOCUMENT_BYTES
        if is_large or self._received > MAX_PAGE_BYTES:
            self._pass()

    def _pass(self) -> None:
        if not self.is_passed:
            self.is_passed = True
            self._on_passed()
            self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        with contextlib.suppress(Error):  # what is crashed answers no more
            await self._session.send("Page.crash")
