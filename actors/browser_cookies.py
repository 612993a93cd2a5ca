"""Owns the way of a credential into a new browser context, its cookies above all, and the account of it (I17).

One bad cookie makes Chromium refuse a whole batch, often without naming it, and silence is not success: so a refused
batch is repeated one by one, and what was stored is read back and compared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec
from playwright.async_api import BrowserContext, Error

from ..engine.cookies import Cookie, from_playwright, narrow, to_playwright
from ..engine.credentials import Credential
from ..engine.pages import CookieReport
from .browser_storage import put

REFUSED = "refused by the browser"
LONG_AGO = 1.0  # an expiry with which a cookie takes another's place and is gone


async def inject(context: BrowserContext, credential: Credential, now: float) -> CookieReport:
    """Put what is usable of the credential's cookies and storages into a new *context*.

    Returns what became of each part: names and reasons. Headers and sessionStorage are given to each tab.
    """
    admission = credential.examined(now)
    storages_refused = await put(context, admission.storages)
    refused = await _add(context, admission.cookies, now)
    stored = {_identity(from_playwright(dict(found))) for found in await context.cookies()}
    injected = [cookie for cookie in admission.cookies if cookie not in refused]
    missing = [cookie for cookie in injected if _identity(cookie) not in stored]
    skipped = (
        *((one.name if one.kind == "cookie" else f"{one.kind} {one.name}", one.reason) for one in admission.skipped),
        *((cookie.name, REFUSED) for cookie in refused),
        *((cookie.name, "not stored by the browser") for cookie in missing),
        *((f"storage {storage.origin}", REFUSED) for storage in storages_refused),
    )
    return CookieReport(
        offered=len(credential.cookies),
        injected=len(injected),
        confirmed=len(injected) - len(missing),
        headers=len(admission.headers),
        storages=len(admission.storages) - len(storages_refused),
        skipped=skipped,
    )


class NarrowedCookies:
    """The cookies of a parent domain that a credential has narrowed to its sites.

    A site that replaces one sets it for the parent domain, as it always has. To a browser that is another cookie beside
    the narrowed one, which would be sent first and for ever.
    """

    def __init__(self, credential: Credential) -> None:
        copies = [(one, cookie) for cookie in credential.cookies for one in narrow(cookie, credential.sites)]
        self._parents = {_identity(one): cookie.domain for one, cookie in copies if one.domain != cookie.domain}

    async def tidy(self, context: BrowserContext) -> None:
        """Take those away that the site has replaced; a value that it has changed in its place stays."""
        if not self._parents:
            return
        with contextlib.suppress(Error):  # the browser may be gone
            found = [from_playwright(dict(spelled)) for spelled in await context.cookies()]
            there = {(cookie.name, cookie.domain, cookie.path) for cookie in found if not cookie.host_only}
            stale = [one for one in found if (one.name, self._parents.get(_identity(one)), one.path) in there]
            await _add(context, [msgspec.structs.replace(one, expires=LONG_AGO) for one in stale], LONG_AGO)


async def _add(context: BrowserContext, cookies: Sequence[Cookie], now: float) -> list[Cookie]:
    """Add *cookies* and return those that were refused."""
    if not cookies:
        return []
    spelled: list[Any] = [to_playwright(cookie, now=now) for cookie in cookies]  # Any: Playwright's own type
    try:
        await context.add_cookies(spelled)
    except Error:
        if len(cookies) == 1:
            return [cookies[0]]
        return [bad for cookie in cookies for bad in await _add(context, [cookie], now)]
    return []


def _identity(cookie: Cookie) -> tuple[str, str, bool, str, str]:
    return cookie.name, cookie.domain, cookie.host_only, cookie.path, cookie.value.reveal()
