"""Owns the command ``bequest``: its groups, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

import click

from ..engine.errors import BequestError
from .auth import auth
from .crawl import crawl, run
from .demo import demo
from .inspect import job, jobs, logs
from .keys import ConsoleKey
from .setup import browser, doctor
from .terminal import Exit, Terminal, exit_code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("bequest"), message="bequest %(version)s")
def commands() -> None:
    """Crawl behind a login, durably, with a real browser.

    \b
    bequest demo                                   see it work on this machine
    bequest crawl https://wiki.example/ --cookies cookies.txt
    bequest jobs                                   what is in the database
    """


for command in (crawl, run, auth, jobs, job, logs, browser, doctor, demo):
    commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run_command(arguments))


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    terminal = Terminal(ConsoleKey(os.environ))
    try:
        code = commands.main(
            None if arguments is None else list(arguments), "bequest", standalone_mode=False, obj=terminal
        )
    except click.UsageError as error:
        hint = "" if error.ctx is None else f"; see {error.ctx.command_path} --help"
        terminal.fail(f"{error.format_message().rstrip('.')}{hint}")
        return Exit.BAD_INPUT
    except click.ClickException as error:
        terminal.fail(error.format_message())
        return Exit.BAD_INPUT
    except BequestError as error:
        terminal.fail(str(error))
        return exit_code(error)
    except (KeyboardInterrupt, click.Abort):
        terminal.say("stopped")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - whoever read has gone; nothing more can be said
        return Exit.DONE
    return code if isinstance(code, int) else Exit.DONE
