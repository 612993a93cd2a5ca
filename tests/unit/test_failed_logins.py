"""Logins in vain are counted and come to an end; the page comes back or waits, by what was in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from actor_rig import failing
from crawl_rig import URL, CrawlRig
from expiry_rig import SECRETS, WITH_CANARY, crawl_with_login, make_run, reason, session, works_from

from bequest.actors.credential_messages import NoteFailedLogin
from bequest.actors.messages import GetRunStatus
from bequest.actors.query_messages import GetStallCause
from bequest.actors.session_messages import RenewSession
from bequest.engine.errors import BrowserError, DeadlineError, LoginFailedError, SealError
from bequest.engine.pages import PageRequest, PageSnapshot
from bequest.engine.policies import MAX_FAILED_LOGINS
from bequest.engine.records import State
from bequest.engine.sessions import Session
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

COMPLETED, PENDING, WAITING = State.COMPLETED, State.PENDING, State.WAITING


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls, with a credential that can log in."""
    made = crawl_with_login(store, clock)
    yield made
    made.stop()


def test_page_without_login_steps_waits(rig: CrawlRig) -> None:
    """Nobody is asked, and its attempt does not count."""
    rig.site = works_from(2)
    make_run(rig, login=())

    job = rig.crawl()

    assert (job.state, job.attempts, reason(job)) == (WAITING, 0, "login_form")


@pytest.mark.parametrize(
    "outcome",
    [LoginFailedError("step 3 failed"), Session(), session(domain="elsewhere.example")],
    ids=["failed", "nothing", "elsewhere"],
)
def test_three_failed_logins_are_the_last(rig: CrawlRig, clock: ManualClock, outcome: Any) -> None:
    """The page comes back after the first two, uncounted (I5); then it waits, the run is stalled and says why."""
    rig.site = works_from(2)
    rig.log_in = lambda _: outcome
    run_id = make_run(rig)
    seen = []

    for _ in range(MAX_FAILED_LOGINS):
        job = rig.crawl()
        seen.append((job.state, job.attempts, job.run_at > clock.now()))
        clock.advance(60.0)

    assert seen == [(PENDING, 0, True), (PENDING, 0, True), (WAITING, 0, False)]
    assert len(rig.logins) == MAX_FAILED_LOGINS
    auth_id, why = rig.manager.ask(GetStallCause(job_id=run_id))
    assert auth_id == "wiki"
    assert "3 logins of credential 'wiki' in a row" in why


def test_put_session_has_logins_tried_again(rig: CrawlRig, clock: ManualClock) -> None:
    """What waited goes on, and the guard counts from the beginning."""
    rig.site = works_from(3)
    rig.log_in = lambda _: LoginFailedError("wrong password")
    make_run(rig)
    for _ in range(MAX_FAILED_LOGINS):
        rig.crawl()
        clock.advance(60.0)

    rig.put_credential(secrets=SECRETS)
    rig.log_in = lambda _: session()

    assert rig.crawl().state is COMPLETED
    assert len(rig.logins) == MAX_FAILED_LOGINS + 1


def test_guard_holds_also_after_a_restart(rig: CrawlRig) -> None:
    """It is the row's: no login is tried where three were in vain before."""
    rig.site = works_from(2)
    for _ in range(MAX_FAILED_LOGINS):
        rig.manager.ask(NoteFailedLogin(auth_id="wiki", put_version=1, reason="wrong password"))
    make_run(rig)

    job = rig.crawl()

    assert (job.state, reason(job), rig.logins) == (WAITING, "login_failed", [])


def test_failed_login_is_not_repeated_by_the_next_page(rig: CrawlRig) -> None:
    """Until its time has come all pages that need it are put back."""
    rig.site = works_from(2)
    rig.log_in = lambda _: LoginFailedError("wrong password")
    make_run(rig, URL, f"{URL}a", f"{URL}b")

    states = [rig.crawl().state for _ in range(3)]

    assert states == [PENDING] * 3
    assert len(rig.logins) == 1


def test_logins_to_a_session_that_no_page_takes_end_too(rig: CrawlRig, clock: ManualClock) -> None:
    """Two pages that always show a login form would else renew each other's session for ever."""
    rig.site = works_from(99)
    run_id = make_run(rig, URL, f"{URL}a")

    for _ in range(20):
        rig.crawl_all()
        clock.advance(60.0)

    assert len(rig.logins) == MAX_FAILED_LOGINS
    assert rig.manager.ask(GetRunStatus(job_id=run_id)).is_stalled
    assert rig.documents(run_id) == []


def test_logins_that_the_canary_alone_takes_end_too(rig: CrawlRig, clock: ManualClock) -> None:
    """A site that ends each session at its second use lets the look at the canary pass and no page after it."""
    rig.site = works_from(99)
    run_id = make_run(rig, URL, f"{URL}a", session_check=WITH_CANARY)

    for _ in range(20):
        rig.crawl_all()
        clock.advance(60.0)
        if len(rig.logins) > MAX_FAILED_LOGINS:
            break

    assert len(rig.logins) == MAX_FAILED_LOGINS
    assert rig.manager.ask(GetRunStatus(job_id=run_id)).is_stalled


def test_page_that_others_renew_the_session_for_in_vain_comes_back(rig: CrawlRig) -> None:
    """Each time that it is read the session has expired once more; waiting it would be the last, and for nobody."""

    def expires_meanwhile(request: PageRequest) -> PageSnapshot:
        if len(rig.requests) < 3:
            rig.put_credential(secrets=SECRETS)
        return works_from(99 if len(rig.requests) <= 3 else 1)(request)

    rig.site = expires_meanwhile
    run_id = make_run(rig)

    job = rig.crawl()

    assert (job.state, job.attempts, reason(job)) == (PENDING, 0, "login_form")
    assert not rig.manager.ask(GetRunStatus(job_id=run_id)).is_stalled
    assert rig.crawl().state is COMPLETED


def test_secret_that_is_missing_is_said_and_counts_nothing(rig: CrawlRig) -> None:
    """No site was asked."""
    rig.site = works_from(9)
    rig.put_credential()
    make_run(rig)

    job = rig.crawl()

    assert (job.state, reason(job), rig.logins) == (WAITING, "login_failed", [])
    assert "'password'" in str(job.error)
    assert rig.stored_credential()[0].failed_logins == 0


def test_browser_that_fails_a_login_is_not_the_sites_fault(rig: CrawlRig) -> None:
    """The page is tried again like any page in a browser that died, and no login was in vain."""
    rig.site = works_from(2)
    rig.log_in = lambda _: BrowserError("it fell over")
    make_run(rig)

    job = rig.crawl()

    assert (job.state, reason(job)) == (PENDING, "BrowserError")
    assert rig.stored_credential()[0].failed_logins == 0


def test_page_that_the_keeper_does_not_answer_in_time_comes_back(rig: CrawlRig) -> None:
    """It may be at another credential; a page that waited would wake only for a login that goes well at once."""
    rig.site = works_from(2)
    run_id = make_run(rig)
    rig.taped_keeper.before[RenewSession] = failing(DeadlineError("too long"))

    job = rig.crawl()

    assert (job.state, job.attempts, reason(job)) == (PENDING, 0, "login_failed")
    assert not rig.manager.ask(GetRunStatus(job_id=run_id)).is_stalled


def test_login_that_the_browser_does_not_end_in_time_was_in_vain(rig: CrawlRig, clock: ManualClock) -> None:
    """It may have typed the password, so it counts, and the third is the last."""
    rig.site = works_from(2)
    rig.log_in = lambda _: DeadlineError("asked for Login, found no answer")
    make_run(rig)

    for _ in range(MAX_FAILED_LOGINS):
        job = rig.crawl()
        clock.advance(60.0)

    assert (job.state, reason(job), len(rig.logins)) == (WAITING, "login_failed", MAX_FAILED_LOGINS)


def test_credential_that_the_keeper_cannot_open_is_said(rig: CrawlRig) -> None:
    """As the browser says it of one that is used."""
    rig.site = works_from(2)
    make_run(rig)
    rig.broken_vault = SealError("another key")

    job = rig.crawl()

    assert (job.state, reason(job)) == (WAITING, "seal")
