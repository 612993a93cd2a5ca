"""Owns what is known of frames: in which browser context each one is.

The browser tells of its targets (pages, frames with a process of their own, workers) with their contexts. Frames in
their parent's process are no targets; of those each tab tells. A frame below a frame of another site is known only
once it has a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import Any

from playwright.async_api import CDPSession

GRACE_S = 0.1  # for what a tab tells of a frame, when the frame's first request was told before

Event = dict[str, Any]  # of the DevTools protocol


class FrameMap:
    """Knows the browser context of each frame and worker, by the id that the DevTools protocol gives it."""

    def __init__(self) -> None:
        self._contexts: dict[str, str] = {}  # of targets
        self._urls: dict[str, str] = {}  # of targets
        self._parents: weakref.WeakKeyDictionary[CDPSession, dict[str, str]] = weakref.WeakKeyDictionary()
        self._news = asyncio.Event()

    def watch_tab(self, session: CDPSession) -> None:
        """Listen to the frames of a tab; *session* is its own and tells of pages."""
        parents: dict[str, str] = {}
        self._parents[session] = parents

        def attach(event: Event) -> None:
            parents[event["frameId"]] = event["parentFrameId"]
            self._tell()

        def navigate(event: Event) -> None:
            if "parentId" not in event["frame"]:  # another document, with none of the old one's frames
                parents.clear()

        session.on("Page.frameAttached", attach)
        session.on("Page.frameNavigated", navigate)

    async def watch_targets(self, session: CDPSession) -> None:
        """Learn all targets that there are and listen to changes; *session* is the browser's."""
        session.on("Target.targetCreated", self._on_target)
        session.on("Target.targetInfoChanged", self._on_target)
        session.on("Target.targetDestroyed", self._on_target_gone)
        await session.send("Target.setDiscoverTargets", {"discover": True, "filter": [{}]})

    def forget_targets(self) -> None:
        """Forget all targets, because nobody listens any more."""
        self._contexts.clear()
        self._urls.clear()

    async def context_of(self, frame_id: str) -> str | None:
        """Return the context of a frame or worker, or None when it is not known."""
        found = self._find(frame_id)
        if found is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_S):
                    while found is None:
                        await self._news.wait()
                        found = self._find(frame_id)
        return found

    def url_of(self, frame_id: str) -> str:
        """Return what is shown or run in the process of a frame or worker of a known context."""
        return self._urls.get(self._target_of(frame_id), "")

    def _find(self, frame_id: str) -> str | None:
        return self._contexts.get(self._target_of(frame_id))

    def _target_of(self, frame_id: str) -> str:
        for parents in list(self._parents.values()):
            while frame_id not in self._contexts and frame_id in parents:
                frame_id = parents[frame_id]
        return frame_id

    def _on_target(self, event: Event) -> None:
        target = event["targetInfo"]
        if "browserContextId" in target:
            self._contexts[target["targetId"]] = target["browserContextId"]
            self._urls[target["targetId"]] = target["url"]
            self._tell()

    def _on_target_gone(self, event: Event) -> None:
        self._contexts.pop(event["targetId"], None)
        self._urls.pop(event["targetId"], None)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
