"""A crawl of a ``SessionSite`` by an engine, and what must be true of it in the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from session_site import PASSWORD, SessionSite

from bequest import Credential, Definition, Engine, Key, Run
from bequest.engine.secret import Secret

CRAWLERS = 8
KEY = Key(b"k" * 32)


def engine_at(path: Path) -> Engine:
    """Return an engine with eight crawlers."""
    return Engine(path / "site.db", key=lambda: KEY, concurrency=CRAWLERS)


def definition(site: SessionSite, *, has_login: bool = True, **options: Any) -> Definition:
    """Return a crawl of the whole site."""
    fields: dict[str, Any] = {
        "max_pages": 10_000,
        "concurrency": CRAWLERS,
        **({"login": site.steps()} if has_login else {}),
    }
    return Definition.crawl(
        "site",
        start_urls=[site.url()],
        auth_id="site",
        max_depth=20,
        allow_private=True,
        **{**fields, **options},
    )


def credential(site: SessionSite, *, password: str = PASSWORD, is_logged_in: bool = True) -> Credential:
    """Return one that can log in, perhaps with a session."""
    cookies = (site.log_in(),) if is_logged_in else ()
    return Credential(auth_id="site", sites=("127.0.0.1",), cookies=cookies, secrets={"password": Secret(password)})


def check_all_stored_once(engine: Engine, run: Run, pages: int) -> None:
    """See that each page is there once, with what only a session shows, and cost one attempt."""
    documents = list(engine.find_run(run.id).documents())
    assert Counter(one.title for one in documents) == Counter({f"Page {number}": 1 for number in range(pages)})
    assert all("of alice" in one.markdown and one.auth_id == "site" for one in documents)
    assert {view.job.attempts for view in engine.jobs(parent_id=run.id, limit=10_000)} == {1}
