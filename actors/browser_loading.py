"""Owns the wait until the document in a tab has loaded all that it holds.

The browser tells of it on the tab's own session, which is listened to anyway; Playwright's wait costs three messages.
"""

from __future__ import annotations

import asyncio

from playwright.async_api import Page

from .browser_events import TabEvents
from .browser_frames import Event


class LoadWatch:
    """Knows whether the document in one tab's main frame has loaded."""

    def __init__(self, page: Page, events: TabEvents) -> None:
        self._frame = ""
        self._loaded = asyncio.Event()
        self._loaded.set()
        events.on("Page.frameNavigated", self._on_navigated)
        events.on("Page.loadEventFired", lambda _: self._loaded.set())
        events.on("Page.frameStoppedLoading", self._on_stopped)
        page.on("crash", lambda _: self._loaded.set())  # then it waits for nothing
        page.on("close", lambda _: self._loaded.set())

    async def wait(self, timeout_s: float) -> None:
        """Wait until the document has loaded, or *timeout_s* seconds, or until the tab has crashed or was closed."""
        if self._loaded.is_set():
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._loaded.wait()
        except TimeoutError:
            return

    def _on_navigated(self, event: Event) -> None:
        frame = event["frame"]
        if "parentId" not in frame:  # another document
            self._frame = frame["id"]
            self._loaded.clear()

    def _on_stopped(self, event: Event) -> None:
        if event["frameId"] == self._frame:  # also one whose loading was given up, and never fires the event
            self._loaded.set()
