"""A program that gives the stored sessions another key with ``bequest key rotate``, and is killed.

    rotation_child.py DATABASE

The key file is named in the environment. At each point, before and after the key file changes and before and after each
message of the rotation, it writes ``point NAME`` to stdout and reads one byte from stdin before it goes on.
"""

from __future__ import annotations

import sys
from typing import Any

from bequest.actors.address import Address
from bequest.actors.rotation_messages import ListSealedByOthers, ResealCredentials, Scrub
from bequest.console.main import run_command

STEPS = (ListSealedByOthers, ResealCredentials, Scrub)
OPENED_FOR_WRITING = "open"
RENAMED = "os.rename"

send = Address.ask
TIMEOUT_S = 60.0


def point(name: str) -> None:
    """Say where it is, and wait to be let on or killed."""
    sys.stdout.write(f"point {name}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read(1)


def ask(self: Address, message: Any, *, timeout_s: float = TIMEOUT_S) -> Any:  # Any: as the original has it
    """Stop before and after each message of the rotation."""
    if not isinstance(message, STEPS):
        return send(self, message, timeout_s=timeout_s)
    point(f"before {type(message).__name__}")
    reply = send(self, message, timeout_s=timeout_s)
    point(f"after {type(message).__name__}")
    return reply


def look(event: str, arguments: tuple[Any, ...]) -> None:
    """Stop before the key file is written beside its place, and before it is renamed into it."""
    if event in (OPENED_FOR_WRITING, RENAMED) and str(arguments[0]).endswith("key.new"):
        point(f"before {event}")


if __name__ == "__main__":
    Address.ask = ask  # type: ignore[method-assign]
    sys.addaudithook(look)
    sys.exit(run_command(["key", "rotate", "--db", sys.argv[1]]))
