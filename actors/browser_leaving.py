"""Owns the watch on whether the document in a tab is about to be left by its own doing.

A script, a form or a refresh header leads on some time after the document has loaded; what is read meanwhile is only
the way to the page. Chromium tells of it in three steps (scheduled, requested, started), not always all three.
"""

from __future__ import annotations

import asyncio

from .browser_events import TabEvents
from .browser_frames import Event

SOON_S = 1.0  # a refresh that comes later is part of what the page does, such as a clock
SCHEDULED, REQUESTED, STARTED = "scheduled", "requested", "started"


class LeavingWatch:
    """Knows of one tab's main frame how many documents it has shown and whether the next is on its way."""

    def __init__(self, events: TabEvents) -> None:
        self.documents = 0  # since ``begin``
        self.stopped = asyncio.Event()  # set while the document that was asked for loads no more
        self._main_frame = ""
        self._signs: set[str] = set()
        self._settled = asyncio.Event()
        events.on("Page.frameScheduledNavigation", self._on_scheduled)
        events.on("Page.frameClearedScheduledNavigation", lambda event: self._drop(event, SCHEDULED))
        events.on("Page.frameRequestedNavigation", lambda event: self._add(event, REQUESTED))
        events.on("Page.frameStartedNavigating", self._on_started)
        events.on("Page.frameStoppedLoading", self._on_stopped)
        events.on("Page.frameNavigated", self._on_navigated)

    def begin(self) -> None:
        """Forget what was; the tab is led to another URL."""
        self.documents = 0
        self.stopped.clear()
        self._signs.clear()
        self._settled.set()

    @property
    def is_leaving(self) -> bool:
        """Whether another document is to take the place of this one, soon."""
        return bool(self._signs)

    async def settle(self, timeout_s: float) -> bool:
        """Wait until no other document is on its way; return whether that was within *timeout_s* seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    def _on_scheduled(self, event: Event) -> None:
        if event["delay"] <= SOON_S:
            self._add(event, SCHEDULED)

    def _on_started(self, event: Event) -> None:
        self._add(event, STARTED)
        self._drop(event, REQUESTED)
        if event["frameId"] == self._main_frame:
            self.stopped.clear()

    def _on_stopped(self, event: Event) -> None:
        self._drop(event, STARTED)
        if event["frameId"] == self._main_frame and self.documents:
            self.stopped.set()

    def _on_navigated(self, event: Event) -> None:
        frame = event["frame"]
        if "parentId" in frame:
            return
        self._main_frame = frame["id"]
        self.documents += 1
        self._signs.clear()
        self._settled.set()

    def _add(self, event: Event, sign: str) -> None:
        if event["frameId"] == self._main_frame:
            self._signs.add(sign)
            self._settled.clear()

    def _drop(self, event: Event, sign: str) -> None:
        if event["frameId"] == self._main_frame:
            self._signs.discard(sign)
            if not self._signs:
                self._settled.set()
