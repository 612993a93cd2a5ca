"""A session in a real crawl: it is kept fresh, renewed once for all crawlers, or waits for a person."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from session_run import CRAWLERS, check_all_stored_once, credential, definition, engine_at
from session_site import PASSWORD, SessionSite

from bequest import CredentialNeededError, LoginFailed, LoginStep, RunStalled, SessionCheck, SessionRenewed, State
from bequest.engine.secret import Secret

PATIENCE_S = 240.0


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


def test_expiry_under_eight_crawlers_is_one_login(tmp_path: Path) -> None:
    """All that are refused at once have the session of one login, and no page an attempt more."""
    with SessionSite(40, rotate_every=1_000, expires_at=(20,)) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site))
        with engine.events() as events:
            run = engine.run(definition(site))
            assert run.wait(PATIENCE_S) is State.COMPLETED
        renewed = [event for event in events if isinstance(event, SessionRenewed)]

        assert (site.logins, [event.auth_id for event in renewed]) == (1, ["site"])
        assert site.refused > 1
        check_all_stored_once(engine, run, 40)


def test_rotation_at_every_page_loses_nothing(tmp_path: Path) -> None:
    """The stored session is the newest when the engine has stopped, and the next engine begins with it."""
    with SessionSite(40, rotate_every=1, accepts=CRAWLERS) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site))
        run = engine.run(definition(site, has_login=False))
        assert run.wait(PATIENCE_S) is State.COMPLETED
        engine.stop()

        with engine:
            check_all_stored_once(engine, run, 40)
            entry, kept = engine.credentials.list()[0], engine.credentials.get("site")
            assert kept is not None
            assert site.accepts(kept.cookies)
            assert 1 < entry.version <= 41
            assert engine.run(definition(site, has_login=False)).wait(PATIENCE_S) is State.COMPLETED
        assert (site.refused, site.logins) == (0, 0)


def test_site_that_takes_each_token_once_is_logged_in_with_a_canary(tmp_path: Path) -> None:
    """What the look at the canary has made of the new session is what is stored."""
    with SessionSite(10, rotate_every=1, accepts=1) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site, is_logged_in=False))
        check = SessionCheck(canary_url=site.url())
        run = engine.run(definition(site, session_check=check, concurrency=1))

        assert run.wait(PATIENCE_S) is State.COMPLETED
        assert site.logins == 1
        check_all_stored_once(engine, run, 10)


def test_expiry_without_a_login_stalls_until_somebody_puts_a_session(tmp_path: Path) -> None:
    """An event and the error say why; no login page is stored, no attempt is spent (I5), and the run goes on."""
    with SessionSite(30, rotate_every=5, expires_at=(12,)) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site))
        with engine.events() as events:
            run = engine.run(definition(site, has_login=False))
            with pytest.raises(CredentialNeededError, match="the page led to the login page"):
                run.wait(PATIENCE_S)
            before = engine.credentials.get("site")
            assert before is not None

            engine.credentials.put(credential(site))
            assert run.wait(PATIENCE_S) is State.COMPLETED

        stalls = [event for event in events if isinstance(event, RunStalled)]
        assert [(event.job_id, event.auth_id) for event in stalls] == [(run.id, "site")]
        assert "led to the login page" in stalls[0].reason
        assert [one.name for one in before.cookies] == ["token"]  # the site took it from the browser
        check_all_stored_once(engine, run, 30)


def test_wrong_password_is_tried_three_times(tmp_path: Path) -> None:
    """Then the run is stalled and says why; a session that somebody puts has it go on."""
    with SessionSite(20, expires_at=(5,)) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site, password="wrong"))
        with engine.events() as events:
            steps = (*site.steps()[:-1], LoginStep(wait_for="#wrong"))  # what else would not come for a minute
            run = engine.run(definition(site, login=steps))
            with pytest.raises(CredentialNeededError, match="3 logins of credential 'site' in a row"):
                run.wait(PATIENCE_S)
        failed = [event.failed_logins for event in events if isinstance(event, LoginFailed)]

        assert (site.failed_logins, site.logins, failed) == (3, 0, [1, 2, 3])
        engine.credentials.put(credential(site))
        assert run.wait(PATIENCE_S) is State.COMPLETED
        check_all_stored_once(engine, run, 20)


def test_credential_with_secrets_alone_logs_in_before_its_first_page(tmp_path: Path) -> None:
    """No page is asked for without a session."""
    with SessionSite(10) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site, is_logged_in=False))
        run = engine.run(definition(site))

        assert run.wait(PATIENCE_S) is State.COMPLETED
        assert (site.logins, site.refused) == (1, 0)
        check_all_stored_once(engine, run, 10)


def test_users_own_check_is_looked_for_in_the_page(tmp_path: Path) -> None:
    """A selector, a text and a missing element each send a page to wait; one that is no CSS fails it clearly."""
    found = {}
    with SessionSite(1) as site, engine_at(tmp_path) as engine:
        engine.credentials.put(credential(site))
        checks: dict[str, dict[str, str]] = {
            "fine": {"valid_selector": "#account", "expired_selector": "#nowhere", "expired_text": "Log in again"},
            "selector": {"expired_selector": "p#account"},
            "text": {"expired_text": "PAGE 0 of  alice"},
            "missing": {"valid_selector": "#menu"},
            "url": {"expired_url": "/page/0$"},
            "no css": {"valid_selector": "p:no-such-thing(1)"},
        }
        for name, check in checks.items():
            run = engine.run(definition(site, has_login=False, session_check=check, max_pages=1))
            with suppress(CredentialNeededError):
                run.wait(PATIENCE_S)
            causes = [cause.type for cause in run.failure_causes()]
            found[name] = (str(run.status().state) if not run.status().is_stalled else "stalled", causes)

    assert found == {
        "fine": ("completed", []),
        **dict.fromkeys(("selector", "text", "missing", "url"), ("stalled", ["session_check"])),
        "no css": ("failed", ["bad_selector"]),
    }
