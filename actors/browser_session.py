"""Owns how a session is read out of a browser context: its cookies, its storages, and who the browser says it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from playwright.async_api import BrowserContext, Error, Page

from ..engine.cookies import from_playwright
from ..engine.errors import CredentialError
from ..engine.records import Record
from ..engine.secret import Secret
from ..engine.sessions import OriginStorage, Session

logger = logging.getLogger(__name__)

PAGE_TIMEOUT_S = 15.0  # for what a page is asked itself; one that spins never answers

OF_THE_PAGE = """() => ({
    agent: navigator.userAgent,
    origin: location.origin,
    items: (() => { try { return Object.entries(sessionStorage) } catch { return [] } })(),
})"""  # a page without an origin has no storage, and says so with an exception


class _OfPage(Record, frozen=True, kw_only=True):
    """What the page itself says; a page can say anything, so it is checked."""

    agent: str
    origin: str
    items: list[tuple[str, str]]


async def read_session(context: BrowserContext, pages: Sequence[Page]) -> Session:
    """Return all that *context* holds, of whatever site, and the sessionStorage of each origin that *pages* show.

    Of two pages of one origin the last is taken. What does not answer in time is left out.
    """
    shown = [found for page in pages if (found := await _of_page(page)) is not None]
    state = await _state(context)
    storages: dict[str, OriginStorage] = {}
    for found in state["origins"]:
        with contextlib.suppress(CredentialError):  # of an origin that no page is ever fetched from
            storages[found["origin"]] = _storage(found)
    for page in shown:
        with contextlib.suppress(CredentialError):
            kept = storages.get(page.origin) or OriginStorage(origin=page.origin)
            if page.items:
                session = {name: Secret(value) for name, value in page.items}
                storages[page.origin] = msgspec.structs.replace(kept, session=session)
    return Session(
        cookies=tuple(from_playwright(cookie) for cookie in state["cookies"]),
        storages=tuple(storages.values()),
        user_agent=shown[-1].agent if shown else None,
    )


async def _of_page(page: Page) -> _OfPage | None:
    with contextlib.suppress(Error, TimeoutError, msgspec.ValidationError):
        async with asyncio.timeout(PAGE_TIMEOUT_S):
            return msgspec.convert(await page.evaluate(OF_THE_PAGE), _OfPage)
    return None


async def _state(context: BrowserContext) -> Mapping[str, Any]:  # Any: Playwright's own keys
    """Return cookies and storages; where a database holds what cannot be written down, all but the databases."""
    for indexed_db in (True, False):
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(PAGE_TIMEOUT_S):
                state: Mapping[str, Any] = await context.storage_state(indexed_db=indexed_db)
                return state
    logger.warning("of what a login left, cookies alone could be read; a page of it does not answer")
    return {"cookies": await context.cookies(), "origins": []}


def _storage(found: Mapping[str, Any]) -> OriginStorage:
    databases = found.get("indexedDB")
    return OriginStorage(
        origin=found["origin"],
        local={item["name"]: Secret(item["value"]) for item in found["localStorage"]},
        indexed_db=Secret(msgspec.json.encode(databases).decode()) if databases else None,
    )
