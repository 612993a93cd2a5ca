"""Tests of what a tab makes of the browser's news, in orders that a real browser seldom has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bequest.actors import browser_tab
from bequest.actors.browser_tab import Tab

URL = "http://wiki.test/"
SEEN = {"url": URL, "content_type": "text/html", "characters": 6, "is_parsing": False, "status": 0}
SEEN |= {"html": "<html>", "login": None, "checked": {"signs": [], "bad": []}}


class LatePage:
    """A page and its session: the answer to a navigation comes while the tab asks whether the document is complete."""

    def __init__(self) -> None:
        self.url = URL
        self._listeners: list[tuple[str, Callable[[Any], object]]] = []

    def on(self, name: str, listener: Callable[[Any], object]) -> None:
        """Have *listener* called with what happens."""
        self._listeners.append((name, listener))

    async def goto(self, _url: str, **_: object) -> object:
        """Load all of the document before its answer is known."""
        self._answer = asyncio.get_running_loop().create_future()
        self._tell("Page.frameNavigated", {"frame": {"id": "main", "loaderId": "one"}})
        self._tell("Page.frameStoppedLoading", {"frameId": "main"})
        return await self._answer

    async def evaluate(self, script: str, _check: object = None) -> object:
        """Return what the scripts see."""
        if script != browser_tab.READ_PAGE_JS:
            request = SimpleNamespace(redirected_from=None)
            self._answer.set_result(SimpleNamespace(status=403, headers={}, request=request))
            await asyncio.sleep(0)
            return True
        return SEEN

    async def close(self) -> None:
        """Be closed."""

    def _tell(self, name: str, event: object) -> None:
        for known, listener in self._listeners:
            if known == name:
                listener(event)


def test_answer_that_comes_after_all_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that is complete before its answer is known is read with that answer, and its tab is used again."""
    monkeypatch.setattr(browser_tab, "STOP_GRACE_S", 0.0)

    async def read() -> tuple[int, bool]:
        page = cast(Any, LatePage())  # Any: it is as much of Playwright's page, and of its session, as is asked here
        tab = Tab(page, page, "wiki.test")
        snapshot = await tab.read(URL, timeout_s=5.0, why_refused=lambda _: None)
        await tab.discard()
        return snapshot.status, tab.is_spent

    assert asyncio.run(read()) == (403, False)
