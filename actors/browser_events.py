"""Owns what one tab's DevTools session tells of its page: each event is taken from Playwright once, for all who listen.

Playwright copies an event, and looks the handler's signature up, for every handler and at every event.
"""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import CDPSession

from .browser_frames import Event

Listener = Callable[[Event], object]


class TabEvents:
    """The events of one session, in the order of those who asked for them."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session
        self._listeners: dict[str, list[Listener]] = {}

    def on(self, method: str, listener: Listener) -> None:
        """Have *listener* called with what each event of that name says."""
        if method not in self._listeners:
            self._listen(method)
        self._listeners[method].append(listener)

    def _listen(self, method: str) -> None:
        listeners: list[Listener] = []
        self._listeners[method] = listeners

        def tell(event: Event) -> None:
            for listener in listeners:
                listener(event)

        self._session.on(method, tell)
