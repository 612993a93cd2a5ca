"""Owns ``bequest crawl`` and ``bequest run``: from arguments to a run, its display, its summary and its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from ..actors.handles import Run, stalled
from ..actors.system import Engine
from ..engine.clock import SystemClock
from ..engine.credentials import Credential
from ..engine.definition_files import read_definition
from ..engine.definitions import Definition, definition_digest
from ..engine.errors import BrowserNotFoundError
from ..engine.hosts import registrable_domain
from ..engine.queries import FailureCause
from ..engine.records import State
from ..engine.run_status import RunStatus
from ..engine.urls import host_of
from .export import check_export, export_documents
from .options import database_option, export_option, json_option
from .progress import display_for
from .terminal import Exit, Terminal, pass_terminal

REFRESH_S = 0.25  # between two looks at a run that goes on
DEFAULTS = Definition(name="defaults", start_urls=())


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@database_option
@click.option(
    "--cookies", metavar="FILE", type=click.Path(path_type=Path), help="Log in with the cookies of this file."
)
@click.option("--auth", "auth_id", metavar="NAME", help="Log in with a stored session; see `bequest auth`.")
@click.option("--max-pages", type=int, default=DEFAULTS.max_pages, show_default=True, help="Fetch so many pages.")
@click.option("--max-depth", type=int, default=DEFAULTS.max_depth, show_default=True, help="Follow links so deep.")
@click.option("--include", multiple=True, metavar="RE", help="Follow only links that match; may be repeated.")
@click.option("--exclude", multiple=True, metavar="RE", help="Follow no links that match; may be repeated.")
@click.option("--concurrency", type=int, default=DEFAULTS.concurrency, show_default=True, help="Pages at once.")
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
    """
    if cookies is not None and auth_id is not None:
        raise click.UsageError("--cookies and --auth exclude each other; give one of them.")
    name = "crawl"
    credential = None
    if cookies is not None:
        Definition.crawl(name, start_urls=urls, **options)  # a bad argument is said before the file is looked at
        auth_id = host_of(urls[0])
        credential = Credential.from_file(cookies, auth_id=auth_id, sites=(registrable_domain(auth_id),))
        credential.admitted(SystemClock().now())
    definition = Definition.crawl(name, start_urls=urls, auth_id=auth_id, **options)
    return carry_out(terminal, definition, database, credential=credential, export=export, as_json=as_json)


@click.command()
@click.argument("definition", metavar="DEFINITION.toml", type=click.Path(path_type=Path))
@database_option
@export_option
@json_option
@pass_terminal
def run(terminal: Terminal, definition: Path, database: Path, export: Path | None, as_json: bool) -> int:
    """Run the definition in a TOML or JSON file.

    The same command on the same database goes on with a run that was stopped.
    """
    return carry_out(terminal, read_definition(definition), database, export=export, as_json=as_json)


def carry_out(
    terminal: Terminal,
    definition: Definition,
    database: Path,
    *,
    credential: Credential | None = None,
    export: Path | None,
    as_json: bool,
) -> int:
    """Run *definition* to its end, show it, and return the exit code."""
    if export is not None:
        check_export(export)
    check_browser()
    if credential is not None:
        notice = terminal.key.make_if_missing()
        if notice:
            terminal.say(notice)
    with Engine(database, key=terminal.key, concurrency=definition.concurrency) as engine:
        if credential is not None:
            engine.credentials.put(credential)
        started = engine.run(definition, key=definition_digest(definition))
        try:
            status = watch(terminal, started)
        except KeyboardInterrupt:
            terminal.say(f"stopping; the same command goes on with run {started.id}")
            raise
        exported = None if export is None else export_documents(started.documents(), export)
        return summarize(terminal, started, status, database=database, exported=exported, as_json=as_json)


def check_browser() -> None:
    """Raise ``BrowserNotFoundError`` before anything is written."""
    from ..actors.browser_install import find_chromium

    if find_chromium() is None:
        raise BrowserNotFoundError


def watch(terminal: Terminal, started: Run) -> RunStatus:
    """Show a run until it has ended or is stalled, and return where it stands then."""
    status = started.status()
    with display_for(terminal.err) as display:
        display.show(status)
        while not status.is_settled:
            status = started.changed_since(status, timeout_s=REFRESH_S)
            display.show(status)
    return status


def summarize(
    terminal: Terminal, started: Run, status: RunStatus, *, database: Path, exported: int | None, as_json: bool
) -> int:
    """Say what came of a run and return the exit code."""
    causes = started.failure_causes()
    if as_json:
        terminal.json(
            {
                "run": status.job_id,
                "state": status.state,
                "is_stalled": status.is_stalled,
                "pages": msgspec.to_builtins(status.pages),
                "failures": msgspec.to_builtins(causes),
                "database": str(database),
                "exported": exported,
            }
        )
    else:
        tell(terminal, status, causes, database=database, exported=exported)
    if status.is_stalled:
        terminal.fail(stalled(status))
        return Exit.FAILED
    is_done = status.state is State.COMPLETED and status.pages.completed > 0
    if not is_done:
        reason = causes[0].message if causes else "no page was fetched"
        terminal.fail(
            f"run {status.job_id} fetched nothing: {reason}" if not status.pages.completed else "the run failed"
        )
    return Exit.DONE if is_done else Exit.FAILED


def tell(
    terminal: Terminal, status: RunStatus, causes: list[FailureCause], *, database: Path, exported: int | None
) -> None:
    """Print the summary for people."""
    pages = status.pages
    state = "stalled" if status.is_stalled else str(status.state)
    terminal.out.print(f"run {status.job_id} {state}: {pages.completed} pages stored in {database}", markup=False)
    if pages.failed or pages.waiting or pages.cancelled:
        counts = f"{pages.failed} failed, {pages.waiting} waiting, {pages.cancelled} cancelled"
        terminal.out.print(f"  {counts}", markup=False)
    for cause in causes:
        example = ", one of them" if cause.count > 1 else ""
        terminal.out.print(f"  {cause.count} x {cause.type}{example}: {cause.message}", markup=False)
    if exported is not None:
        terminal.out.print(f"  {exported} documents exported", markup=False)
