"""Owns the scripted login: steps taken in a context of their own, and what that holds then is the session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from playwright.async_api import BrowserContext, Error, Page
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from ..engine.credentials import covers
from ..engine.errors import LoginFailedError
from ..engine.sessions import Session
from .browser_failures import FAILURES, THROUGH_GUARD, Failure, is_fetchable, kind_of, net_error, place
from .browser_messages import BrowserStep, Click, Fill, FillCode, Goto, Login, WaitFor
from .browser_session import read_session
from .browser_tab import WhyRefused, host_of
from .fresh_codes import FreshCodes

GRACE_S = 2.0  # for the browser to say itself that a step timed out


async def log_in(context: BrowserContext, message: Login, codes: FreshCodes, *, why_refused: WhyRefused) -> Session:
    """Take the steps in a new tab of *context* and return all that it holds then.

    Raises ``LoginFailedError`` naming the step's number, kind and selector (of a URL host and path), never a value:
    what the browser says of a failed step can quote it, so none of that is passed on. *why_refused* knows why a
    connection was not made.
    """
    deadline = asyncio.get_running_loop().time() + message.timeout_s
    page = await context.new_page()
    for number, step in enumerate(message.steps, 1):
        left_s = max(0.001, deadline - asyncio.get_running_loop().time())
        page.set_default_timeout(left_s * 1000)
        try:
            async with asyncio.timeout(left_s + GRACE_S):
                await take(step, page, message.sites, codes)
        except (Error, TimeoutError) as error:
            unreached = why_unreached(step, error, why_refused)
            said = f"found {unreached.found}" if unreached is not None else found(error)
            has_typed = any(isinstance(one, Fill | FillCode) for one in message.steps[:number])
            raise LoginFailedError(
                f"login step {number}, {described(step)}: {said}",
                is_transient=unreached is not None and unreached.is_transient and not has_typed,
            ) from None
    return await read_session(context, (page,))


class OffSiteError(Error):
    """The page is of a host that the credential is not for."""


async def take(step: BrowserStep, page: Page, sites: Sequence[str] | None, codes: FreshCodes) -> None:
    """Take one step; what is filled in is typed on a host of *sites*, where there are any."""
    match step:
        case Goto(url=url) if is_fetchable(url):
            await page.goto(url)
        case Goto():
            raise Error("not a URL with http or https and a host")
        case Fill(selector=selector, value=value):
            await find_field(selector, page, sites)
            await page.fill(selector, value.reveal())
        case FillCode(selector=selector, totp=totp):
            await find_field(selector, page, sites)  # so that no code grows old in waiting for its field
            code = await codes.take(totp)
            await page.fill(selector, code.reveal())
        case Click(selector=selector):
            await page.click(selector)
        case WaitFor(selector=selector):
            await page.wait_for_selector(selector)


async def find_field(selector: str, page: Page, sites: Sequence[str] | None) -> None:
    """Wait for a field; raises ``OffSiteError`` when the page that shows it is of none of *sites*."""
    await page.wait_for_selector(selector)
    host = host_of(page.url)
    if sites is not None and not covers(sites, host):
        raise OffSiteError(host)


def why_unreached(step: BrowserStep, error: Exception, why_refused: WhyRefused) -> Failure | None:
    """Return what kept the browser from the page that *step* is to open, None where it is another kind of failure."""
    if not isinstance(step, Goto):
        return None
    if isinstance(error, TimeoutError | PlaywrightTimeoutError):
        return FAILURES["timeout"]
    name = net_error(str(error))
    if name is None:
        return None
    return FAILURES[(why_refused(step.url) or "network") if name in THROUGH_GUARD else kind_of(str(error))]


def described(step: BrowserStep) -> str:
    """Return the kind of *step* and its selector or place."""
    match step:
        case Goto(url=url):
            return f"goto {place(url)}"
        case Fill(selector=selector) | FillCode(selector=selector):
            return f"fill {selector!r}"
        case Click(selector=selector):
            return f"click {selector!r}"
        case WaitFor(selector=selector):
            return f"wait for {selector!r}"


def found(error: Exception) -> str:
    """Return what was found, without the words of *error*, which can hold a value."""
    if isinstance(error, TimeoutError | PlaywrightTimeoutError):
        return "found nothing that answers in time; check the selector and the steps before it"
    if isinstance(error, OffSiteError):
        return (
            f"found a page of {error.message}, which is none of the credential's sites, so nothing was typed;"
            " name it among them if the login is there"
        )
    name = net_error(str(error))
    return f"the browser reports {name}" if name else "the browser could not do it; check the URL or the selector"
