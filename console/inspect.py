"""Owns ``bequest jobs``, ``job`` and ``logs``: what is in the database, read beside a running engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from ..engine.crawl_jobs import PAGE
from ..engine.outcomes import place
from ..engine.queries import JobView, Queries
from ..engine.records import Job, LogEntry, State
from .auth import moment, read_queries
from .options import database_option, json_option
from .terminal import Exit, Terminal, pass_terminal

SHOWN_CHILDREN = 20
LISTED = 1000


@click.command()
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only jobs in that state.")
@database_option
@json_option
@pass_terminal
def jobs(terminal: Terminal, state: str | None, database: Path, as_json: bool) -> int:
    """List the runs; with --state all jobs in that state."""
    queries = read_queries(database)
    views = queries.jobs(limit=LISTED) if state is None else queries.jobs_in(State(state), limit=LISTED)
    if as_json:
        for view in views:
            terminal.json(as_builtins(view))
        return Exit.DONE
    if not views:
        terminal.out.print("no jobs", markup=False)
        return Exit.DONE
    table = Table("id", "kind", "state", "what", "pages", "created", box=None)
    for view in views:
        job, pages = view.job, view.children
        counts = f"{pages.completed}/{pages.total}" if pages.total else ""
        table.add_row(str(job.id), job.kind, str(job.state), what(job), counts, moment(job.created_at))
    terminal.out.print(table)
    return Exit.DONE


@click.command()
@click.argument("job_id", type=int, metavar="ID")
@database_option
@json_option
@pass_terminal
def job(terminal: Terminal, job_id: int, database: Path, as_json: bool) -> int:
    """Show a job, its children, and where its session came from."""
    queries = read_queries(database)
    view = queries.job(job_id)
    children = queries.jobs(parent_id=job_id, limit=LISTED)
    session = session_of(queries, view.job)
    if as_json:
        shown = {**as_builtins(view), "session": session, "child_jobs": [as_builtins(child) for child in children]}
        terminal.json(shown)
        return Exit.DONE
    show_job(terminal, view, session)
    if children:
        show_children(terminal, children)
    return Exit.DONE


@click.command()
@click.argument("job_id", type=int, metavar="ID")
@database_option
@json_option
@pass_terminal
def logs(terminal: Terminal, job_id: int, database: Path, as_json: bool) -> int:
    """Print the log of a job and its children, oldest first."""
    queries = read_queries(database)
    queries.job(job_id)
    after_id = 0
    while entries := queries.logs(job_id, after_id=after_id, limit=LISTED):
        after_id = entries[-1][0]
        for _, entry in entries:
            if as_json:
                terminal.json(msgspec.to_builtins(entry))
            else:
                terminal.out.print(log_line(entry), markup=False)
    return Exit.DONE


def show_job(terminal: Terminal, view: JobView, session: str) -> None:
    """Print one job as a table of its facts."""
    shown = view.job
    table = Table.grid(padding=(0, 2))
    pages = view.children
    facts = {
        "job": f"{shown.id} ({shown.kind})",
        "state": f"{shown.state}" + (f", waits for credential {shown.waits_for}" if shown.waits_for else ""),
        "what": what(shown),
        "parent": "" if shown.parent_id is None else str(shown.parent_id),
        "session": session,
        "metadata": ", ".join(f"{key}={value}" for key, value in shown.metadata.items()),
        "attempts": f"{shown.attempts} of {shown.max_attempts}" if shown.kind == PAGE else "",
        "error": "" if shown.error is None else f"{shown.error.type}: {shown.error.message}",
        "children": f"{pages.completed} completed, {pages.failed} failed, {pages.unfinished} unfinished, "
        f"{pages.cancelled} cancelled"
        if pages.total
        else "",
        "created": moment(shown.created_at),
        "finished": "" if shown.finished_at is None else moment(shown.finished_at),
    }
    for name, value in facts.items():
        if value:
            table.add_row(name, value)
    terminal.out.print(table)


def show_children(terminal: Terminal, children: list[JobView]) -> None:
    """Print the first of a job's children."""
    table = Table("id", "state", "depth", "page", "error", box=None)
    for child in children[:SHOWN_CHILDREN]:
        error = child.job.error.type if child.job.error is not None and child.job.state is not State.COMPLETED else ""
        depth = child.job.config.get("depth", "") if isinstance(child.job.config, dict) else ""
        table.add_row(str(child.job.id), str(child.job.state), str(depth), what(child.job), error)
    terminal.out.print(table)
    if len(children) > SHOWN_CHILDREN:
        terminal.out.print(f"  and more; --json shows up to {LISTED}", markup=False)


def session_of(queries: Queries, shown: Job) -> str:
    """Return which session a page used and where its name came from, as its log says; of a run, what it leaves."""
    if shown.kind != PAGE:
        auth_id = shown.metadata.get("auth_id")
        return f"{auth_id} (in its metadata, for its children)" if auth_id else "none"
    for _, entry in reversed(queries.logs(shown.id)):
        if entry.message == "auth_id found":
            return f"{entry.fields['auth_id']} (from the {entry.fields['source']})"
        if entry.message == "auth_id not found":
            return "none (auth_id not found)"
    return "not looked for yet"


def what(shown: Job) -> str:
    """Return what a job is about, without any query."""
    config: Any = shown.config
    if not isinstance(config, dict):
        return ""
    urls = config.get("start_urls") or [config.get("url", "")]
    return ", ".join(place(url) for url in urls if url)


def as_builtins(view: JobView) -> dict[str, Any]:
    """Return a job as JSON shows it."""
    shown: dict[str, Any] = msgspec.to_builtins(view.job)
    return {**shown, "children": msgspec.to_builtins(view.children)}


def log_line(entry: LogEntry) -> str:
    """Return one line of a log."""
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    fields = " ".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in entry.fields.items())
    return f"{at}Z {entry.level:7} job {entry.job_id}: {entry.message} {fields}".rstrip()
