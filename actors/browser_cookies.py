"""Owns the way of a credential's cookies into a browser context, and the account of it (I17).

One bad cookie makes Chromium refuse a whole batch, often without naming it, and silence is not success: so a refused
batch is repeated one by one, and what was stored is read back and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playwright.async_api import BrowserContext, Error

from ..engine.cookies import Cookie, admit, from_playwright, to_playwright
from ..engine.credentials import Credential
from ..engine.pages import CookieReport


async def inject(context: BrowserContext, credential: Credential, now: float) -> CookieReport:
    """Put the credential's usable cookies into *context* and return what became of each: names and reasons."""
    admission = admit(credential.cookies, sites=credential.sites, now=now)
    refused = await _add(context, admission.kept, now)
    stored = {_identity(from_playwright(dict(found))) for found in await context.cookies()}
    injected = [cookie for cookie in admission.kept if cookie not in refused]
    missing = [cookie for cookie in injected if _identity(cookie) not in stored]
    skipped = (
        *admission.skipped,
        *((cookie.name, "refused by the browser") for cookie in refused),
        *((cookie.name, "not stored by the browser") for cookie in missing),
    )
    return CookieReport(
        offered=len(credential.cookies),
        injected=len(injected),
        confirmed=len(injected) - len(missing),
        skipped=skipped,
    )


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
