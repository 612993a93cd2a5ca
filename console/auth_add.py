"""Owns ``bequest auth add`` and ``check``: what of a session can be used is said before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from ..actors.system import Engine
from ..engine.clock import SystemClock
from ..engine.credentials import Credential, check_auth_id, checked_sites, credential_of
from ..engine.errors import SealError
from ..engine.origins import checked_origin, host_of_origin
from ..engine.records import Record
from ..engine.session_files import read_session, read_session_file
from ..engine.session_reading import Reading, merged_headers
from ..engine.sessions import OriginHeader
from .asking import ask, current, read_all
from .auth import announce_key
from .auth_report import as_json as report_as_json
from .auth_report import kept, report
from .options import FileName, database_option, json_option, site_option
from .orderly_engine import OrderlyEngine
from .terminal import Exit, Terminal, pass_terminal
from .words import counted

STDIN = Path("-")


class Given(Record, frozen=True, kw_only=True):
    """What the arguments say of a session."""

    file: Path | None
    sites: tuple[str, ...]
    bearers: tuple[str, ...] = ()  # origins
    basics: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  # origin and name

    @property
    def source(self) -> str:
        """What errors and the report call it."""
        return "standard input" if self.file in (None, STDIN) else str(self.file)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of the headers; raises ``CredentialError``."""
        texts = (*self.bearers, *self.basics, *(origin for origin, _ in self.headers))
        return tuple(map(checked_origin, texts))


@click.command(short_help="Store a session; pages that wait for it are due again.")
@click.argument("name")
@click.argument("file", required=False, type=FileName())
@site_option
@click.option("--bearer", "bearers", multiple=True, metavar="ORIGIN", help="Ask for a bearer token for ORIGIN.")
@click.option("--basic", "basics", multiple=True, metavar="ORIGIN", help="Ask for user and password for ORIGIN.")
@click.option(
    "--header", "headers", multiple=True, type=(str, str), metavar="ORIGIN NAME", help="Ask for a header for ORIGIN."
)
@database_option
@json_option
@pass_terminal
def add(terminal: Terminal, /, name: str, database: Path, as_json: bool, **options: Any) -> int:  # Any: see Given
    """Store the session in FILE under NAME; pages that wait for it are due again.

    FILE is a cookies.txt, a browser extension's JSON, Playwright's
    storage_state, a HAR, request headers or a curl command; - is standard input.
    The session goes to HOST and the hosts under it, and nowhere else. What is
    kept and what is not is said before it is stored.

    Values of headers are asked for, or read as lines of standard input: for
    each --bearer a token, for each --basic a user and a password, for each
    --header a value.

    \b
    bequest auth add wiki cookies.txt --site wiki.example
    bequest auth add wiki - --site wiki.example
    bequest auth add wiki --bearer https://api.wiki.example
    """
    check_auth_id(name)
    given = Given(**options)
    reading, credential = taken(terminal, given, auth_id=name)
    admission = credential.admitted(SystemClock().now())  # where nothing can be used, the error alone says why
    tell(terminal, given, (reading, credential), as_json=as_json)
    terminal.key.check(database)
    with OrderlyEngine(database, key=terminal.key, resume=False) as engine:
        announce_key(terminal)
        woken = engine.credentials.put(with_stored_secrets(engine, credential))
    if as_json:
        terminal.json({"stored": name, "woken": woken})
        return Exit.DONE
    terminal.print(f"stored {name}: {kept(admission)} for {', '.join(credential.sites)}")
    if woken:
        terminal.print(f"{counted(woken, 'page')} waited for it; give the command of the run again to go on", indent=2)
    return Exit.DONE


@click.command(short_help="Say what of a session could be used; store nothing.")
@click.argument("file", type=FileName())
@site_option
@json_option
@pass_terminal
def check(terminal: Terminal, file: Path, sites: tuple[str, ...], as_json: bool) -> int:
    """Say what of the session in FILE could be used now, and why not the rest.

    Nothing is stored, and no value is shown. FILE is as for `bequest auth add`.

    \b
    bequest auth check cookies.txt --site wiki.example
    """
    given = Given(file=file, sites=sites)
    reading, credential = taken(terminal, given, auth_id=file.name or "-")
    tell(terminal, given, (reading, credential), as_json=as_json)
    credential.admitted(SystemClock().now())
    return Exit.DONE


def taken(terminal: Terminal, given: Given, *, auth_id: str) -> tuple[Reading, Credential]:
    """Read the file and ask for the headers; raises ``CredentialError`` and ``UsageError``."""
    sites, origins = checked_sites(given.sites), given.origins
    if given.file is None and not origins:
        raise click.UsageError("Missing argument 'FILE'.", current())
    if given.file == STDIN and origins:
        raise click.UsageError("FILE - and the values of headers are both standard input; give one of them.", current())
    if given.file is None:
        reading = Reading(form="headers")
    elif given.file == STDIN:
        reading = read_session(read_all(terminal), source=given.source, sites=sites)
    else:
        reading = read_session_file(given.file, sites=sites)
    hosts = tuple(dict.fromkeys((*reading.sites, *map(host_of_origin, origins))))
    if not (sites or hosts):
        raise click.UsageError("Missing option '--site'.", current())
    headers = merged_headers((*reading.headers, *asked_headers(given)))
    reading = msgspec.structs.replace(reading, headers=headers)
    return reading, credential_of(reading, auth_id=auth_id, sites=sites or checked_sites(hosts))


def asked_headers(given: Given) -> Iterator[OriginHeader]:
    """Ask for the values of the headers, in the order that the help names."""
    for origin in map(checked_origin, given.bearers):
        yield OriginHeader.bearer(origin, token=ask(f"bearer token for {origin}"))
    for origin in map(checked_origin, given.basics):
        user = ask(f"user for {origin}", is_hidden=False).reveal()
        yield OriginHeader.basic(origin, user=user, password=ask(f"password for {origin}"))
    for text, name in given.headers:
        origin = checked_origin(text)
        yield OriginHeader(origin=origin, name=name, value=ask(f"value of {name} for {origin}"))


def tell(terminal: Terminal, given: Given, read: tuple[Reading, Credential], *, as_json: bool) -> None:
    """Say what can be used, and why not the rest."""
    reading, credential = read
    examined = credential.examined(SystemClock().now())
    if as_json:
        terminal.json(report_as_json(given.source, reading, credential, examined))
    else:
        report(terminal, given.source, reading, credential, examined)


def with_stored_secrets(engine: Engine, credential: Credential) -> Credential:
    """Return the credential with the secrets that are stored under its name, for a new session does not end them."""
    try:
        stored = engine.credentials.get(credential.auth_id)
    except SealError:  # of another key: storing it again is how to be rid of that
        return credential
    return credential if stored is None else msgspec.structs.replace(credential, secrets=stored.secrets)
