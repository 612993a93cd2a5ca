"""Owns ``bequest auth login``, ``renew`` and ``secret``: how a session is had by logging in."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ..engine.credentials import check_auth_id, checked_site, is_name
from ..engine.definition_files import read_definition
from ..engine.definition_rules import url_fault
from ..engine.errors import BrowserError, BrowserNotFoundError, CredentialError, DefinitionError
from ..engine.renewals import LoginReport
from ..engine.secret import Secret
from ..engine.totp import Totp, is_uri
from ..engine.urls import host_of
from .asking import ask
from .auth import announce_key
from .options import FileName, database_option, site_option
from .orderly_engine import OrderlyEngine
from .running import check_browser
from .terminal import Exit, Terminal, pass_terminal
from .words import counted

if TYPE_CHECKING:
    from ..actors.browser_capture import Capture

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


@click.command(short_help="Log in by hand in a window, and store the session.")
@click.argument("name")
@click.argument("url")
@site_option
@click.option("--until", metavar="SELECTOR", help="Done when this is seen on a page, such as a logout link.")
@click.option("--until-url", metavar="REGEX", help="Done when the address of a page matches this.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1, 86_400),
    default=900.0,
    show_default="900 s",
    metavar="SECONDS",
    help="How long to wait for you.",
)
@database_option
@pass_terminal
def login(
    terminal: Terminal, /, name: str, url: str, sites: tuple[str, ...], database: Path, **order: float | str | None
) -> int:
    """Open a window on URL, in which you log in, and store the session as NAME.

    The session is taken when you press Enter here or close the window, or by
    itself with --until or --until-url. Of what the browser holds then, that of
    the sites is kept: --site, else those of the stored NAME, else URL's host.
    Ctrl-C stores nothing.

    \b
    bequest auth login wiki https://wiki.example/
    bequest auth login wiki https://wiki.example/ --until "text=Log out"
    """
    from ..actors.browser_install import find_chromium
    from .login_window import attended

    asked = checked_order(url, **order)
    check_auth_id(name)
    for site in sites:
        checked_site(site)
    executable = find_chromium()
    if executable is None:
        raise BrowserNotFoundError
    check_display()
    terminal.key.check(database)
    with OrderlyEngine(database, key=terminal.key, resume=False) as engine:
        if not sites and engine.credentials.get(name) is None:
            sites = (host_of(url),)
        session = attended(terminal, executable, asked)
        announce_key(terminal)
        tell(terminal, name, engine.credentials.renew(name, session, sites=sites))
    return Exit.DONE


@click.command(short_help="Log in as a definition says, and store the session.")
@click.argument("definition", metavar="DEFINITION.toml", type=FileName())
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default="60 s",
    metavar="SECONDS",
    help="For all steps together.",
)
@database_option
@pass_terminal
def renew(terminal: Terminal, definition: Path, timeout_s: float, database: Path) -> int:
    """Take the login steps of the definition now, and store the session that they leave.

    It is stored under the definition's auth_id, whose secrets the steps type;
    see `bequest auth secret`.

    \b
    bequest auth renew handbook.toml
    """
    meant = read_definition(definition)
    if meant.auth_id is None or not meant.login:
        raise DefinitionError(f"{definition}: login: expected the steps of a login and an auth_id, found none")
    check_browser()
    terminal.key.check(database)
    with OrderlyEngine(database, key=terminal.key, resume=False) as engine:
        report = engine.credentials.log_in(
            meant.auth_id, meant.login, allow_private=meant.allow_private, timeout_s=timeout_s
        )
    tell(terminal, meant.auth_id, report)
    return Exit.DONE


@click.command(short_help="Store secrets that a scripted login types.")
@click.argument("name")
@click.argument("secrets", metavar="SECRET...", nargs=-1, required=True)
@site_option
@click.option("--totp", "is_totp", is_flag=True, help="It is the seed of an authenticator's codes; check that.")
@click.option("--remove", "is_removal", is_flag=True, help="Remove them instead.")
@database_option
@pass_terminal
def secret(
    terminal: Terminal,
    /,
    name: str,
    secrets: tuple[str, ...],
    sites: tuple[str, ...],
    database: Path,
    **flags: bool,
) -> int:
    """Store secrets of NAME, each under a name of its own, such as password.

    Their values are asked for and not shown; without a terminal each is a line
    of stdin. A NAME that is not stored yet needs the sites that it is for.

    \b
    bequest auth secret wiki user password --site wiki.example
    bequest auth secret wiki code --totp
    """
    check_auth_id(name)
    for one in secrets:
        if not is_name(one):
            raise CredentialError("a secret's name has 1 to 200 printable characters, found another text")
    terminal.key.check(database)
    with OrderlyEngine(database, key=terminal.key, resume=False) as engine:
        credential = engine.credentials.for_sites(name, sites)
        kept = dict(credential.secrets)
        for one in secrets:
            if flags["is_removal"] and one not in kept:
                raise CredentialError(f"asked to remove the secret {one!r} of {name!r}, found none of that name")
            kept.pop(one, None)
            if not flags["is_removal"]:
                kept[one] = asked_for(one, is_totp=flags["is_totp"])
        announce_key(terminal)
        woken = engine.credentials.put(msgspec.structs.replace(credential, secrets=kept))
    terminal.print(f"{'removed' if flags['is_removal'] else 'stored'} {', '.join(secrets)} of {name}")
    tell_woken(terminal, woken)
    return Exit.DONE


def asked_for(name: str, *, is_totp: bool) -> Secret:
    """Return a secret from the terminal, unseen, or from a line of stdin; raises ``UsageError``."""
    given = ask(name)
    if is_totp or is_uri(given):
        Totp.read(given)
    return given


def checked_order(url: str, **order: float | str | None) -> Capture:
    """Return what the window is to show; raises ``UsageError`` in the arguments' own words."""
    from ..actors.browser_capture import Capture

    fault = url_fault(url)
    if fault is not None:
        raise click.UsageError(f"URL: expected an http or https URL, found {fault}", click.get_current_context())
    try:
        re.compile(str(order["until_url"] or ""))
    except re.error as error:
        said = f"--until-url: expected a regular expression, found another text ({error})"
        raise click.UsageError(said, click.get_current_context()) from None
    return msgspec.convert({"url": url, **order}, Capture)


def check_display() -> None:
    """Raise ``BrowserError`` where no window can be opened, before anything is written."""
    if sys.platform != "darwin" and not any(map(os.environ.get, DISPLAYS)):
        raise BrowserError(
            f"asked to open a window, found no display ({' and '.join(DISPLAYS)} are not set); log in on a machine that"
            " has one, with `ssh -X`, or export its cookies there and store them with `bequest auth add`"
        )


def tell(terminal: Terminal, name: str, report: LoginReport) -> None:
    """Print what came of a login: counts, and of what was left out the name and the reason."""
    kept = counted(report.cookies, "cookie")
    if report.storages:
        kept += f" and the storage of {counted(report.storages, 'origin')}"
    terminal.print(f"stored {name}: {kept} for {', '.join(report.sites)}")
    for what, reason in report.skipped:
        terminal.print(f"skipped {what}: {reason}", indent=2)
    tell_woken(terminal, report.woken)


def tell_woken(terminal: Terminal, woken: int) -> None:
    """Print how many pages are due again, if any."""
    if woken:
        terminal.print(f"{counted(woken, 'page')} waited for it; give the command of the run again to go on", indent=2)
