"""Owns ``bequest demo``: a login-protected site on loopback, crawled with the session and, beside it, without."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from rich.rule import Rule
from rich.table import Table

from ..actors.browser_messages import Click, Fill, Goto, Login, WaitFor
from ..actors.handles import Run
from ..actors.system import Engine
from ..engine.credentials import Credential
from ..engine.definitions import Definition
from ..engine.errors import BequestError
from ..engine.keys import Key
from ..engine.outcomes import place
from ..engine.secret import Secret
from ..engine.urls import host_of
from ..testing.login_site import LoginSite
from .crawl import watch
from .terminal import Exit, Terminal, pass_terminal

AUTH_ID = "handbook"
SHOWN_PAGES = 8


@click.command(short_help="Show a crawl with a session, and without.")
@click.option("--keep", metavar="FILE", type=click.Path(path_type=Path), help="Keep the database there.")
@pass_terminal
def demo(terminal: Terminal, keep: Path | None) -> int:
    """Show an authenticated crawl on this machine, and beside it what an anonymous one gets."""
    from ..actors.browser_install import install

    step(terminal, "A browser")
    executable = install(terminal.say)
    with tempfile.TemporaryDirectory(prefix="bequest-demo-") as folder, LoginSite(has_flaky_page=True) as site:
        key = Key.generate()
        database = keep or Path(folder) / "demo.db"
        with Engine(database, key=lambda: key, browser=str(executable)) as engine:
            return show(terminal, engine, site)


def show(terminal: Terminal, engine: Engine, site: LoginSite) -> int:
    """Take the steps of the demo and return its exit code."""
    step(terminal, "A site behind a login")
    terminal.say(
        f"a small handbook listens on {site.url}; without a session it shows its login form, whatever is asked"
    )

    step(terminal, "Log in through the real form, and keep the session sealed")
    keep_session(engine, site)
    entry = engine.credentials.list()[0]
    terminal.say(f"stored as {entry.auth_id!r} for {', '.join(entry.sites)}, sealed with key {entry.key_id}")

    step(terminal, "Crawl with the session")
    run = engine.run(definition(site, auth_id=AUTH_ID))
    status = watch(terminal, run)
    metadata = ", ".join(f"{key}={value}" for key, value in run.job().metadata.items())
    terminal.say(f"parent job {run.id} leaves its children: {metadata}")
    show_pages(terminal, run)

    step(terminal, "The same crawl without it")
    anonymous = engine.run(definition(site, auth_id=None))
    lost = watch(terminal, anonymous)
    for cause in anonymous.failure_causes():
        terminal.say(f"{cause.count} x {cause.type}: {cause.message}")
    terminal.out.print(Rule(style="dim"))
    terminal.out.print(
        f"with the session {status.pages.completed} pages stored, without it {lost.pages.completed}", markup=False
    )
    is_as_promised = status.pages.completed > 0 and lost.pages.completed == 0
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
    cookies = engine.log_in(Login(steps=steps, allow_private=True))
    if not cookies:
        raise BequestError("the login left no cookie; the demo cannot go on")
    engine.credentials.put(Credential(auth_id=AUTH_ID, sites=(host_of(site.url),), cookies=cookies))


def definition(site: LoginSite, *, auth_id: str | None) -> Definition:
    """Return the recipe of the demo, with the session or without."""
    return Definition.crawl(
        "handbook", start_urls=[site.url], auth_id=auth_id, allow_private=True, labels={"team": "docs"}
    )


def show_pages(terminal: Terminal, run: Run) -> None:
    """Print the first documents of a run."""
    documents = list(run.documents())
    table = Table("job", "depth", "page", "title", "session", box=None)
    for document in documents[:SHOWN_PAGES]:
        title = document.title
        table.add_row(str(document.job_id), str(document.depth), place(document.url), title, document.auth_id or "none")
    terminal.out.print(table)
    if len(documents) > SHOWN_PAGES:
        terminal.out.print(f"and {len(documents) - SHOWN_PAGES} more", markup=False)


def step(terminal: Terminal, title: str) -> None:
    """Say what comes next."""
    terminal.err.print(f"\n[bold]{title}[/]")
