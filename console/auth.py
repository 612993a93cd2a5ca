"""Owns ``bequest auth``: the stored sessions by name; no command shows a value."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from ..engine.clock import SystemClock
from ..engine.cookies import Cookie
from ..engine.errors import CredentialNotFoundError, SealError
from ..engine.records import SealedCredential
from ..engine.vault import Vault, other_key
from .auth_report import lines_of_parts, parts_as_json
from .options import advised, database_option, json_option
from .orderly_engine import OrderlyEngine
from .reading import reading
from .terminal import Exit, Terminal, pass_terminal
from .words import moment


@click.group()
def auth() -> None:
    """Store sessions to crawl with, and show them; never a value.

    They are sealed with the key in BEQUEST_KEY_FILE or BEQUEST_KEY, else with
    one in your own settings, which is made on first use.

    \b
    bequest auth add wiki cookies.txt --site wiki.example
    bequest crawl https://wiki.example/ --auth wiki
    """


@auth.command("list")
@database_option
@json_option
@pass_terminal
def list_(terminal: Terminal, database: Path, as_json: bool) -> int:
    """List the stored sessions."""
    with reading(database) as queries:
        entries = queries.credentials()
    if as_json:
        for entry in entries:
            terminal.json(msgspec.to_builtins(entry))
    elif entries:
        headers = ("name", "sites", "version", "stored (UTC)", "key")
        terminal.table(
            headers,
            (
                (one.auth_id, ", ".join(one.sites), str(one.version), moment(one.updated_at), one.key_id)
                for one in entries
            ),
        )
    else:
        terminal.print(f"no session is stored; add one with {advised('auth add NAME FILE --site HOST', database)}")
    return Exit.DONE


@auth.command()
@click.argument("name")
@database_option
@json_option
@pass_terminal
def show(terminal: Terminal, name: str, database: Path, as_json: bool) -> int:
    """Show what is in a session: names, places and expiry, and no value."""
    with reading(database) as queries:
        sealed, database_id = queries.credential(name), queries.database_id()
    if sealed is None:
        raise CredentialNotFoundError(
            f"asked for credential {name!r}, found none; {advised('auth list', database)} names all"
        )
    check_key(terminal, sealed)
    credential = Vault(terminal.key(), database_id).open(sealed)
    if as_json:
        cookies = [{"name": one.name, "domain": one.domain, "expires": one.expires} for one in credential.cookies]
        parts = parts_as_json(credential.headers, credential.storages)
        secrets = sorted(credential.secrets)
        terminal.json({"name": name, "sites": credential.sites, "cookies": cookies, **parts, "secrets": secrets})
        return Exit.DONE
    terminal.print(f"{name}, for {', '.join(credential.sites)} and the hosts under them")
    now = SystemClock().now()
    rows = [(cookie.name, cookie.domain, expiry(cookie, now)) for cookie in credential.cookies]
    if rows:
        terminal.table(("cookie", "domain", "expires (UTC)"), rows)
    for line in lines_of_parts(credential.headers, credential.storages):
        terminal.print(line)
    if credential.secrets:
        terminal.print(f"secrets for its login: {', '.join(sorted(credential.secrets))}")
    return Exit.DONE


@auth.command()
@click.argument("name")
@database_option
@pass_terminal
def remove(terminal: Terminal, name: str, database: Path) -> int:
    """Remove a stored session."""
    with reading(database):  # a database that is not there is not made
        pass
    with OrderlyEngine(database, resume=False) as engine:
        engine.credentials.remove(name)
    terminal.print(f"removed {name}")
    return Exit.DONE


def announce_key(terminal: Terminal) -> None:
    """Make the user's own key where there is none yet, and name its file."""
    notice = terminal.key.make_if_missing()
    if notice:
        terminal.say(notice)


def check_key(terminal: Terminal, sealed: SealedCredential) -> None:
    """Raise ``SealError`` for a key that does not open *sealed*, and ``KeyFileError`` for one that is not there."""
    key = terminal.key()
    if sealed.key_id not in key.ids:
        raise SealError(f"credential {sealed.auth_id!r} is {other_key(sealed.key_id, key.ids, terminal.key.where)}")


def expiry(cookie: Cookie, now: float) -> str:
    """Return when *cookie* ends, in words."""
    if cookie.expires is None:
        return "with the session"
    return f"{moment(cookie.expires)}{' (expired)' if cookie.expires <= now else ''}"
