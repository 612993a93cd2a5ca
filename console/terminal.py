"""Owns what every command shares: the two streams, the key, the exit codes, and how an error is said."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from ..engine.errors import (
    BequestError,
    BrowserNotFoundError,
    CredentialError,
    CredentialNeededError,
    DefinitionError,
    JobNotFoundError,
    StoreError,
    UrlError,
    VaultError,
)
from .keys import ConsoleKey

SETUP_ERRORS = (
    BrowserNotFoundError,
    CredentialError,
    DefinitionError,
    JobNotFoundError,
    StoreError,
    UrlError,
    VaultError,
)


class Exit(IntEnum):
    """What the process says when it ends."""

    DONE = 0
    FAILED = 1  # the run failed, is stalled, or nothing could be fetched
    BAD_INPUT = 2  # arguments, files or the set-up; nothing was written
    INTERRUPTED = 130  # 128 and the number of SIGINT


class Terminal:
    """Results go to stdout, all that is said about them to stderr."""

    def __init__(self, key: ConsoleKey) -> None:
        self.key = key
        self.out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self.err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

    def say(self, text: str) -> None:
        """Say something about the work."""
        self.err.print(escape(text))

    def fail(self, message: str) -> None:
        """Say what went wrong, in one line."""
        line = " ".join(message.split())
        self.err.print(f"[bold red]bequest:[/] {escape(line)}", soft_wrap=True)

    def json(self, value: Any) -> None:  # Any: what JSON can hold
        """Print one JSON value on a line of its own."""
        click.echo(msgspec.json.encode(value).decode())


pass_terminal = click.make_pass_decorator(Terminal)


def exit_code(error: BequestError) -> Exit:
    """Return how the process ends after *error*."""
    is_setup = isinstance(error, SETUP_ERRORS) and not isinstance(error, CredentialNeededError)
    return Exit.BAD_INPUT if is_setup else Exit.FAILED
