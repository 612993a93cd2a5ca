"""Owns how a command takes what no argument may hold, for arguments can be seen by everybody on the machine.

On a terminal it asks, and a secret is not shown while it is typed; else it reads a line, or all, of standard input.
"""

from __future__ import annotations

import sys

import click

from ..engine.secret import Secret
from ..engine.session_files import MAX_FILE_BYTES
from .terminal import Terminal, is_terminal

MAX_LINE_BYTES = 100_000


def ask(what: str, *, is_hidden: bool = True) -> Secret:
    """Return what was typed, or the next line of standard input; raises ``UsageError`` where there is none."""
    if is_terminal():
        return Secret(click.prompt(what, hide_input=is_hidden, err=True))
    line = sys.stdin.buffer.readline(MAX_LINE_BYTES) if sys.stdin else b""
    try:
        found = Secret(line.decode().rstrip("\r\n"))
    except UnicodeDecodeError:
        found = Secret("")
    if not found:
        raise click.UsageError(f"asked for the {what} as a line on standard input, found none.", current())
    return found


def read_all(terminal: Terminal) -> bytes:
    """Return what comes on standard input until its end; the caller refuses what is too long."""
    if is_terminal():
        terminal.say("paste the session, then press Enter and Ctrl-D")
    return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)


def current() -> click.Context | None:
    """Return the command that runs, whose help an error names."""
    return click.get_current_context(silent=True)
