"""Owns ``bequest jobs``, ``job`` and ``logs``: what is in the database, read beside a running engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from ..engine.crawl_jobs import PAGE, RUN
from ..engine.log_levels import LEVELS
from ..engine.log_queries import LogLine
from ..engine.queries import JobView, Queries
from ..engine.records import Job, LogEntry, State
from ..engine.run_status import status_of
from ..engine.steps import CRAWL
from .options import database_option, job_argument, json_option
from .reading import AT_ONCE, paged, reading
from .terminal import Exit, Terminal, pass_terminal
from .words import by_state, moment, what

SHOWN_CHILDREN = 20
LEVEL_STYLES = {"WARNING": "yellow", "ERROR": "red"}


class Session(NamedTuple):
    """Which session a page used, and where its name came from."""

    name: str
    source: str

    def __str__(self) -> str:
        return f"{self.name} ({self.source})"


@click.command()
@click.option(
    "--state",
    metavar="STATE",
    type=click.Choice([str(state) for state in State]),
    help=f"Only jobs in that state: {', '.join(State)}.",
)
@database_option
@json_option
@pass_terminal
def jobs(terminal: Terminal, state: str | None, database: Path, as_json: bool) -> int:
    """List the runs; with --state all jobs in that state, pages too."""
    with reading(database) as queries:
        views = paged(
            lambda after_id: (
                queries.jobs(after_id=after_id, limit=AT_ONCE)
                if state is None
                else queries.jobs_in(State(state), after_id=after_id, limit=AT_ONCE)
            ),
            lambda view: view.job.id,
        )
        if as_json:
            for view in views:
                terminal.json(as_builtins(view))
            return Exit.DONE
        rows = [row_of(view) for view in views]
    if rows:
        terminal.table(("id", "kind", "state", "what", "pages", "created (UTC)"), rows)
    else:
        terminal.print("no jobs" if state is None else f"no job is {state}")
    return Exit.DONE


@click.command()
@job_argument
@database_option
@json_option
@pass_terminal
def job(terminal: Terminal, job_id: int, database: Path, as_json: bool) -> int:
    """Show a job, its children, and where its session came from."""
    with reading(database) as queries:
        view = queries.job(job_id)
        found = sessions(queries, job_id)
        children = list(
            paged(
                lambda after_id: queries.jobs(parent_id=job_id, after_id=after_id, limit=AT_ONCE),
                lambda child: child.job.id,
            )
        )
    session = session_of(view.job, found)
    if as_json:
        child_jobs = [{**as_builtins(child), "session": session_of(child.job, found)} for child in children]
        terminal.json({**as_builtins(view), "session": session, "child_jobs": child_jobs})
        return Exit.DONE
    show_job(terminal, view, session)
    if children:
        show_children(terminal, children, found)
    return Exit.DONE


@click.command(short_help="Print the log of a job and all below it, oldest first.")
@job_argument
@click.option(
    "--level",
    default=LEVELS[0],
    metavar="LEVEL",
    type=click.Choice(LEVELS, case_sensitive=False),
    help=f"The least to show: {', '.join(LEVELS)}.",
)
@click.option("--after", "after_id", type=int, default=0, metavar="NUMBER", help="Only lines with a higher number.")
@database_option
@json_option
@pass_terminal
def logs(terminal: Terminal, /, job_id: int, level: str, after_id: int, database: Path, as_json: bool) -> int:
    """Print the log of a job and all below it, oldest first; --json with each line's number."""
    with reading(database) as queries:
        queries.job(job_id)
        for number, entry in lines_of(queries, job_id, level=level, after_id=after_id):
            if not terminal.is_heard:
                break
            if as_json:
                terminal.json({"number": number, **msgspec.to_builtins(entry)})
            else:
                terminal.print(log_line(entry), style=LEVEL_STYLES.get(entry.level, ""))
    return Exit.DONE


def show_job(terminal: Terminal, view: JobView, session: str) -> None:
    """Print the facts of one job."""
    shown, pages = view.job, view.children
    is_stalled = status_of(view).is_stalled
    counts = (("completed", pages.completed), ("failed", pages.failed), ("unfinished", pages.unfinished))
    facts = {
        "job": f"{shown.id} ({shown.kind})",
        "state": f"{shown.state}{waiting_for(shown)}{' (stalled: all that is left waits so)' if is_stalled else ''}",
        "what": what(shown),
        "parent": "" if shown.parent_id is None else str(shown.parent_id),
        "session": session,
        "metadata": ", ".join(f"{key}={value}" for key, value in shown.metadata.items()),
        "attempts": f"{shown.attempts} of {shown.max_attempts}" if shown.attempts or shown.kind == PAGE else "",
        "due": f"{moment(shown.run_at)} UTC" if shown.state is State.PENDING else "",
        "error": "" if shown.error is None else f"{shown.error.type}: {shown.error.message}",
        "children": ", ".join(f"{count} {name}" for name, count in counts) if pages.total else "",
        "created": f"{moment(shown.created_at)} UTC",
        "finished": "" if shown.finished_at is None else f"{moment(shown.finished_at)} UTC",
    }
    terminal.pairs(facts.items())


def show_children(terminal: Terminal, children: list[JobView], found: dict[int, Session]) -> None:
    """Print the first of a job's children."""
    rows = []
    for child in (view.job for view in children[:SHOWN_CHILDREN]):
        depth = child.config.get("depth", "") if isinstance(child.config, dict) else ""
        error = child.error.type if child.error is not None and child.state is not State.COMPLETED else ""
        rows.append((str(child.id), str(child.state), str(depth), what(child), str(found.get(child.id, "")), error))
    terminal.print()
    terminal.table(("id", "state", "depth", "page", "session", "error"), rows)
    if len(children) > SHOWN_CHILDREN:
        terminal.print(f"and {len(children) - SHOWN_CHILDREN} more; --json shows all")


def sessions(queries: Queries, job_id: int) -> dict[int, Session]:
    """Return which session a job and its children looked for last, as their logs say."""
    found: dict[int, Session] = {}
    for _, entry in lines_of(queries, job_id):
        if entry.message == "auth_id found":
            found[entry.job_id] = Session(str(entry.fields["auth_id"]), f"from {entry.fields['source']}")
        elif entry.message == "auth_id not found":
            found[entry.job_id] = Session("none", "auth_id not found")
    return found


def session_of(shown: Job, found: dict[int, Session]) -> str:
    """Return the session of a page; of a run, what it leaves to its children."""
    if shown.kind == PAGE:
        return str(found.get(shown.id, "not looked for yet"))
    auth_id = shown.metadata.get("auth_id")
    if auth_id:
        return f"{auth_id} (in its metadata, for its children)"
    named = shown.config.get("auth_id") if isinstance(shown.config, dict) else None
    if named:
        return f"{named} (in its definition; its metadata names none)"
    return "none" if shown.kind in (CRAWL, RUN) else ""  # of other kinds nothing is asked for with a session


def waiting_for(shown: Job) -> str:
    """Return what is said of a page that waits."""
    return f", for credential {shown.waits_for}" if shown.waits_for else ""


def lines_of(queries: Queries, job_id: int, *, level: str = LEVELS[0], after_id: int = 0) -> Iterator[LogLine]:
    """Yield the log of a job and all below it, oldest first."""

    def read(last_id: int) -> list[LogLine]:
        return queries.logs(job_id, level=level, after_id=max(last_id, after_id), limit=AT_ONCE)

    return paged(read, lambda line: line.number)


def row_of(view: JobView) -> tuple[str, ...]:
    """Return a job as a row of the list."""
    shown, pages = view.job, view.children
    state = "stalled" if status_of(view).is_stalled else str(shown.state)
    counts = f"{pages.completed}/{pages.total}" if pages.total else ""
    return str(shown.id), shown.kind, state, what(shown), counts, moment(shown.created_at)


def as_builtins(view: JobView) -> dict[str, Any]:
    """Return a job as JSON shows it."""
    shown: dict[str, Any] = msgspec.to_builtins(view.job)
    return {**shown, "children": by_state(view.children)}


def log_line(entry: LogEntry) -> str:
    """Return one line of a log."""
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    fields = " ".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in entry.fields.items())
    return f"{at}Z {entry.level:7} job {entry.job_id}: {entry.message} {fields}".rstrip()
