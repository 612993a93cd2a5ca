"""The long form of a session in a real crawl: two thousand pages, five expiries, a hundred rotations."""

from __future__ import annotations

import logging
from pathlib import Path

from session_run import check_all_stored_once, credential, definition, engine_at
from session_site import SessionSite

from bequest import State

logger = logging.getLogger(__name__)

PAGES = 2_000
EXPIRES_AT = (250, 600, 1_000, 1_400, 1_800)
ROTATE_EVERY = 19
PATIENCE_S = 3 * 3600.0


def test_two_thousand_pages_outlast_five_expiries_and_a_hundred_rotations(tmp_path: Path) -> None:
    """Every page is stored once, authenticated, at one attempt (I5), with at most five logins."""
    with SessionSite(PAGES, rotate_every=ROTATE_EVERY, expires_at=EXPIRES_AT) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site))
        run = engine.run(definition(site))

        assert run.wait(PATIENCE_S) is State.COMPLETED
        engine.stop()

        with engine:
            check_all_stored_once(engine, run, PAGES)
            (entry,), kept = engine.credentials.list(), engine.credentials.get("site")
        figures = site.logins, site.rotations, entry.version, site.refused
        logger.info("%d logins, %d rotations, %d versions, %d requests refused", *figures)
        assert site.logins <= len(EXPIRES_AT)
        assert site.rotations >= 100
        assert kept is not None
        assert site.accepts(kept.cookies)
