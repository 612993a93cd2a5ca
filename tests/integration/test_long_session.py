"""A session in a real crawl: it is kept fresh, renewed once for all crawlers, or waits for a person."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from session_site import PASSWORD, SessionSite

from bequest import (
    Credential,
    Definition,
    Engine,
    Key,
    Run,
    State,
)
from bequest.engine.secret import Secret

CRAWLERS = 8
KEY = Key(b"k" * 32)
PATIENCE_S = 240.0


def engine_at(path: Path) -> Engine:
    """Return an engine with eight crawlers."""
    return Engine(path / "site.db", key=lambda: KEY, concurrency=CRAWLERS)


def definition(site: SessionSite, *, has_login: bool = True, **options: Any) -> Definition:
    """Return a crawl of the whole site."""
    fields: dict[str, Any] = {"login": site.steps()} if has_login else {}
    return Definition.crawl(
        "site",
        start_urls=[site.url()],
        auth_id="site",
        max_pages=10_000,
        max_depth=20,
        concurrency=CRAWLERS,
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


def test_session_outlasts_expiries_and_rotations(tmp_path: Path) -> None:
    """Two expiries and many rotations: every page once and authenticated, a login for each, in the end a session."""
    with SessionSite(60, rotate_every=8, expires_at=(15, 40)) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site))
        run = engine.run(definition(site))

        assert run.wait(PATIENCE_S) is State.COMPLETED
        engine.stop()

        assert (site.logins, site.rotations >= 6) == (2, True)
        with engine:
            check_all_stored_once(engine, run, 60)
            kept = engine.credentials.get("site")
        assert kept is not None
        assert site.accepts(kept.cookies)
        assert kept.secrets == {"password": Secret(PASSWORD)}
