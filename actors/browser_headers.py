"""Owns the headers that credentials carry, and their way into requests, each to its own origin alone (I17).

A header that is set on a page or a context goes along with a redirect to another origin. Here the browser itself
pauses each request to an origin that has a header, every hop of a redirect anew, and that of a worker, a popup and a
download too. The header is added where the origin *and* the browser context are the credential's; a frame of which the
context is not known gets none. WebSocket handshakes are not paused and carry no header.

Each paused request is a round trip, so this is on only while a context with headers lives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from playwright.async_api import Browser, CDPSession, Error

from ..engine.sessions import OriginHeader
from .browser_frames import Event, FrameMap


class BrowserHeaders:
    """Adds headers to the requests of one browser; by context, so that no credential's go with another's pages."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._session: CDPSession | None = None
        self._changing = asyncio.Lock()
        self._by_context: dict[str, tuple[OriginHeader, ...]] = {}
        self._frames = FrameMap()
        self._answering: set[asyncio.Task[None]] = set()

    def watch(self, tab: CDPSession) -> None:
        """Listen to a new tab of any context, with or without headers."""
        self._frames.watch_tab(tab)

    async def admit(self, tab: CDPSession, headers: Sequence[OriginHeader]) -> str:
        """Have the context of *tab* send *headers* from now on, and return the context's id."""
        context_id = str((await tab.send("Target.getTargetInfo"))["targetInfo"]["browserContextId"])
        async with self._changing:
            if context_id not in self._by_context:
                admitted = {**self._by_context, context_id: tuple(headers)}
                await self._pause(admitted)
                self._by_context = admitted
        return context_id

    async def drop(self, context_id: str) -> None:
        """Send the headers of that context no longer; without any other, requests are paused no longer."""
        async with self._changing:
            if self._by_context.pop(context_id, None) is None or self._session is None:
                return
            if self._by_context:
                await self._pause(self._by_context)
                return
            session, self._session = self._session, None
            self._frames.forget_targets()
            await session.send("Fetch.disable")  # what is paused goes on
            await session.detach()

    async def _pause(self, by_context: dict[str, tuple[OriginHeader, ...]]) -> None:
        """Have requests to all those origins paused, and no others."""
        if self._session is None:
            session = await self._browser.new_browser_cdp_session()
            session.on("Fetch.requestPaused", lambda event: self._on_paused(session, event))
            await self._frames.watch_targets(session)
            self._session = session
        origins = {header.origin for headers in by_context.values() for header in headers}
        patterns = [{"urlPattern": f"{origin}/*"} for origin in sorted(origins)]
        await self._session.send("Fetch.enable", {"patterns": patterns})

    def _on_paused(self, session: CDPSession, event: Event) -> None:
        task = asyncio.create_task(self._resume(session, event))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _resume(self, session: CDPSession, event: Event) -> None:
        headers = await self._headers_for(event)
        answer: dict[str, Any] = {"requestId": event["requestId"]}  # Any: the protocol's own types
        if headers:
            answer["headers"] = with_headers(event["request"]["headers"], headers)
        with contextlib.suppress(Error):  # it was cancelled meanwhile, or the browser ended
            await session.send("Fetch.continueRequest", answer)

    async def _headers_for(self, event: Event) -> list[OriginHeader]:
        context_id = await self._frames.context_of(event.get("frameId", ""))
        url: str = event["request"]["url"]  # as the browser writes it, so that the origin stands at its beginning
        known = self._by_context.get(context_id or "", ())
        return [header for header in known if url.startswith(f"{header.origin}/")]


def with_headers(found: dict[str, str], added: Sequence[OriginHeader]) -> list[dict[str, str]]:
    """Return a request's headers with *added* in the place of any of the same name."""
    names = {header.name.lower() for header in added}
    kept = [{"name": name, "value": value} for name, value in found.items() if name.lower() not in names]
    return kept + [{"name": header.name, "value": header.value.reveal()} for header in added]
