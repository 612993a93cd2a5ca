"""Owns what each tab of a context is given before its first page: what of a credential does not lie in the context."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.async_api import CDPSession, Page

from ..engine.sessions import OriginHeader, OriginStorage
from .browser_headers import BrowserHeaders
from .browser_launch import quietly
from .browser_storage import seed


class Outfit:
    """The headers and session storages of one context, both empty when it is anonymous."""

    def __init__(
        self,
        sender: BrowserHeaders,
        headers: Sequence[OriginHeader] = (),
        storages: Sequence[OriginStorage] = (),
        *,
        sites: Sequence[str] = (),
    ) -> None:
        self._sender = sender
        self._headers = headers
        self._storages = storages
        self._sites = sites
        self._context_id: str | None = None

    async def fit(self, page: Page, session: CDPSession) -> None:
        """Make a new tab ready; *session* is its own and tells of pages."""
        self._sender.watch(session)
        if self._headers:
            self._context_id = await self._sender.admit(session, self._headers, sites=self._sites)
        await seed(page, session, self._storages)

    async def end(self) -> None:
        """Have nothing sent any more; the context is closed."""
        if self._context_id is not None:
            await quietly(self._sender.drop(self._context_id))
