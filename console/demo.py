"""Owns ``bequest demo``: a login-protected site on loopback, crawled with the session and, beside it, without."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import click

from ..actors.browser_messages import Click, Fill, Goto, Login, WaitFor
from ..actors.handles import Run
from ..actors.system import Engine
from ..engine.credentials import Credential
from ..engine.definitions import Definition
from ..engine.errors import BequestError
from ..engine.keys import Key
from ..engine.queries import JobView
from ..engine.records import StoredDocument
from ..engine.run_status import RunStatus
from ..engine.secret import Secret
from ..engine.urls import host_of
from ..testing.login_site import LoginSite
from .inspect import Session, sessions
from .options import FileName, advised
from .orderly_engine import OrderlyEngine
from .reading import AT_ONCE, reading
from .running import watch
from .terminal import Exit, Terminal, pass_terminal
from .words import counted

AUTH_ID = "handbook"
SHOWN_LINES = 6  # of one document


@click.command(short_help="See it work: a crawl with a session, and beside it without.")
@click.option("--keep", metavar="FILE", type=FileName(), help="Keep the database there.")
@pass_terminal
def demo(terminal: Terminal, keep: Path | None) -> int:
    """Show an authenticated crawl on this machine, and beside it what an anonymous one gets.

    Nothing leaves the machine but the download of a browser where there is
    none; it takes some seconds, and keeps nothing without --keep.
    """
    from ..actors.browser_install import install

    step(terminal, "A browser")
    executable = install(lambda line: terminal.print(line, indent=2))
    with tempfile.TemporaryDirectory(prefix="bequest-demo-") as folder, LoginSite(has_flaky_page=True) as site:
        key = Key.generate()
        database = keep or Path(folder) / "demo.db"
        with OrderlyEngine(database, key=lambda: key, browser=str(executable), resume=False) as engine:
            code = show(terminal, engine, site, database)
    if keep is not None:
        terminal.print(f"look around with {advised('jobs', keep)}; the key of its session is gone")
    return code


def show(terminal: Terminal, engine: Engine, site: LoginSite, database: Path) -> int:
    """Take the steps of the demo and return its exit code."""
    step(terminal, "A site behind a login")
    terminal.print(f"a small handbook listens on {site.url}", indent=2)
    terminal.print("whoever has no session is led to its login form, whatever they ask for;", indent=2)
    terminal.print("inside it has a logout link, a page that fails twice before it works, and a dead link", indent=2)

    step(terminal, "Log in through the real form, and keep the session sealed")
    keep_session(engine, site)
    entry = engine.credentials.list()[0]
    terminal.print(
        f"stored as {entry.auth_id!r} for {', '.join(entry.sites)}, sealed with key {entry.key_id}", indent=2
    )

    step(terminal, "Crawl with the session")
    kept = crawl(terminal, engine, site, database, auth_id=AUTH_ID)

    step(terminal, "The same crawl without it")
    lost = crawl(terminal, engine, site, database, auth_id=None)

    step(terminal, "Side by side")
    rows = [
        (name, str(status.pages.completed), str(status.pages.failed))
        for name, status in (("with the session", kept), ("without it", lost))
    ]
    terminal.table(("", "documents", "failed pages"), rows)
    is_as_promised = kept.pages.completed > 0 and lost.pages.completed == 0
    return Exit.DONE if is_as_promised else Exit.FAILED


def keep_session(engine: Engine, site: LoginSite) -> None:
    """Log in as a person would and store the cookies that this leaves."""
    steps = (
        Goto(url=site.url),
        Fill(selector="input[name=username]", value=Secret(site.username)),
        Fill(selector="input[name=password]", value=Secret(site.password)),
        Click(selector="button[type=submit]"),
        WaitFor(selector="a[href='/logout']"),
    )
    session = engine.log_in(Login(steps=steps, allow_private=True))
    if not session.cookies:
        raise BequestError("the login left no cookie; the demo cannot go on")
    engine.credentials.put(Credential(auth_id=AUTH_ID, sites=(host_of(site.url),), cookies=session.cookies))


def crawl(terminal: Terminal, engine: Engine, site: LoginSite, database: Path, *, auth_id: str | None) -> RunStatus:
    """Crawl the site with the session or without, and show what the parent left, its children and their documents."""
    asked_before = len(site.requests)
    definition = Definition.crawl(
        "handbook", start_urls=[site.url], auth_id=auth_id, allow_private=True, labels={"team": "docs"}
    )
    run = engine.run(definition)
    status = watch(terminal, run)
    metadata = ", ".join(f"{key}={value}" for key, value in run.job().metadata.items())
    terminal.print(f"parent job {run.id} leaves its children this metadata: {metadata}", indent=2)
    seen = Counter(one.has_session for one in site.requests[asked_before:] if one.path != "/style.css")
    terminal.print(f"the site saw {counted(seen.total(), 'request')}, {seen[True]} of them with the session", indent=2)
    show_children(terminal, run, database)
    return status


def show_children(terminal: Terminal, run: Run, database: Path) -> None:
    """Print a run's pages with what each left, and the beginning of one document."""
    with reading(database) as queries:
        children = queries.jobs(parent_id=run.id, limit=AT_ONCE)
        found = sessions(queries, run.id)
    documents = {document.job_id: document for document in run.documents()}
    for session, count in Counter(found.values()).items():
        terminal.print(f"session of {count} of {len(children)} children: {session}", indent=2)
    terminal.print()
    rows = [row_of(child, documents.get(child.job.id), found) for child in children]
    terminal.table(("child", "page", "session", "document"), rows)
    articles = [document for document in documents.values() if "/articles/" in document.url]
    if articles:
        terminal.print()
        terminal.print(f"the beginning of document {articles[0].job_id}:", indent=2)
        lines = [line for line in articles[0].markdown.splitlines() if line]
        for line in lines[:SHOWN_LINES]:
            terminal.print(line, indent=4)


def row_of(child: JobView, document: StoredDocument | None, found: dict[int, Session]) -> tuple[str, str, str, str]:
    """Return a page as a row: what it left, or why it left nothing."""
    job = child.job
    parts = urlsplit(job.config["url"])
    page = f"{parts.path}?{parts.query}" if parts.query else parts.path
    error = "" if job.error is None else job.error.type
    left = f"{job.state}: {error}" if document is None else document.title
    return str(job.id), page, found[job.id].name if job.id in found else "", left


def step(terminal: Terminal, title: str) -> None:
    """Say what comes next."""
    terminal.print()
    terminal.print(title, style="bold")
