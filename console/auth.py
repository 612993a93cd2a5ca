"""Owns ``bequest auth``: the stored sessions by name; no command shows a value."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.table import Table

from ..actors.system import Engine
from ..engine.clock import SystemClock
from ..engine.cookies import Cookie
from ..engine.credentials import Credential
from ..engine.database import database_at
from ..engine.database_file import open_reader
from ..engine.errors import CredentialNotFoundError
from ..engine.queries import Queries
from ..engine.vault import Vault
from .options import database_option, json_option
from .terminal import Exit, Terminal, pass_terminal


@click.group()
def auth() -> None:
    """Store sessions to crawl with, and show them; never a value."""


@auth.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--site", "sites", multiple=True, required=True, metavar="HOST", help="Where it goes; may be repeated.")
@database_option
@pass_terminal
def add(terminal: Terminal, name: str, file: Path, sites: tuple[str, ...], database: Path) -> int:
    """Store the session in FILE under NAME; pages that wait for it are due again.

    FILE is a cookies.txt, Playwright's storage_state or a browser extension's JSON.
    """
    credential = Credential.from_file(file, auth_id=name, sites=sites)
    admission = credential.admitted(SystemClock().now())
    notice = terminal.key.make_if_missing()
    if notice:
        terminal.say(notice)
    with Engine(database, key=terminal.key) as engine:
        woken = engine.credentials.put(credential)
    terminal.out.print(f"stored {name}: {len(admission.kept)} cookies for {', '.join(credential.sites)}", markup=False)
    for cookie, reason in admission.skipped:
        terminal.out.print(f"  skipped {cookie}: {reason}", markup=False)
    if woken:
        terminal.out.print(f"  {woken} pages waited for it; run their command again to go on", markup=False)
    return Exit.DONE


@auth.command("list")
@database_option
@json_option
@pass_terminal
def list_(terminal: Terminal, database: Path, as_json: bool) -> int:
    """List the stored sessions."""
    entries = read_queries(database).credentials()
    if as_json:
        terminal.json(msgspec.to_builtins(entries))
        return Exit.DONE
    if not entries:
        terminal.out.print("no session is stored; add one with `bequest auth add NAME FILE --site HOST`", markup=False)
        return Exit.DONE
    table = Table("name", "sites", "version", "stored", "key", box=None)
    for entry in entries:
        table.add_row(entry.auth_id, ", ".join(entry.sites), str(entry.version), moment(entry.updated_at), entry.key_id)
    terminal.out.print(table)
    return Exit.DONE


@auth.command()
@click.argument("name")
@database_option
@json_option
@pass_terminal
def show(terminal: Terminal, name: str, database: Path, as_json: bool) -> int:
    """Show the cookies of a session: names, domains and expiry."""
    queries = read_queries(database)
    sealed = queries.credential(name)
    if sealed is None:
        raise CredentialNotFoundError(f"asked for credential {name!r}, found none; `bequest auth list` names all")
    credential = Vault(terminal.key(), queries.database_id()).open(sealed)
    if as_json:
        cookies = [{"name": one.name, "domain": one.domain, "expires": one.expires} for one in credential.cookies]
        terminal.json({"name": name, "sites": credential.sites, "cookies": cookies})
        return Exit.DONE
    terminal.out.print(f"{name}, for {', '.join(credential.sites)} and the hosts under them", markup=False)
    table = Table("cookie", "domain", "expires", box=None)
    now = SystemClock().now()
    for cookie in credential.cookies:
        table.add_row(cookie.name, cookie.domain, expiry(cookie, now))
    terminal.out.print(table)
    return Exit.DONE


@auth.command()
@click.argument("name")
@database_option
@pass_terminal
def remove(terminal: Terminal, name: str, database: Path) -> int:
    """Remove a stored session."""
    read_queries(database)  # a database that is not there is not made
    with Engine(database) as engine:
        engine.credentials.remove(name)
    terminal.out.print(f"removed {name}", markup=False)
    return Exit.DONE


def read_queries(database: Path) -> Queries:
    """Return the reads over an existing database, beside whoever owns it."""
    return Queries(open_reader(database_at(database), clock=SystemClock()))


def expiry(cookie: Cookie, now: float) -> str:
    """Return when *cookie* ends, in words."""
    if cookie.expires is None:
        return "with the session"
    return f"{moment(cookie.expires)}{' (expired)' if cookie.expires <= now else ''}"


def moment(at: float) -> str:
    """Return a time for people, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
