"""Owns the browser that all crawls are measured with: one executable and one set of flags, the crawl's own."""

from __future__ import annotations

import os
from typing import Any

from linked_site import COOKIE, VALUE

from bequest.actors.browser_install import find_chromium
from bequest.actors.browser_launch import FLAGS

TABS = 4  # pages at once, in every crawl; it is what an engine has by default


def launch_options() -> dict[str, Any]:  # Any: Playwright's own keywords
    """Return the keywords of Playwright's ``launch``; raises ``RuntimeError`` when there is no browser."""
    executable = find_chromium()
    if executable is None:
        raise RuntimeError("asked for a browser, found none; run `bequest browser install`")
    return {"executable_path": str(executable), "args": list(FLAGS), "chromium_sandbox": os.geteuid() != 0}


def session_cookie(url: str) -> dict[str, str]:
    """Return the cookie that the site at *url* asks for, as Playwright spells it."""
    return {"name": COOKIE, "value": VALUE, "url": url}
