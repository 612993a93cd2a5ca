"""A site that cannot be reached for a login: it is tried again as a page is, and counts as no login."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from actor_rig import page
from crawl_rig import URL, CrawlRig

from bequest.engine.errors import LoginFailedError
from bequest.engine.login_steps import LoginStep
from bequest.engine.pages import CookieReport, LoginFormFacts, PageRequest, PageSnapshot
from bequest.engine.policies import MAX_FAILED_LOGINS
from bequest.engine.records import State
from bequest.engine.secret import Secret
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

STEPS = (LoginStep(goto=f"{URL}login"), LoginStep(fill="#password", secret="password"), LoginStep(wait_for="#account"))
UNREACHED = LoginFailedError("login step 1, goto wiki.example/login: found no answer", is_transient=True)


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls, with a session that has expired and a login that reaches nobody."""
    made = CrawlRig(store, clock)
    made.put_credential(secrets={"password": Secret("canary")})
    made.site = login_page
    made.log_in = lambda _: UNREACHED
    yield made
    made.stop()


def login_page(request: PageRequest) -> PageSnapshot:
    form = LoginFormFacts(password_fields=1, text_fields=1, has_user_field=True, has_login_word=True)
    return page(request.url, cookies=CookieReport(offered=1, injected=1, confirmed=1), login_form=form)


def test_login_that_reached_nobody_is_no_failed_login(rig: CrawlRig) -> None:
    """The page is tried again later, at the cost of an attempt, and the three logins are left."""
    rig.make_run(auth_id="wiki", login=STEPS)

    job = rig.crawl()

    assert (job.state, job.attempts, job.error and job.error.type) == (State.PENDING, 1, "LoginFailedError")
    assert rig.stored_credential()[0].failed_logins == 0


def test_site_that_stays_away_fails_its_page_and_leaves_the_logins(rig: CrawlRig, clock: ManualClock) -> None:
    """As a page that cannot be reached: after its attempts, whatever the number that logins have."""
    attempts = MAX_FAILED_LOGINS + 1
    rig.make_run(auth_id="wiki", login=STEPS, max_attempts=attempts)

    states = []
    for _ in range(attempts):
        states.append(rig.crawl().state)
        clock.advance(3600.0)

    assert states == [*[State.PENDING] * (attempts - 1), State.FAILED]
    assert len(rig.logins) == attempts
    assert rig.stored_credential()[0].failed_logins == 0
