"""Owns what every command shares: the two streams, the key, the exit codes, and how a result or an error is said.

All text goes through ``printable`` on its way out, and none of it is taken for markup.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import IO, Any, cast

import click
import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

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
from .progress import Display, display_for
from .streams import Stream
from .words import STEERING, printable

SETUP_ERRORS = (
    BrowserNotFoundError,
    CredentialError,
    DefinitionError,
    JobNotFoundError,
    StoreError,
    UrlError,
    VaultError,
)
STYLES = {
    "completed": "green",
    "failed": "red",
    "waiting": "yellow",
    "stalled": "yellow",
    "ok": "green",
    "wrong": "red",
}


class Exit(IntEnum):
    """What the process says when it ends; a signal's is 128 and its number."""

    DONE = 0
    FAILED = 1  # the run failed, is stalled, or nothing could be fetched
    BAD_INPUT = 2  # arguments, files or the set-up; nothing was written


class Terminal:
    """Results go to stdout, all that is said about them to stderr."""

    def __init__(self, key: ConsoleKey) -> None:
        self.key = key
        self._stdout, self._stderr = Stream(sys.stdout), Stream(sys.stderr)
        self._out, self._err = console_on(self._stdout), console_on(self._stderr)

    @property
    def is_heard(self) -> bool:
        """Whether somebody still reads the results."""
        return not self._stdout.is_gone

    def print(self, text: str = "", *, indent: int = 0, style: str = "") -> None:
        """Print one line of a result; a terminal folds it where it is too narrow."""
        line = Text(printable(text), style=style)
        if self._stdout.isatty():
            self._out.print(Padding(line, (0, 0, 0, indent), expand=False))
        else:
            self._out.print(Text.assemble(" " * indent, line))

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows under *headers*: on a terminal folded to its width, elsewhere one line each."""
        texts = [[Text(printable(cell), style=STYLES.get(cell, "")) for cell in row] for row in rows]
        if not self._stdout.isatty():
            self._print_lines([list(headers), *([text.plain for text in row] for row in texts)])
            return
        table = Table(box=None, pad_edge=False)
        for header in headers:
            table.add_column(header, overflow="fold")
        for row in texts:
            table.add_row(*row)
        self._out.print(table)

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print pairs of a word and what is said of it, those with nothing to say left out."""
        said = [(printable(word), printable(text)) for word, text in pairs if text]
        if not self._stdout.isatty():
            self._print_lines(said)
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for word, text in said:
            table.add_row(Text(word, style=STYLES.get(word, "bold")), Text(text))
        self._out.print(table)

    def json(self, value: Any) -> None:  # Any: what JSON can hold
        """Print one JSON value on a line of its own, in UTF-8."""
        text = msgspec.json.encode(value).decode()
        escaped = STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        self._stdout.write_bytes(f"{escaped}\n".encode())

    def say(self, text: str, *, style: str = "") -> None:
        """Say something about the work."""
        self._err.print(Text(printable(text), style=style))

    def fail(self, message: str) -> None:
        """Say what went wrong, in one line."""
        line = printable(" ".join(message.split()))
        self._err.print(Text.assemble(("bequest: ", "bold red"), line), soft_wrap=True)

    def display(self) -> Display:
        """Return what shows a run while it goes."""
        return display_for(self._err, is_live=self._stderr.isatty() and not self._err.is_dumb_terminal)

    def _print_lines(self, rows: Sequence[Sequence[str]]) -> None:
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
            self._out.print(Text("  ".join(cells).rstrip()))


pass_terminal = click.make_pass_decorator(Terminal)


def console_on(stream: Stream) -> Console:
    """Return a console that leaves long lines whole where nobody looks at them."""
    return Console(file=cast(IO[str], stream), highlight=False, soft_wrap=not stream.isatty())


def is_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def exit_code(error: BequestError) -> Exit:
    """Return how the process ends after *error*."""
    is_setup = isinstance(error, SETUP_ERRORS) and not isinstance(error, CredentialNeededError)
    return Exit.BAD_INPUT if is_setup else Exit.FAILED
