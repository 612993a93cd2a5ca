"""A session that has expired: who logs in again and when, what is read again, and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from actor_rig import PATIENCE_S, Answer, page
from crawl_rig import URL, CrawlRig
from expiry_rig import (
    HEADER,
    LOGIN_FORM,
    SECRETS,
    SESSION,
    crawl_with_login,
    make_run,
    reason,
    sent,
    session,
    wanted,
    works_from,
)

from bequest.actors.browser_messages import Fill
from bequest.actors.credential_messages import (
    GetCredential,
    NoteFailedLogin,
    ProveSession,
    RemoveCredential,
    RenewCredential,
)
from bequest.actors.messages import RenewLeases
from bequest.actors.session_messages import RENEWAL_TIMEOUT_S, JudgeSession
from bequest.engine.errors import CredentialNeededError
from bequest.engine.pages import PageRequest
from bequest.engine.policies import MAX_FAILED_LOGINS
from bequest.engine.records import State
from bequest.engine.session_checks import SessionCheck
from bequest.engine.sessions import Session
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

COMPLETED, FAILED, WAITING = State.COMPLETED, State.FAILED, State.WAITING


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls, with a credential that can log in."""
    made = crawl_with_login(store, clock)
    yield made
    made.stop()


# A login


def test_refused_page_is_read_again_with_the_session_of_a_login(rig: CrawlRig) -> None:
    """In the same attempt, and nothing of the login page is stored."""
    rig.site = works_from(2)
    run_id = make_run(rig)

    job = rig.crawl()

    assert (job.state, job.attempts, reason(job)) == (COMPLETED, 1, None)
    assert [document.auth_id for document in rig.documents(run_id)] == ["wiki"]
    assert [request.credential and request.credential.version for request in rig.requests] == [1, 2]
    assert "session renewed" in [entry.message for entry in rig.log(job.id)]


def test_login_keeps_what_the_credential_had(rig: CrawlRig) -> None:
    """Its secrets and headers stay, its cookies are those of the login, and the login counts as one that worked."""
    rig.site = works_from(2)
    make_run(rig)

    rig.crawl()

    sealed, credential = rig.stored_credential()
    assert (sealed.session, sealed.failed_logins) == (2, 0)
    assert (credential.secrets, credential.headers) == (SECRETS, (HEADER,))
    assert credential.cookies == session().cookies
    assert [message.put_version for message in sent(rig, ProveSession)] == [2]


def test_login_types_the_secrets_of_the_credential(rig: CrawlRig) -> None:
    """Under the egress policy of the definition; no message shows them."""
    rig.site = works_from(2)
    make_run(rig, allow_private=True)

    rig.crawl()

    (login,) = rig.logins
    assert login.allow_private
    assert login.steps[1] == Fill(selector="#password", value=SECRETS["password"])
    assert "canary" not in repr(login)


def test_pages_that_were_refused_the_same_session_make_one_login(rig: CrawlRig) -> None:
    """Who asks for a session newer than one that is outdated gets what is stored."""
    rig.site = works_from(2)
    make_run(rig, URL, f"{URL}a", f"{URL}b")
    leases = [rig.claim() for _ in range(3)]
    first = rig.keeper.ask(wanted(), timeout_s=PATIENCE_S)
    others = [rig.keeper.ask(wanted(), timeout_s=PATIENCE_S) for _ in range(7)]

    for lease in leases:
        rig.report(rig.pages.crawl(lease))

    assert len(rig.logins) == 1
    assert {answer.credential.version for answer in (first, *others)} == {2}


def test_session_that_somebody_put_meanwhile_needs_no_login(rig: CrawlRig) -> None:
    """The page is read with it."""
    make_run(rig)

    def put_then_refuse(request: PageRequest) -> Answer:
        if len(rig.requests) == 1:
            rig.put_credential()
        return works_from(2)(request)

    rig.site = put_then_refuse

    assert rig.crawl().state is COMPLETED
    assert rig.logins == []


def test_session_that_is_put_during_a_login_wins(rig: CrawlRig) -> None:
    """What the login made is thrown away, and the page is read with what was put."""
    rig.site = works_from(2)
    make_run(rig)

    def put_and_log_in(_: Any) -> Session:
        rig.put_credential(cookies=session("put by hand").cookies)
        return session()

    rig.log_in = put_and_log_in

    assert rig.crawl().state is COMPLETED
    sealed, credential = rig.stored_credential()
    assert (sealed.version, credential.cookies) == (2, session("put by hand").cookies)


def test_credential_that_was_removed_is_not_brought_back(rig: CrawlRig, store: Store) -> None:
    """The page waits for one of that name."""
    rig.site = works_from(2)
    make_run(rig)
    rig.taped.before[RenewCredential] = lambda: rig.manager.ask(RemoveCredential(auth_id="wiki"))

    job = rig.crawl()

    assert (job.state, reason(job)) == (WAITING, "credential_needed")
    assert rig.manager.ask(GetCredential(auth_id="wiki")) is None


def test_refresh_during_a_login_does_not_lose_it(rig: CrawlRig) -> None:
    """It is sealed once more for the version after."""
    rig.site = works_from(2)
    make_run(rig)
    tries: list[int] = []

    def refresh_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            rig.refresh_credential()

    rig.taped.before[RenewCredential] = refresh_once

    assert rig.crawl().state is COMPLETED
    assert rig.stored_credential()[0].version == 3
    assert len(tries) == 2


def test_lease_lasts_as_long_as_the_keeper_may_take(rig: CrawlRig) -> None:
    """Or the page would be given to another crawler meanwhile."""
    rig.site = works_from(2)
    make_run(rig)

    rig.crawl()

    assert [message.lease_s > RENEWAL_TIMEOUT_S for message in sent(rig, RenewLeases)] == [True]


# A credential without a session, and policies


def test_credential_without_a_session_logs_in_before_its_first_page(rig: CrawlRig) -> None:
    """The browser does not go there without."""

    def answer(request: PageRequest) -> Answer:
        if request.credential is not None and request.credential.session == 1:
            return CredentialNeededError("credential 'wiki' has secrets and no session yet")
        return page(request.url, cookies=SESSION)

    rig.site = answer
    run_id = make_run(rig)

    job = rig.crawl()

    assert (job.state, job.attempts) == (COMPLETED, 1)
    assert len(rig.logins) == 1
    assert len(rig.documents(run_id)) == 1


@pytest.mark.parametrize(("policy", "state"), [("require", WAITING), ("degrade", COMPLETED)])
def test_credential_without_a_session_that_cannot_log_in(rig: CrawlRig, policy: str, state: State) -> None:
    """The page waits, or is read anonymously where that is allowed."""
    rig.site = lambda request: (
        page(request.url) if request.credential is None else CredentialNeededError("no session yet")
    )
    make_run(rig, login=(), auth_policy=policy)

    assert rig.crawl().state is state


def test_refused_page_that_may_do_without_a_session_fails(rig: CrawlRig) -> None:
    """It logs in all the same; where that is in vain in the end, the page fails instead of waiting."""
    rig.site = works_from(9)
    for _ in range(MAX_FAILED_LOGINS):
        rig.manager.ask(NoteFailedLogin(auth_id="wiki", put_version=1, reason="wrong password"))
    make_run(rig, auth_policy="degrade")

    job = rig.crawl()

    assert (job.state, reason(job)) == (FAILED, "login_failed")


def test_users_check_is_looked_for_in_every_page(rig: CrawlRig) -> None:
    """What the page shows of it is a refusal like any other."""
    check = SessionCheck(expired_text="over")
    rig.site = lambda request: page(request.url, cookies=SESSION, expired_signs=("expired_text",))
    make_run(rig, login=(), session_check=check)

    job = rig.crawl()

    assert (job.state, reason(job)) == (WAITING, "session_check")
    assert [request.session_check for request in rig.requests] == [check]


# What the browser is told


@pytest.mark.parametrize(
    ("snapshot", "told"),
    [
        ({}, [True]),
        ({"login_form": LOGIN_FORM}, [False]),
        ({"status": 401}, [False]),
        ({"status": 404}, []),
        ({"status": 500}, []),
        ({"session_state": 0}, []),
        ({"url": "https://elsewhere.example/", "was_redirected": True}, []),
    ],
)
def test_browser_is_told_what_a_page_says_of_its_cookies(
    rig: CrawlRig, snapshot: dict[str, Any], told: list[bool]
) -> None:
    """Content keeps them and a login page never does; of other pages nothing is known."""
    rig.site = lambda request: page(**{"url": request.url, "cookies": SESSION, "session_state": 7, **snapshot})
    make_run(rig, login=())

    rig.crawl()

    judged = sent(rig, JudgeSession)
    assert [message.is_good for message in judged] == told
    assert all((one.auth_id, one.session, one.state) == ("wiki", 1, 7) for one in judged)
