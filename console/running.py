"""Owns how a definition is carried out on the command line: the checks before, the display, the summary, the exit code.

Whatever can be refused is refused before anything is written.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec

from ..actors.handles import Run
from ..engine.clock import SystemClock
from ..engine.credentials import Credential
from ..engine.database import database_at
from ..engine.database_file import is_missing
from ..engine.definitions import Definition, definition_digest
from ..engine.errors import BrowserNotFoundError, StoreError
from ..engine.queries import FailureCause
from ..engine.records import CHILDREN_FAILED, Record, State
from ..engine.run_status import RunStatus
from ..engine.run_steps import parts_of
from ..engine.steps import CRAWL
from ..engine.urls import host_of
from .auth import announce_key, check_key
from .export import check_export, export_documents
from .options import advised
from .orderly_engine import OrderlyEngine
from .reading import reading
from .terminal import Exit, Terminal
from .words import by_state, counted

REFRESH_S = 0.25  # between two looks at a run that goes on


class Order(Record, frozen=True, kw_only=True):
    """What a person asked for."""

    definition: Definition
    database: Path
    cookies: Path | None = None  # the file that the credential is of
    credential: Credential | None = None  # to be stored first
    export: Path | None = None
    as_json: bool = False


def carry_out(terminal: Terminal, order: Order) -> int:
    """Run the definition to its end, show it, and return the exit code."""
    if order.export is not None:
        check_export(order.export)
    check_browser()
    check_session(terminal, order)
    definition = order.definition
    with OrderlyEngine(order.database, key=terminal.key, concurrency=definition.concurrency, resume=False) as engine:
        if order.credential is not None:
            announce_key(terminal)
            engine.credentials.put(order.credential)
        begun_at = SystemClock().now()
        run = engine.run(definition, key=definition_digest(definition))
        try:
            if run.job().created_at < begun_at:
                terminal.say(f"going on with run {run.id}")
            status = watch(terminal, run)
        except KeyboardInterrupt:
            terminal.say(f"stopping; the same command goes on with run {run.id}")
            raise
        return conclude(terminal, order, run, status)


def check_browser() -> None:
    """Raise ``BrowserNotFoundError`` before anything is written."""
    from ..actors.browser_install import find_chromium

    if find_chromium() is None:
        raise BrowserNotFoundError


def check_session(terminal: Terminal, order: Order) -> None:
    """Raise ``VaultError`` for a key that cannot seal the new session, or does not open the one that is named."""
    auth_id = with_session(order.definition).auth_id
    if order.credential is not None:
        terminal.key.check(order.database)
    elif auth_id is not None and not is_missing(Path(database_at(order.database))):
        with reading(order.database) as queries:
            sealed = queries.credential(auth_id)
        if sealed is not None:
            check_key(terminal, sealed)


def watch(terminal: Terminal, run: Run) -> RunStatus:
    """Show a run until it has ended or is stalled, and return where it stands then."""
    status = run.status()
    with terminal.display() as display:
        display.show(status)
        while not status.is_settled:
            status = run.changed_since(status, timeout_s=REFRESH_S)
            display.show(status)
    return status


def conclude(terminal: Terminal, order: Order, run: Run, status: RunStatus) -> int:
    """Export what was asked for, say what came of the run, and return the exit code.

    A run whose documents could not be exported is said in full all the same.
    """
    if order.export is None:
        return summarize(terminal, order, run, status, None)
    try:
        exported = export_documents(run.documents(), order.export)
    except StoreError as error:
        summarize(terminal, order, run, status, None)
        terminal.fail(str(error))
        return Exit.FAILED
    return summarize(terminal, order, run, status, exported)


def summarize(terminal: Terminal, order: Order, run: Run, status: RunStatus, exported: int | None) -> int:
    """Say what came of a run and return the exit code."""
    causes = run.failure_causes()
    if order.as_json:
        terminal.json(
            {
                "run": status.job_id,
                "state": status.state,
                "is_stalled": status.is_stalled,
                "steps" if status.has_steps else "pages": by_state(status.pages),
                "failures": msgspec.to_builtins(causes),
                "database": readable(order.database),
                "exported": exported,
            }
        )
    else:
        tell(terminal, order, status, causes, exported)
    if status.state is State.COMPLETED and status.pages.completed > 0:
        return Exit.DONE
    terminal.fail(why_not_done(order, status, causes))
    return Exit.FAILED


def tell(terminal: Terminal, order: Order, status: RunStatus, causes: list[FailureCause], exported: int | None) -> None:
    """Print the summary for people."""
    pages = status.pages
    state = "stalled" if status.is_stalled else str(status.state)
    unit, end = ("step", "completed") if status.has_steps else ("page", "stored")
    terminal.print(f"run {status.job_id} {state}: {counted(pages.completed, unit)} {end} in {order.database}")
    if exported is not None:
        terminal.print(f"{counted(exported, 'document')} exported to {order.export}", indent=2)
    others = (("failed", pages.failed), ("waiting", pages.waiting), ("cancelled", pages.cancelled))
    counts = ", ".join(f"{count} {name}" for name, count in others if count)
    if counts:
        terminal.print(f"{counts}; see {advised(f'job {status.job_id}', order.database)}", indent=2)
    for cause in causes:
        example = ", one of them" if cause.count > 1 else ""
        terminal.print(f"{cause.count} x {cause.type}{example}: {cause.message}", indent=2)


def why_not_done(order: Order, status: RunStatus, causes: list[FailureCause]) -> str:
    """Return why a run did not do what was asked, and what to do."""
    run, pages = f"run {status.job_id}", status.pages
    if status.is_stalled:
        left = "what is left of it" if status.has_steps else counted(pages.waiting, "page")
        waits = f"{run} is stalled, {left} waiting for credential {with_session(order.definition).auth_id!r}"
        return f"{waits}; {how_to_go_on(order)} and give the same command again"
    if status.state is State.CANCELLED:
        return f"{run} was cancelled"
    if status.error is not None and status.error.type != CHILDREN_FAILED:
        return f"{run} failed: {status.error.message}"
    if status.has_steps:
        return f"{run} failed: {pages.failed} of {counted(pages.total, 'step')} failed"
    if pages.completed:
        share = f"{pages.failed} of {counted(pages.total, 'page')} failed"
        return f"{run} failed: {share}, more than its error_tolerance of {order.definition.error_tolerance:g} allows"
    return f"{run} fetched nothing: {causes[0].message if causes else 'there was no page to fetch'}"


def how_to_go_on(order: Order) -> str:
    """Return how the session of a stalled run is put right."""
    if order.cookies is not None:
        return f"log in again, export the cookies to {shlex.quote(str(order.cookies))}"
    crawl = with_session(order.definition)
    name = shlex.quote(crawl.auth_id or "NAME")
    site = host_of(crawl.start_urls[0])
    return f"store one that works with {advised(f'auth add {name} FILE --site {site}', order.database)}"


def with_session(definition: Definition) -> Definition:
    """Return the first crawl of a definition that names a session; that itself where it has no steps."""
    crawls = [definition.of_step(part.step, part.key) for part in parts_of(definition) if part.step.kind == CRAWL]
    return next((crawl for crawl in crawls if crawl.auth_id is not None), definition)


def readable(path: Path) -> str:
    """Return *path* as JSON can hold it: a name may have bytes that are no text."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
