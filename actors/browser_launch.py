"""Owns the start and the end of one Chromium: its flags, its driver process, and how contexts are made in it.

The browser as a whole leaves through the guard's strict port, or its own chatter would go around the guard; a context
that may reach private networks is given the other port.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
import signal
from collections.abc import Awaitable
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Error, Playwright, ProxySettings, async_playwright

from ..engine.errors import BrowserNotFoundError
from .browser_headers import BrowserHeaders
from .guard import Guard

logger = logging.getLogger(__name__)

LAUNCH_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0

LAST_WORDS = re.compile(  # of Chromium or of the linker, in the log that Playwright's message holds
    r"\[err\] (?:\S*:FATAL:\S*\] (.*?)|.*(error while loading shared libraries: .*))\.?$", re.MULTILINE
)
FLAGS = (
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",  # WebRTC would go around the proxy
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # names are the guard's to resolve
    # Images and fonts are never loaded. Playwright sets the first four; the last --blink-settings wins.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4,"
    "imagesEnabled=false",
    "--disable-remote-fonts",
)


class Chromium:
    """One running Chromium with its driver."""

    def __init__(self, driver: Playwright, browser: Browser, guard: Guard) -> None:
        self.headers = BrowserHeaders(browser)
        self._driver = driver
        self._browser = browser
        self._guard = guard
        self._pid: int | None = None
        self._is_lost = False

    @classmethod
    async def launch(cls, executable: Path, guard: Guard) -> Chromium:
        """Start the Chromium at *executable*; raises ``BrowserNotFoundError`` when it does not start.

        The sandbox is on unless the user is root, for whom Chromium has none; the log says so once.
        """
        is_root = os.geteuid() == 0
        if is_root:
            warn_of_root()
        driver = await start_driver()
        try:
            async with asyncio.timeout(LAUNCH_TIMEOUT_S):
                browser = await driver.chromium.launch(
                    executable_path=executable,
                    args=FLAGS,
                    proxy=proxy(guard.strict_port),
                    chromium_sandbox=not is_root,
                    handle_sigint=False,
                )
                chromium = cls(driver, browser, guard)
                await chromium._find_pid()
        except BaseException as error:
            await quietly(driver.stop())
            if isinstance(error, Error | TimeoutError):
                raise BrowserNotFoundError(not_started(executable, error)) from error
            raise
        return chromium

    @property
    def is_alive(self) -> bool:
        """Whether the browser is connected, as far as is known."""
        return self._browser.is_connected() and not self._is_lost

    @property
    def version(self) -> str:
        """The version that the browser gives."""
        return self._browser.version

    async def new_context(self, *, allow_private: bool, user_agent: str | None = None) -> BrowserContext:
        """Return a fresh context under that egress policy: no service workers, no downloads."""
        return await self._browser.new_context(
            proxy=proxy(self._guard.private_port) if allow_private else None,
            service_workers="block",
            accept_downloads=False,
            user_agent=user_agent,
        )

    async def check(self) -> None:
        """Kill a browser that does not answer; one whose driver died is connected for all that Playwright says."""
        if self.is_alive and not await quietly(self._find_pid()):
            self.kill()
            self._is_lost = True

    async def close(self) -> None:
        """End the browser and its driver, by force when they do not end within ten seconds."""
        if self.is_alive and not await quietly(self._browser.close()):
            self.kill()
        await quietly(self._driver.stop())

    def kill(self) -> None:
        """End the browser's process at once, if it is alive."""
        if self._pid is not None and self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    async def _find_pid(self) -> None:
        session = await self._browser.new_browser_cdp_session()
        processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        self._pid = next((int(process["id"]) for process in processes if process["type"] == "browser"), None)
        await session.detach()


@functools.cache
def warn_of_root() -> None:
    """Say once that the browser has no sandbox."""
    logger.warning("the browser has no sandbox, because it runs as root; run it as a user of its own")


async def start_driver() -> Playwright:
    """Start Playwright's process; when that is cancelled, the process is ended as soon as it has started."""
    starting = asyncio.ensure_future(async_playwright().start())
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await quietly(end_driver(starting), LAUNCH_TIMEOUT_S)
        raise


async def end_driver(starting: Awaitable[Playwright]) -> None:
    """Wait for the driver and end it."""
    driver = await starting
    await driver.stop()


def proxy(port: int) -> ProxySettings:
    """Return Playwright's settings for the guard at *port*; loopback goes through it too."""
    return {"server": f"socks5://127.0.0.1:{port}", "bypass": "<-loopback>"}


def not_started(executable: Path, error: Exception) -> str:
    """Return the message for a Chromium that does not start, with what it said itself of that."""
    said = LAST_WORDS.search(str(error))
    reason = said[1] or said[2] if said else str(error).partition("\n")[0] or "no answer in time"
    return f"asked to start the browser at {executable}, found: {reason}; run `bequest browser install`"


async def quietly(closing: Awaitable[object], timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
    """Wait for *closing* and return whether it came to its end; what fails to close is logged, not raised."""
    try:
        async with asyncio.timeout(timeout_s):
            await closing
    except (Error, TimeoutError) as error:
        logger.debug("a part of the browser did not close", extra={"error": type(error).__name__})
        return False
    return True
