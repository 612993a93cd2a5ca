"""A session that has expired: who logs in again and when, what is read again, and what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from actor_rig import PATIENCE_S, Answer, failing, page
from crawl_rig import URL, CrawlRig

from bequest.actors.browser_messages import Fill
from bequest.actors.credential_messages import (
    GetCredential,
    NoteFailedLogin,
    ProveSession,
    RemoveCredential,
    RenewCredential,
)
from bequest.actors.messages import GetRunStatus, RenewLeases
from bequest.actors.query_messages import GetStallCause
from bequest.actors.session_messages import RENEWAL_TIMEOUT_S, JudgeSession, Renewed, RenewSession
from bequest.engine.cookies import Cookie
from bequest.engine.errors import (
    BrowserError,
    CredentialNeededError,
    DeadlineError,
    LoginFailedError,
    PageError,
    SealError,
)
from bequest.engine.login_steps import LoginStep
from bequest.engine.pages import CookieReport, LoginFormFacts, PageRequest, PageSnapshot
from bequest.engine.policies import MAX_FAILED_LOGINS
from bequest.engine.records import Job, State
from bequest.engine.secret import Secret
from bequest.engine.session_checks import SessionCheck
from bequest.engine.sessions import OriginHeader, Session
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

COMPLETED, FAILED, PENDING, WAITING = State.COMPLETED, State.FAILED, State.PENDING, State.WAITING
SESSION = CookieReport(offered=1, injected=1, confirmed=1)
LOGIN_FORM = LoginFormFacts(password_fields=1, text_fields=1, has_user_field=True, has_login_word=True)
STEPS = (
    LoginStep(goto=f"{URL}login"),
    LoginStep(fill="#password", secret="password"),
    LoginStep(click="button"),
    LoginStep(wait_for="#account"),
)
SECRETS = {"password": Secret("canary-of-a-password")}
HEADER = OriginHeader.bearer("https://wiki.example", token="canary-of-a-token")
CANARY_URL = f"{URL}me"
WITH_CANARY = SessionCheck(canary_url=CANARY_URL)


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls, with a credential that can log in."""
    made = CrawlRig(store, clock)
    made.put_credential(secrets=SECRETS, headers=(HEADER,))
    made.log_in = lambda _: session()
    yield made
    made.stop()


def session(value: str = "of a login", domain: str = "wiki.example") -> Session:
    """Return what a login leaves."""
    cookie = Cookie(name="sid", value=Secret(value), domain=domain, host_only=True)
    return Session(cookies=(cookie,), user_agent="Chromium")


def works_from(first: int, *, canary_from: int | None = None) -> Callable[[PageRequest], PageSnapshot]:
    """Return a site that refuses sessions older than that version, and at the canary perhaps others."""

    def answer(request: PageRequest) -> PageSnapshot:
        known = 0 if request.credential is None else request.credential.session
        needed = canary_from if canary_from is not None and request.url == CANARY_URL else first
        is_fine = known >= needed or request.is_trial
        return page(
            request.url,
            cookies=None if request.credential is None else SESSION,
            login_form=None if is_fine else LOGIN_FORM,
        )

    return answer


def make_run(rig: CrawlRig, *urls: str, **options: Any) -> int:
    """Make a run that can log in."""
    return rig.make_run(*urls, **{"auth_id": "wiki", "login": STEPS, **options})


def reason(job: Job) -> str | None:
    """Return the word for why it did not end well."""
    return None if job.error is None else job.error.type


def sent(rig: CrawlRig, kind: type[Any]) -> list[Any]:
    """Return what was sent of that kind."""
    return [message for message in rig.tape if isinstance(message, kind)]


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


# Logins in vain


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


# The canary


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


def wanted(**fields: Any) -> RenewSession:
    """Return a question to the keeper."""
    given = {"steps": STEPS, "check": None, "allow_private": False, "refused_at": 0.0, **fields}
    return RenewSession(auth_id="wiki", session=1, **given)
