"""A program that starts a run and is killed at one of the executor's steps.

    executor_child.py DATABASE before|after STEP

It kills itself when a message of the type STEP is about to be sent, or has been acknowledged.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from crawl_child import SEED, SiteEngine

from bequest import Definition
from bequest.actors.address import Address

PAGES = 5
DEFINITION = Definition.crawl(
    "numbers", start_urls=[SEED], max_pages=PAGES, max_depth=50, auth_id=None, labels={"team": "harbour"}
)


def deadly(send: Any, when: str, step: str) -> Any:
    """Return a method that sends as *send* does, and does not survive that step."""

    def sent(self: Address, message: Any, **named: Any) -> Any:
        if type(message).__name__ == step and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answered = send(self, message, **named)
        if type(message).__name__ == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return answered

    return sent


def main(database: str, when: str, step: str) -> None:
    """Start a run, and die of it."""
    Address.ask = deadly(Address.ask, when, step)  # type: ignore[method-assign]
    Address.tell = deadly(Address.tell, when, step)  # type: ignore[method-assign]
    with SiteEngine(database) as engine:
        engine.run(DEFINITION, key="numbers")


if __name__ == "__main__":
    main(*sys.argv[1:])
