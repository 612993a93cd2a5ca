"""Sees to it that there is an ``Xvfb`` for the tests of the visible browser: one that is here, or Debian's package."""

from __future__ import annotations

import shutil
import sys

from bequest.actors.browser_install import succeeded

ADVICE = "the tests need Xvfb, a display that nobody looks at; install it, such as with `apt-get install xvfb` as root"


def main() -> None:
    """End with an advice unless there is one."""
    if shutil.which("Xvfb") is None and shutil.which("apt-get"):
        for step in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "xvfb"]):
            succeeded(step, print)
    if shutil.which("Xvfb") is None:
        sys.exit(ADVICE)


if __name__ == "__main__":
    main()
