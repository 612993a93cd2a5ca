"""Owns the way of a credential's storages into the browser, each into its own origin alone (I17).

localStorage and IndexedDB belong to the context and are put there once. sessionStorage belongs to a tab: each new one
is led through an empty page of the origin, which the browser is given here and never asks the site for, and has the
values put there. So they are set once, what a site changes stands, its frames share it as they do in any tab, and
no other origin ever has them in its process, as it would have the text of an init script.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from playwright.async_api import BrowserContext, CDPSession, Error, Page

from ..engine.sessions import OriginStorage
from .browser_frames import Event

logger = logging.getLogger(__name__)

EMPTY_PAGE = base64.b64encode(b"<!doctype html><link rel=icon href=data:,>").decode()
HTML = [{"name": "Content-Type", "value": "text/html"}]
SET_ITEMS_JS = """([origin, items]) => {
  if (location.origin !== origin) return false;
  let isWhole = true;
  for (const [name, value] of items) {
    try { sessionStorage.setItem(name, value); } catch { isWhole = false; }
  }
  return isWhole;
}"""


async def put(context: BrowserContext, storages: Sequence[OriginStorage]) -> list[OriginStorage]:
    """Put localStorage and IndexedDB into a *context* without cookies or pages; return what the browser refused."""
    lasting = [storage for storage in storages if storage.local or storage.indexed_db is not None]
    if not lasting or await _set(context, lasting):
        return []
    if len(lasting) == 1:
        return lasting
    kept: list[OriginStorage] = []
    is_clean = False
    for storage in lasting:  # one that is refused costs only itself
        is_clean = await _set(context, [*kept, storage])
        if is_clean:
            kept.append(storage)
    if not is_clean:
        await _set(context, kept)
    return [storage for storage in lasting if storage not in kept]


async def seed(page: Page, session: CDPSession, storages: Sequence[OriginStorage]) -> None:
    """Put sessionStorage into a new tab; *session* is the tab's own. What the browser refuses is logged by origin."""
    fleeting = [storage for storage in storages if storage.session]
    if not fleeting:
        return
    answering: set[asyncio.Task[None]] = set()

    def on_paused(event: Event) -> None:
        answering.add(asyncio.create_task(give_empty_page(session, event)))

    session.on("Fetch.requestPaused", on_paused)
    await session.send("Fetch.enable")
    for storage in fleeting:
        items = [[name, value.reveal()] for name, value in storage.session.items()]
        await page.goto(f"{storage.origin}/")
        if not await page.evaluate(SET_ITEMS_JS, [storage.origin, items]):
            logger.warning("session storage not taken by the browser", extra={"origin": storage.origin})
    await session.send("Fetch.disable")
    session.remove_listener("Fetch.requestPaused", on_paused)


async def give_empty_page(session: CDPSession, event: Event) -> None:
    """Answer a request of the tab in the place of the site."""
    answer = {"requestId": event["requestId"], "responseCode": 200, "responseHeaders": HTML, "body": EMPTY_PAGE}
    with contextlib.suppress(Error):  # it was cancelled
        await session.send("Fetch.fulfillRequest", answer)


async def _set(context: BrowserContext, storages: Sequence[OriginStorage]) -> bool:
    try:
        origins: list[Any] = [spelled(storage) for storage in storages]  # Any: Playwright's own type
        await context.set_storage_state({"cookies": [], "origins": origins})
    except (Error, msgspec.DecodeError):  # the words of either can hold a value
        return False
    return True


def spelled(storage: OriginStorage) -> dict[str, Any]:
    """Return localStorage and IndexedDB of one origin in Playwright's spelling, in the clear."""
    local = [{"name": name, "value": value.reveal()} for name, value in storage.local.items()]
    found: dict[str, Any] = {"origin": storage.origin, "localStorage": local}
    if storage.indexed_db is not None:
        found["indexedDB"] = msgspec.json.decode(storage.indexed_db.reveal())
    return found
