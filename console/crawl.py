"""Owns ``bequest crawl`` and ``bequest run``: from arguments to a definition and the order to carry it out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from ..engine.clock import SystemClock
from ..engine.credentials import Credential
from ..engine.definition_files import read_definition
from ..engine.definitions import Definition, definition_from
from ..engine.errors import DefinitionError
from ..engine.hosts import registrable_domain
from ..engine.urls import host_of
from .options import FileName, database_option, export_option, json_option
from .running import Order, carry_out
from .terminal import Terminal, pass_terminal

DEFAULTS = Definition(name="defaults", start_urls=())
SOURCE = "crawl"
KEY = re.compile(rf"{SOURCE}: (\w+)(?:\[(\d+)\])?: ")  # at the start of a fault
EXITS = "Exit code: 0 completed, 1 failed or stalled, 2 bad arguments, 130 Ctrl-C."


@click.command(short_help="Crawl from URL... and keep each page as Markdown.", epilog=EXITS)
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@database_option
@click.option("--cookies", metavar="FILE", type=FileName(), help="Log in with the session in this file.")
@click.option("--auth", "auth_id", metavar="NAME", help="Log in with a stored session; see `bequest auth`.")
@click.option(
    "--max-pages", metavar="N", type=int, default=DEFAULTS.max_pages, show_default=True, help="Fetch at most N pages."
)
@click.option(
    "--max-depth", metavar="N", type=int, default=DEFAULTS.max_depth, show_default=True, help="Follow links N deep."
)
@click.option("--include", multiple=True, metavar="RE", help="Follow only links that match; may be repeated.")
@click.option("--exclude", multiple=True, metavar="RE", help="Follow no links that match; may be repeated.")
@click.option(
    "--concurrency", metavar="N", type=int, default=DEFAULTS.concurrency, show_default=True, help="Fetch N at once."
)
@click.option("--allow-private", is_flag=True, help="Reach private addresses too, such as localhost.")
@export_option
@json_option
@pass_terminal
def crawl(  # noqa: PLR0913 - one parameter for each option
    terminal: Terminal,
    /,
    urls: tuple[str, ...],
    database: Path,
    cookies: Path | None,
    auth_id: str | None,
    export: Path | None,
    as_json: bool,
    **options: Any,  # Any: the definition judges them
) -> int:
    """Crawl from URL... and keep each page as Markdown in the database.

    The same command on the same database goes on with a run that was stopped.

    \b
    bequest crawl https://wiki.example/ --cookies cookies.txt
    bequest crawl https://wiki.example/ --auth wiki --max-pages 500 \\
        --exclude '/edit/' --export wiki.jsonl
    """
    if cookies is not None and auth_id is not None:
        raise click.UsageError("--cookies and --auth exclude each other; give one of them.")
    credential = None
    if cookies is not None:
        defined(urls, auth_id=None, **options)  # a bad argument is said before the file is looked at
        auth_id = host_of(urls[0])
        credential = Credential.from_file(cookies, auth_id=auth_id, sites=(registrable_domain(auth_id),), host=auth_id)
        credential.admitted(SystemClock().now())
    order = Order(
        definition=defined(urls, auth_id=auth_id, **options),
        database=database,
        cookies=cookies,
        credential=credential,
        export=export,
        as_json=as_json,
    )
    return carry_out(terminal, order)


@click.command(epilog=EXITS)
@click.argument("definition", metavar="DEFINITION.toml", type=FileName())
@database_option
@export_option
@json_option
@pass_terminal
def run(terminal: Terminal, definition: Path, database: Path, export: Path | None, as_json: bool) -> int:
    """Run the definition in a TOML or JSON file.

    The same command on the same database goes on with a run that was stopped.

    \b
    bequest run wiki.toml
    with wiki.toml:
        name = "wiki"
        start_urls = ["https://wiki.example/"]
        auth_id = "wiki"
        max_pages = 500
    """
    order = Order(definition=read_definition(definition), database=database, export=export, as_json=as_json)
    return carry_out(terminal, order)


def defined(urls: tuple[str, ...], **options: Any) -> Definition:  # Any: the definition judges them
    """Return the definition that the arguments make; raises ``UsageError`` in the arguments' own words."""
    try:
        return definition_from({"name": "crawl", "start_urls": urls, **options}, source=SOURCE)
    except DefinitionError as error:
        raise click.UsageError(KEY.sub(as_argument, str(error), count=1)) from None


def as_argument(found: re.Match[str]) -> str:
    """Return the argument that the key of a fault is given by."""
    key, index = found.groups()
    if key == "start_urls":
        return f"URL {int(index) + 1}: " if index else "URL: "
    return "--auth: " if key == "auth_id" else f"--{key.replace('_', '-')}: "
