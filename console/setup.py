"""Owns ``bequest browser`` and ``bequest doctor``: what the machine must have, and what it has."""

from __future__ import annotations

import platform
import stat
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import click

from ..engine.database import SQLITE_VERSION, database_at
from ..engine.errors import BequestError, KeyFileError
from ..engine.records import CredentialEntry
from ..engine.schema import MINIMUM_SQLITE
from .options import database_option
from .reading import reading
from .terminal import Exit, Terminal, pass_terminal
from .words import counted


class Finding(NamedTuple):
    """One thing that was looked at."""

    is_good: bool
    text: str


@click.group()
def browser() -> None:
    """Get a browser to crawl with."""


@browser.command(short_help="Find a Chromium that works, or install one.")
@pass_terminal
def install(terminal: Terminal) -> int:
    """Find a Chromium that starts and renders a page, or install one.

    Looks for one that is here; else downloads Playwright's; else, as root on Debian, installs its package; else says
    what to do by hand.
    """
    from ..actors.browser_install import install as install_browser

    found = install_browser(terminal.say)
    terminal.print(f"browser ready: {found}")
    return Exit.DONE


@click.command()
@database_option
@pass_terminal
def doctor(terminal: Terminal, database: Path) -> int:
    """Look at versions, browser, SQLite, key and file modes."""
    findings = [
        *look_at_versions(),
        look_at_sqlite(),
        look_at_browser(),
        look_at_key(terminal),
        *look_at_database(terminal, database),
        *look_at_modes(database),
    ]
    terminal.pairs(("ok" if finding.is_good else "wrong", finding.text) for finding in findings)
    return Exit.DONE if all(finding.is_good for finding in findings) else Exit.FAILED


def look_at_versions() -> Iterator[Finding]:
    """Yield what is installed."""
    yield Finding(True, f"bequest {version('bequest')} on Python {platform.python_version()}, {platform.system()}")
    names = ("pykka", "apsw", "msgspec", "playwright", "cryptography")
    yield Finding(True, ", ".join(f"{name} {version(name)}" for name in names))


def look_at_sqlite() -> Finding:
    """Return whether SQLite is new enough."""
    found, wanted = (".".join(map(str, number)) for number in (SQLITE_VERSION, MINIMUM_SQLITE))
    is_good = SQLITE_VERSION >= MINIMUM_SQLITE
    return Finding(is_good, f"SQLite {found}" if is_good else f"SQLite {found}, but {wanted} is needed; update apsw")


def look_at_browser() -> Finding:
    """Return whether a browser starts and renders a page."""
    from ..actors.browser_install import find_chromium, probe

    executable = find_chromium()
    if executable is None:
        return Finding(False, "no browser found; run `bequest browser install`")
    try:
        return Finding(True, f"browser {executable}, version {probe(executable)}")
    except BequestError as error:
        return Finding(False, str(error))


def look_at_key(terminal: Terminal) -> Finding:
    """Return whether the key can be used; one that is still to be made is no fault."""
    if terminal.key.is_missing:
        return Finding(True, f"no key yet; the first stored session makes one in {terminal.key.where}")
    try:
        return Finding(True, f"key {terminal.key().id} from {terminal.key.where}")
    except KeyFileError as error:
        return Finding(False, str(error))


def look_at_database(terminal: Terminal, database: Path) -> Iterator[Finding]:
    """Yield whether the database is one of ours, and whether the key opens its sessions."""
    try:
        if not Path(database_at(database)).exists():
            yield Finding(True, f"no database at {database} yet")
            return
        with reading(database) as queries:
            entries = queries.credentials()
    except BequestError as error:
        yield Finding(False, str(error))
        return
    yield Finding(True, f"database {database}, {counted(len(entries), 'stored session')}")
    yield from look_at_seals(terminal, entries)


def look_at_seals(terminal: Terminal, entries: list[CredentialEntry]) -> Iterator[Finding]:
    """Yield each session that this invocation's key does not open."""
    try:
        key_ids = terminal.key().ids
    except KeyFileError:
        key_ids = ()
    for entry in entries:
        if entry.key_id not in key_ids:
            found = f"this is {', '.join(key_ids)}" if key_ids else "there is none"
            text = f"session {entry.auth_id} is sealed with key {entry.key_id}, {found}; use its key, or store it again"
            yield Finding(False, text)


def look_at_modes(database: Path) -> Iterator[Finding]:
    """Yield each of the database's files that others may read."""
    where = database_at(database)
    for file in (where, f"{where}-wal", f"{where}-shm", f"{where}.lock"):
        path = Path(file)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(False, f"others may read {path}; run chmod 600 on it")
