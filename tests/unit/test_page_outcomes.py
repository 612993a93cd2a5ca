"""What becomes of a page: stored, tried again, failed or waiting, and which pages its links make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from actor_rig import failing, page
from crawl_rig import LEASE_S, URL, CrawlRig

from bequest.actors.browser_messages import ANSWER_SLACK_S
from bequest.actors.credential_messages import GetCredential
from bequest.actors.messages import CancelRun, CreateJob, GetDefinition, GetParentMetadata, RenewLeases, SpawnChildren
from bequest.engine.errors import (
    BequestError,
    BrowserError,
    BrowserNotFoundError,
    CommitInDoubtError,
    DeadlineError,
    DefinitionError,
    EngineError,
    EngineFailedError,
    EngineStoppedError,
    PageError,
    StoreError,
)
from bequest.engine.pages import CookieReport, LoginFormFacts
from bequest.engine.policies import retry_at
from bequest.engine.records import NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

SESSION = CookieReport(offered=1, injected=1, confirmed=1)
LOGIN_FORM = LoginFormFacts(password_fields=1, text_fields=1, has_user_field=True, has_login_word=True)
COMPLETED, FAILED, PENDING, WAITING = State.COMPLETED, State.FAILED, State.PENDING, State.WAITING


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls."""
    made = CrawlRig(store, clock)
    yield made
    made.stop()


def error_type(rig: CrawlRig, job_id: int) -> str | None:
    error = rig.job(job_id).error
    return None if error is None else error.type


# By what the browser answers


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (page(URL), COMPLETED, None),
        (page(URL, status=204), COMPLETED, None),
        (page(URL, status=304), FAILED, "http_304"),
        (page(URL, status=400), FAILED, "http_400"),
        (page(URL, status=401), FAILED, "http_401"),
        (page(URL, status=403), FAILED, "http_403"),
        (page(URL, status=404), FAILED, "http_404"),
        (page(URL, status=408), PENDING, "http_408"),
        (page(URL, status=410), FAILED, "http_410"),
        (page(URL, status=429), PENDING, "http_429"),
        (page(URL, status=500), PENDING, "http_500"),
        (page(URL, status=503), PENDING, "http_503"),
        (page(f"{URL}login", was_redirected=True), FAILED, "login_redirect"),
        (page(f"{URL}login"), COMPLETED, None),
        (page(URL, login_form=LOGIN_FORM), FAILED, "login_form"),
        (page(f"{URL}other", was_redirected=True), COMPLETED, None),
        (page("https://elsewhere.example/", was_redirected=True), FAILED, "left_scope"),
        (PageError("slow", reason="timeout"), PENDING, "timeout"),
        (PageError("no such host", reason="dns", is_transient=False), FAILED, "dns"),
        (PageError("private", reason="egress", is_transient=False), FAILED, "egress"),
        (BrowserError("it fell over"), PENDING, "BrowserError"),
        (BrowserNotFoundError(), PENDING, "BrowserNotFoundError"),
        (EngineError("crashed on this call"), PENDING, "EngineError"),
        (DeadlineError(), PENDING, "DeadlineError"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_page_becomes_what_its_answer_says(rig: CrawlRig, answer: Any, state: State, reason: str | None) -> None:
    """Only content is stored; 408, 429, 5xx and what may pass are tried again; the rest fails at once."""
    run_id = rig.make_run()
    rig.site = lambda _request: answer

    job = rig.crawl()

    assert (job.state, error_type(rig, job.id), job.attempts) == (state, reason, 1)
    assert len(rig.documents(run_id)) == (state is COMPLETED)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(URL, status=401, cookies=SESSION), "http_401"),
        (page(URL, status=403, cookies=SESSION), "http_403"),
        (page(f"{URL}login", was_redirected=True, cookies=SESSION), "login_redirect"),
        (page(URL, login_form=LOGIN_FORM, cookies=SESSION), "login_form"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.parametrize(("policy", "state"), [("require", WAITING), ("degrade", FAILED)])
def test_session_that_is_not_accepted(rig: CrawlRig, answer: Any, reason: str, policy: Any, state: State) -> None:
    """A page that shows no session waits for a better one and spends no attempt, or fails where none is needed."""
    rig.put_credential()
    run_id = rig.make_run(auth_id="wiki", auth_policy=policy)
    rig.site = lambda _request: answer

    job = rig.crawl()

    assert (job.state, error_type(rig, job.id)) == (state, reason)
    assert job.attempts == (0 if state is WAITING else 1)
    assert rig.documents(run_id) == []


def test_forbidden_page_fails_once_the_session_has_worked(rig: CrawlRig) -> None:
    """After a page was stored a 403 is that page's own, and must not stall the run."""
    rig.put_credential()
    rig.make_run(URL, f"{URL}secret", auth_id="wiki")
    rig.site = lambda request: page(request.url, status=403 if "secret" in request.url else 200, cookies=SESSION)

    assert [job.state for job in rig.crawl_all()] == [COMPLETED, FAILED]


# Attempts


def test_retries_back_off_and_end(rig: CrawlRig, clock: ManualClock) -> None:
    """A page that keeps failing is tried so often as the definition says, each time later, and then fails (I5)."""
    rig.make_run(max_attempts=3)
    rig.site = lambda request: page(request.url, status=503)
    waits = []

    for attempt in (1, 2):
        job = rig.crawl()
        waits.append(job.run_at - clock.now())
        assert (job.state, job.run_at) == (PENDING, retry_at(clock.now(), attempt, jitter=0.0))
        assert rig.crawl_all() == []
        clock.advance(waits[-1])
    last = rig.crawl()
    clock.advance(1e6)

    assert 0 < waits[0] < waits[1]
    assert (last.state, last.attempts, error_type(rig, last.id)) == (FAILED, 3, "http_503")
    assert (rig.crawl_all(), len(rig.requests)) == ([], 3)


def test_page_that_recovers_is_stored(rig: CrawlRig, clock: ManualClock) -> None:
    """A failure that passes leaves no trace but the attempt."""
    rig.make_run()
    answers: Iterator[Any] = iter([PageError("slow", reason="timeout"), page(URL)])
    rig.site = lambda _request: next(answers)
    rig.crawl()
    clock.advance(60.0)

    job = rig.crawl()

    assert (job.state, job.attempts, job.error) == (COMPLETED, 2, None)


@pytest.mark.parametrize("step", [GetParentMetadata, GetDefinition, GetCredential])
@pytest.mark.parametrize("error", [StoreError("disk full"), CommitInDoubtError(), DeadlineError()])
def test_database_that_fails_is_not_the_pages_fault(rig: CrawlRig, step: type[Any], error: BequestError) -> None:
    """What cannot be read now may be read later: the page is tried again, and not failed for good."""
    rig.put_credential()
    rig.make_run(auth_id="wiki")
    rig.taped.before[step] = failing(error)

    job = rig.crawl()

    assert (job.state, error_type(rig, job.id), rig.requests) == (PENDING, type(error).__name__, [])


def test_definition_that_cannot_be_read_fails_the_page(rig: CrawlRig) -> None:
    """A page without the rules that it is to be read by is not fetched by others."""
    rig.make_run()
    rig.taped.before[GetDefinition] = failing(DefinitionError("unknown key"))

    job = rig.crawl()

    assert (job.state, error_type(rig, job.id), rig.requests) == (FAILED, "DefinitionError", [])


def test_bug_while_a_page_is_read_is_tried_again(rig: CrawlRig, caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody expected is logged with its cause, and its name alone goes to the job."""
    rig.make_run()
    rig.taped.before[GetParentMetadata] = failing(ZeroDivisionError("with a secret in it"))

    job = rig.crawl()

    assert job.error is not None
    assert (job.state, job.error.type, job.error.message) == (PENDING, "internal", "unexpected ZeroDivisionError")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "a page crawl failed unexpectedly"
    ]


@pytest.mark.parametrize("config", [{"url": URL}, {"url": URL, "depth": "deep"}, None])
def test_page_with_a_broken_config_ends(rig: CrawlRig, config: object) -> None:
    """A page job that somebody else made, and made wrong, is failed like any other bug."""
    rig.make_run()
    rig.crawl()
    parent = rig.manager.ask(CreateJob(job=NewJob(kind="crawl", state=WAITING))).job_id
    rig.manager.ask(
        SpawnChildren(parent_id=parent, jobs=(NewJob(kind="page", queue="crawl", config=config),), seal=True)
    )

    assert rig.crawl().state is FAILED


def test_page_without_a_parent_fails(rig: CrawlRig) -> None:
    """There is nothing that it could inherit, and so nothing that it could be."""
    rig.manager.ask(CreateJob(job=NewJob(kind="page", queue="crawl", config={"url": URL, "depth": 0}, max_attempts=4)))

    job = rig.crawl()

    assert job.error is not None
    assert job.state is FAILED
    assert "page job 1 has no parent to inherit from" in job.error.message


@pytest.mark.parametrize("error", [EngineStoppedError(), EngineFailedError("the browser crashed 5 times")])
def test_page_that_is_cut_short_has_no_outcome(rig: CrawlRig, error: EngineError) -> None:
    """When the engine stops or fails in the middle of a page nothing is said of it: its lease is given back."""
    rig.make_run()
    rig.site = lambda _request: error

    with pytest.raises(type(error)):
        rig.pages.crawl(rig.claim())


# The lease


@pytest.mark.parametrize(("timeout_s", "renewed_s"), [(60.0, None), (61.0, 181.0), (600.0, 720.0)])
def test_lease_lasts_as_long_as_the_page_may_take(
    rig: CrawlRig, clock: ManualClock, timeout_s: float, renewed_s: float | None
) -> None:
    """A lease that could end before the browser must have answered is renewed first, and no other is."""
    rig.make_run(page_timeout_s=timeout_s)
    lease = rig.claim()

    rig.pages.crawl(lease)

    renewals = [message.lease_s for message in rig.tape if isinstance(message, RenewLeases)]
    assert renewals == ([] if renewed_s is None else [renewed_s])
    assert rig.job(lease.job_id).lease_until == clock.now() + (renewed_s or LEASE_S)
    assert timeout_s + ANSWER_SLACK_S < (renewed_s or LEASE_S)


def test_page_whose_lease_is_lost_is_not_fetched(rig: CrawlRig) -> None:
    """Where the renewal finds the lease lost the page is left to whoever holds it (I3, I4)."""
    run_id = rig.make_run(page_timeout_s=600.0)
    lease = rig.claim()
    rig.manager.ask(CancelRun(job_id=run_id))

    completion = rig.pages.crawl(lease)

    assert rig.requests == []
    assert completion.error is not None
    assert completion.error.type == "LeaseLostError"
    assert rig.report(completion) == [lease.job_id]
    assert rig.job(lease.job_id).state is State.CANCELLED


# Links


def test_links_become_pages_of_the_run(rig: CrawlRig) -> None:
    """Each link in scope is a page, once, with where it was found; what leads out, or to a logout, is not."""
    run_id = rig.make_run()
    links = ("/a", "/a#part", "b", "/a", "https://elsewhere.example/", "/logout", "mailto:a@b.example", "/")
    rig.site = lambda request: page(request.url, *links)

    first = rig.crawl()

    assert rig.urls(run_id) == [URL, f"{URL}a", f"{URL}b"]
    assert rig.job(first.id + 1).metadata["discovered_by"] == first.id
    assert rig.job(first.id + 1).definition_id == rig.job(run_id).definition_id


def test_pages_that_link_to_each_other_are_read_once(rig: CrawlRig) -> None:
    """However often a URL is found, and in whatever spelling, the run has one page of it (I15)."""
    run_id = rig.make_run()
    rig.site = lambda request: page(request.url, "/", "/a", "/b", "/a?", "https://WIKI.example:443/b")

    rig.crawl_all()

    assert len(rig.requests) == len(set(rig.urls(run_id))) == len(rig.urls(run_id)) == 3


@pytest.mark.parametrize(("max_depth", "pages"), [(0, 1), (1, 2), (2, 3)])
def test_links_are_followed_so_deep(rig: CrawlRig, max_depth: int, pages: int) -> None:
    """A seed is at depth 0, and links are followed as deep as the definition says."""
    run_id = rig.make_run(max_depth=max_depth)
    rig.site = lambda request: page(request.url, f"{request.url.rstrip('/')}/x")

    rig.crawl_all()

    assert [document.depth for document in rig.documents(run_id)] == list(range(pages))


def test_patterns_choose_links(rig: CrawlRig) -> None:
    """A link must match what is included and nothing that is excluded."""
    run_id = rig.make_run(include=["/wiki/"], exclude=["secret"])
    rig.site = lambda request: page(request.url, "/wiki/a", "/blog/a", "/wiki/secret")

    rig.crawl_all()

    assert rig.urls(run_id) == [URL, f"{URL}wiki/a"]


@pytest.mark.parametrize("seeds", [1, 3, 9])
def test_pages_of_a_run_are_exactly_its_maximum(rig: CrawlRig, seeds: int) -> None:
    """A site with more than enough pages gives exactly so many as were asked for, seeds among them (I14)."""
    run_id = rig.make_run(*[f"{URL}{number}" for number in range(seeds)], max_pages=7, max_depth=9)
    rig.site = lambda request: page(request.url, *[f"{request.url}/{number}" for number in range(5)])

    rig.crawl_all()

    assert len(rig.requests) == len(rig.documents(run_id)) == len(rig.urls(run_id)) == 7


def test_failed_page_has_no_links(rig: CrawlRig) -> None:
    """What an error page links to is not part of the site."""
    run_id = rig.make_run()
    rig.site = lambda request: page(request.url, "/a", "/b", status=404)

    rig.crawl_all()

    assert rig.urls(run_id) == [URL]
