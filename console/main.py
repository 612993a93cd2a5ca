"""Owns the command ``bequest``: its groups, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version

import click
from click.exceptions import NoArgsIsHelpError

from ..engine.errors import BequestError
from .auth import auth
from .auth_add import add, check
from .auth_login import login, renew, secret
from .crawl import crawl, run
from .demo import demo
from .housekeeping import backup, integrity, prune
from .inspect import job, jobs, logs
from .key import key
from .keys import ConsoleKey
from .orderly_engine import stop_left
from .setup import browser, doctor
from .signals import StoppedBySignalError, exit_status, ignore_all, stop_in_order
from .terminal import Exit, Terminal, exit_code


class InOrder(click.Group):
    """A group that lists its commands in the order that a person meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names as they were added."""
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("bequest"), message="bequest %(version)s")
def commands() -> None:
    """Crawl behind a login, durably, with a real browser.

    \b
    bequest demo                                    see it work on this machine
    bequest crawl https://wiki.example/ --cookies cookies.txt
    bequest jobs                                    what is in the database
    """


for command in (demo, crawl, run, auth, key, jobs, job, logs, backup, prune, integrity, browser, doctor):
    commands.add_command(command)
for command in (add, check, login, renew, secret):
    auth.add_command(command)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        stop_in_order()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has it: a title may not fit in the encoding
        code = run_command(sys.argv[1:])
        ignore_all()  # it is too late to stop anything
    except StoppedBySignalError as error:  # before there was anything to stop, or after it had ended
        code = exit_status(error.number)
        ignore_all()
    stop_left()
    sys.exit(code)


def run_command(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    terminal = Terminal(ConsoleKey(os.environ))
    try:
        code = commands.main(list(arguments), "bequest", standalone_mode=False, obj=terminal)
    except NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.BAD_INPUT
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
    except OSError as error:
        where = "to print, found", "check the disk"
        if error.filename is not None:
            where = f"for {error.filename}, found", "check the path and its rights"
        terminal.fail(f"asked {where[0]} {error.strerror}; {where[1]}")
        return Exit.FAILED
    except (KeyboardInterrupt, click.Abort) as error:
        terminal.say("stopped")
        causes = (error, error.__cause__)  # click makes its Abort of a KeyboardInterrupt
        numbers = [cause.number for cause in causes if isinstance(cause, StoppedBySignalError)]
        return exit_status(*numbers or [signal.SIGINT])
    return code if isinstance(code, int) else Exit.DONE
