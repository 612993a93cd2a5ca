"""The canary: it tells a session that has expired from a page for other users, and proves what a login left."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from actor_rig import PATIENCE_S, Answer, page
from crawl_rig import URL, CrawlRig
from expiry_rig import (
    CANARY_URL,
    LOGIN_FORM,
    SESSION,
    WITH_CANARY,
    crawl_with_login,
    make_run,
    reason,
    sent,
    session,
    wanted,
    works_from,
)

from bequest.actors.credential_messages import ProveSession, RenewCredential
from bequest.actors.session_messages import Renewed
from bequest.engine.errors import DeadlineError, PageError
from bequest.engine.pages import PageRequest, PageSnapshot
from bequest.engine.records import State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

COMPLETED, FAILED, PENDING, WAITING = State.COMPLETED, State.FAILED, State.PENDING, State.WAITING


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls, with a credential that can log in."""
    made = crawl_with_login(store, clock)
    yield made
    made.stop()


@pytest.mark.parametrize("status", [200, 403])
def test_page_that_is_not_for_this_user_fails_alone(rig: CrawlRig, status: int) -> None:
    """The canary is fine with the same session: no login, and its own reason."""

    def answer(request: PageRequest) -> PageSnapshot:
        is_canary = request.url == CANARY_URL
        form = None if is_canary or status == 403 else LOGIN_FORM
        return page(request.url, cookies=SESSION, status=200 if is_canary else status, login_form=form)

    rig.site = answer
    make_run(rig, session_check=WITH_CANARY)

    job = rig.crawl()

    assert (job.state, reason(job), rig.logins) == (FAILED, "not_for_this_user", [])
    assert [request.url for request in rig.requests] == [URL, CANARY_URL]
    assert rig.requests[1].credential == rig.requests[0].credential


def test_canary_that_is_refused_means_a_login(rig: CrawlRig) -> None:
    """It is read with the new session before that is stored, in a context of its own; the page proves it."""
    rig.site = works_from(2)
    make_run(rig, session_check=WITH_CANARY)

    assert rig.crawl().state is COMPLETED
    assert [(request.url, request.is_trial) for request in rig.requests] == [
        (URL, False),
        (CANARY_URL, False),
        (CANARY_URL, True),
        (URL, False),
    ]
    assert len(sent(rig, RenewCredential)) == 1
    assert [message.put_version for message in sent(rig, ProveSession)] == [2]


def test_session_is_stored_as_the_canary_has_left_it(rig: CrawlRig) -> None:
    """A site may take each token once; what the look leaves of other sites is left out, as of the login."""
    newer = (*session("of the look").cookies, *session("of another", domain="elsewhere.example").cookies)

    def answer(request: PageRequest) -> PageSnapshot:
        found = works_from(2)(request)
        return msgspec.structs.replace(found, left=newer) if request.is_trial else found

    rig.site = answer
    make_run(rig, session_check=WITH_CANARY)

    assert rig.crawl().state is COMPLETED
    assert rig.stored_credential()[1].cookies == session("of the look").cookies
    assert rig.stored_credential()[1].user_agent == "Chromium"


def test_canary_proves_the_session_of_a_login(rig: CrawlRig) -> None:
    """Also where the page that asked for it is not for this user."""
    rig.site = works_from(99, canary_from=2)
    make_run(rig, session_check=WITH_CANARY)

    job = rig.crawl()

    assert (job.state, reason(job), len(rig.logins)) == (FAILED, "not_for_this_user", 1)
    assert rig.stored_credential()[0].failed_logins == 0


def test_login_that_the_canary_refuses_was_in_vain(rig: CrawlRig) -> None:
    """It is not stored, and counts as failed."""
    rig.site = lambda request: page(request.url, cookies=SESSION, login_form=LOGIN_FORM)
    make_run(rig, session_check=WITH_CANARY)

    job = rig.crawl()

    assert (job.state, reason(job)) == (PENDING, "login_failed")
    assert "after the login" in str(job.error)
    assert rig.stored_credential()[0].version == 1
    assert rig.stored_credential()[0].failed_logins == 1


@pytest.mark.parametrize(
    ("answer", "state", "attempts"),
    [
        (page(CANARY_URL, status=503, cookies=SESSION), PENDING, 1),
        (PageError("slow", reason="timeout"), PENDING, 1),
        (DeadlineError("asked for FetchPage, found no answer"), PENDING, 1),
        (page(CANARY_URL, status=404, cookies=SESSION), WAITING, 0),
        (page(CANARY_URL), WAITING, 0),  # on a host that is none of the credential's sites
    ],
)
def test_canary_that_cannot_be_read_says_nothing(rig: CrawlRig, answer: Answer, state: State, attempts: int) -> None:
    """The page is tried again where that can help, and else waits; nobody logs in."""
    rig.site = lambda request: answer if request.url == CANARY_URL else works_from(2)(request)
    make_run(rig, session_check=WITH_CANARY)

    job = rig.crawl()

    assert (job.state, job.attempts, reason(job), rig.logins) == (state, attempts, "canary", [])


def test_canary_without_login_steps_tells_who_waits_from_who_fails(rig: CrawlRig) -> None:
    """Only a person can log in, and the page waits for that."""
    rig.site = works_from(2)
    make_run(rig, login=(), session_check=WITH_CANARY)

    job = rig.crawl()

    assert (job.state, reason(job)) == (WAITING, "login_form")


def test_look_at_the_canary_speaks_for_all_pages_read_before_it(rig: CrawlRig, clock: ManualClock) -> None:
    """A page that was read later may have been refused a session that has expired since."""
    rig.site = works_from(2, canary_from=1)
    before = wanted(check=WITH_CANARY, refused_at=clock.monotonic() - 1.0)
    later = wanted(check=WITH_CANARY, refused_at=clock.monotonic() + 1.0)

    answers = [rig.keeper.ask(one, timeout_s=PATIENCE_S) for one in (before, before, later)]

    assert answers == [Renewed(is_page_refused=True)] * 3
    assert len(rig.requests) == 2
