"""Owns how a machine gets a Chromium: finds one that works, or installs one, or says what to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from playwright.async_api import Error

from ..engine.errors import BrowserNotFoundError
from .browser_launch import Chromium
from .guard import Guard

DOWNLOAD_TIMEOUT_S = 900.0
PROBE_TIMEOUT_S = 60.0
NAMES_ON_PATH = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MAC_APPS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
IN_A_DOWNLOAD = (  # of Playwright's, by platform and release
    "chrome-linux*/chrome",
    "chrome-mac*/Chromium.app/Contents/MacOS/Chromium",
    "chrome-mac*/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing",
)
ADVICE = (
    "install one by hand (Debian, as root: `apt-get install chromium`; elsewhere: "
    f"`{Path(sys.executable).name} -m playwright install --with-deps chromium`) and run `bequest browser install` again"
)

Report = Callable[[str], None]


def find_chromium() -> Path | None:
    """Return the first Chromium on this machine, not knowing yet whether it starts, or None."""
    return next(candidates(), None)


def candidates() -> Iterator[Path]:
    """Yield what may be a Chromium: Playwright's own, newest first, then those on the PATH and in macOS's folder."""
    downloads = sorted(downloads_folder().glob("chromium-*"), key=revision, reverse=True)
    for folder in downloads:
        for pattern in IN_A_DOWNLOAD:
            yield from folder.glob(pattern)
    for name in NAMES_ON_PATH:
        found = shutil.which(name)
        if found:
            yield Path(found)
    yield from (path for path in map(Path, MAC_APPS) if path.exists())


def downloads_folder() -> Path:
    """Return where Playwright keeps its downloads for this user; ``PLAYWRIGHT_BROWSERS_PATH`` is Playwright's own."""
    named = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if named and named != "0":
        return Path(named)
    caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / caches / "ms-playwright"


def revision(folder: Path) -> int:
    """Return the number in the name of a download's folder, 0 when it has none."""
    number = folder.name.partition("-")[2]
    return int(number) if number.isdecimal() else 0


def probe(executable: Path) -> str:
    """Start the browser at *executable*, have it render a page, and return its version.

    Raises ``BrowserNotFoundError`` when it does not; not for use inside a running asyncio loop.
    """
    return asyncio.run(_probe(executable))


async def _probe(executable: Path) -> str:
    guard = Guard()
    await guard.start()
    try:
        chromium = await Chromium.launch(executable, guard)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                context = await chromium.new_context(allow_private=False)
                page = await context.new_page()
                await page.set_content("<p>six</p><script>document.title = 6 * 7</script>")
                title = await page.title()
        except (Error, TimeoutError) as error:
            raise BrowserNotFoundError(f"the browser at {executable} starts but renders no page; {ADVICE}") from error
        finally:
            await chromium.close()
    finally:
        await guard.stop()
    if title != "42":
        raise BrowserNotFoundError(f"the browser at {executable} starts but runs no script; {ADVICE}")
    return chromium.version


def install(report: Report) -> Path:
    """Return a Chromium that starts and renders a page, installing one when there is none.

    Tries in this order: one that is here, Playwright's own download with its system libraries, and as root on Debian
    the package. Each step is told to *report* in one line. Raises ``BrowserNotFoundError`` saying what to do.
    """
    working = first_working(report)
    for step in (download, install_package):
        if working is not None:
            return working
        if step(report):
            working = first_working(report)
    if working is None:
        raise BrowserNotFoundError(f"asked to install a browser, found none that starts; {ADVICE}")
    return working


def first_working(report: Report) -> Path | None:
    """Return the first candidate that renders a page."""
    for executable in candidates():
        try:
            version = probe(executable)
        except BrowserNotFoundError as error:
            report(f"{executable} does not work: {error}")
        else:
            report(f"{executable} works (version {version})")
            return executable
    report("no browser found that works")
    return None


def download(report: Report) -> bool:
    """Have Playwright download its Chromium, as root with the system libraries that it needs."""
    libraries = ["--with-deps"] if os.geteuid() == 0 and shutil.which("apt-get") else []
    report("downloading Playwright's Chromium; this takes some minutes")
    return succeeded([sys.executable, "-m", "playwright", "install", *libraries, "--no-shell", "chromium"], report)


def install_package(report: Report) -> bool:
    """Install Debian's package where that is possible."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        report("not root on Debian, so its package is not tried")
        return False
    report("installing the package chromium")
    return succeeded(["apt-get", "update"], report) and succeeded(["apt-get", "install", "-y", "chromium"], report)


def succeeded(command: Sequence[str], report: Report) -> bool:
    """Run *command* to its end, at most fifteen minutes, and return whether it succeeded; reports when it did not."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        report(f"{command[0]} did not run to its end: {type(error).__name__}")
        return False
    if done.returncode:
        report(
            f"{' '.join(command[:4])} failed with code {done.returncode}: {telling_line(done.stderr or done.stdout)}"
        )
    return done.returncode == 0


def telling_line(text: str) -> str:
    """Return the first line of *text* that calls itself an error, as Node's and apt's do, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next(
        (line for line in lines if line.startswith(("Error:", "E:"))), lines[-1] if lines else "it said nothing"
    )
