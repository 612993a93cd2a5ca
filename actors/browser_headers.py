"""Owns the headers that credentials carry, and their way into requests, each to its own origin alone (I17).

A header that is set on a page or a context goes along with a redirect to another origin. Here the browser itself
pauses each request to an origin that has a header, every hop of a redirect anew, and that of a worker, a popup and a
download too. The header is added where the origin *and* the browser context are the credential's; a frame of which the
context is not known gets none. Nor does a script or a form of another site: unlike cookies, a header is no site's to
fend off there, and one whose answers any origin may read trusts that browsers add none. WebSocket handshakes are not
paused and carry no header.

Each paused request is a round trip, so this is on only while a context with headers lives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from playwright.async_api import Browser, CDPSession, Error

from ..engine.credentials import covers
from ..engine.sessions import OriginHeader
from .browser_frames import Event, FrameMap
from .browser_tab import host_of


class Admitted(NamedTuple):
    """What goes with the requests of one context, and from which sites those may come."""

    headers: tuple[OriginHeader, ...]
    sites: tuple[str, ...]


class BrowserHeaders:
    """Adds headers to the requests of one browser; by context, so that no credential's go with another's pages."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._session: CDPSession | None = None
        self._changing = asyncio.Lock()
        self._by_context: dict[str, Admitted] = {}
        self._frames = FrameMap()
        self._answering: set[asyncio.Task[None]] = set()

    def watch(self, tab: CDPSession) -> None:
        """Listen to a new tab of any context, with or without headers."""
        self._frames.watch_tab(tab)

    async def admit(self, tab: CDPSession, headers: Sequence[OriginHeader], *, sites: Sequence[str]) -> str:
        """Have what *sites* ask for in the context of *tab* carry *headers* from now on; return the context's id."""
        context_id = str((await tab.send("Target.getTargetInfo"))["targetInfo"]["browserContextId"])
        async with self._changing:
            if context_id not in self._by_context:
                admitted = {**self._by_context, context_id: Admitted(tuple(headers), tuple(sites))}
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

    async def _pause(self, by_context: dict[str, Admitted]) -> None:
        """Have requests to all those origins paused, and no others."""
        if self._session is None:
            session = await self._browser.new_browser_cdp_session()
            session.on("Fetch.requestPaused", lambda event: self._on_paused(session, event))
            await self._frames.watch_targets(session)
            self._session = session
        origins = {header.origin for admitted in by_context.values() for header in admitted.headers}
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
        frame_id: str = event.get("frameId", "")
        admitted = self._by_context.get(await self._frames.context_of(frame_id) or "")
        if admitted is None or not self._is_asked_by(admitted.sites, event["request"]["headers"], frame_id):
            return []
        url: str = event["request"]["url"]  # as the browser writes it, so that the origin stands at its beginning
        return [header for header in admitted.headers if url.startswith(f"{header.origin}/")]

    def _is_asked_by(self, sites: Sequence[str], headers: dict[str, str], frame_id: str) -> bool:
        """Whether one of *sites* asks, or nobody who could read the answer: only then is an origin told."""
        origin = next((value for name, value in headers.items() if name.lower() == "origin"), None)
        if origin == "null":  # hidden, after a redirect from one origin to another among others
            origin = self._frames.url_of(frame_id)
        return origin is None or covers(sites, host_of(origin))


def with_headers(found: dict[str, str], added: Sequence[OriginHeader]) -> list[dict[str, str]]:
    """Return a request's headers with *added* in the place of any of the same name."""
    names = {header.name.lower() for header in added}
    kept = [{"name": name, "value": value} for name, value in found.items() if name.lower() not in names]
    return kept + [{"name": header.name, "value": header.value.reveal()} for header in added]
