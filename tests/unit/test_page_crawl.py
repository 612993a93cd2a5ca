"""One page, from its lease to what it leaves: which session it uses, what is stored, and what is written down."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from actor_rig import page
from crawl_rig import CANARY, URL, CrawlRig

from bequest.actors.credential_messages import RemoveCredential
from bequest.actors.messages import CreateJob, GetDefinition, SpawnChildren, UpdateJobStatus
from bequest.engine.errors import KeyNeededError, SealError, VaultError
from bequest.engine.pages import CookieReport, PageRequest, PageSnapshot
from bequest.engine.records import LogEntry, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

REPORT = CookieReport(offered=3, injected=2, confirmed=2, skipped=(("old", "it has expired"),))


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls."""
    made = CrawlRig(store, clock)
    yield made
    made.stop()


def behind_login(request: PageRequest) -> PageSnapshot:
    """Answer as a site that knows the session."""
    return page(request.url, cookies=None if request.credential is None else REPORT)


def line(entries: list[LogEntry], message: str) -> LogEntry:
    (found,) = [entry for entry in entries if entry.message == message]
    return found


def has_session(rig: CrawlRig) -> list[str | None]:
    """Return the credential that each request carried."""
    return [request.credential.auth_id if request.credential else None for request in rig.requests]


# The chain


def test_session_is_found_in_the_parents_metadata(rig: CrawlRig) -> None:
    """What the parent's metadata names goes to the browser, still sealed, and the log says where it was found."""
    rig.put_credential()
    rig.make_run(auth_id="wiki", labels={"team": "harbour"})
    rig.site = behind_login

    job = rig.crawl()

    log = rig.log(job.id)
    assert has_session(rig) == ["wiki"]
    assert [entry.message for entry in log] == ["parent metadata read", "auth_id found", "cookies injected"]
    assert line(log, "parent metadata read").fields == {
        "parent_id": 1,
        "keys": ["auth_id", "job_definition_id", "phase", "team"],
    }
    assert line(log, "auth_id found").fields == {"auth_id": "wiki", "source": "parent metadata"}


def test_session_is_found_in_the_definition_when_the_metadata_is_lost(rig: CrawlRig) -> None:
    """Without metadata the definition is asked, which the job's own column names."""
    rig.put_credential()
    rig.make_run(auth_id="wiki", with_metadata=False)
    rig.site = behind_login

    job = rig.crawl()

    assert has_session(rig) == ["wiki"]
    assert line(rig.log(job.id), "parent metadata read").fields["keys"] == []
    assert line(rig.log(job.id), "auth_id found").fields == {"auth_id": "wiki", "source": "definition"}


def test_page_without_a_session_is_fetched_anonymously(rig: CrawlRig) -> None:
    """Where neither names a session the log says so, and the document says that it was fetched without one."""
    run_id = rig.make_run()

    job = rig.crawl()

    assert has_session(rig) == [None]
    assert line(rig.log(job.id), "auth_id not found").fields == {"parent_id": run_id}
    assert [document.auth_id for document in rig.documents(run_id)] == [None]


@pytest.mark.parametrize("with_metadata", [True, False])
def test_replaced_session_reaches_pages_that_are_queued(rig: CrawlRig, with_metadata: bool) -> None:
    """A page reads its parent's metadata as it is now, not as it was when the page was made (I7)."""
    rig.put_credential("old")
    rig.put_credential("new")
    run_id = rig.make_run(auth_id="old", with_metadata=with_metadata)
    rig.inherit(run_id, auth_id="new")
    rig.site = behind_login

    job = rig.crawl()

    assert has_session(rig) == ["new"]
    assert job.metadata.get("auth_id") == ("old" if with_metadata else None)


def test_renewed_session_reaches_pages_that_are_queued(rig: CrawlRig) -> None:
    """A credential that was put again under its name is used in its newest version."""
    rig.put_credential()
    rig.make_run(auth_id="wiki")
    rig.put_credential()
    rig.site = behind_login

    rig.crawl()

    assert [request.credential.version for request in rig.requests if request.credential] == [2]


def test_page_of_a_parent_without_a_definition_is_a_run_of_its_own(rig: CrawlRig) -> None:
    """Such a page is fetched as it stands, with the session that the metadata names, and its links are not followed."""
    rig.put_credential()
    parent = NewJob(kind="crawl", state=State.WAITING, metadata={"auth_id": "wiki"})
    run_id = rig.manager.ask(CreateJob(job=parent)).job_id
    only = NewJob(kind="page", queue="crawl", key="a", config={"url": URL, "depth": 0})
    rig.manager.ask(SpawnChildren(parent_id=run_id, jobs=(only,), seal=True))
    rig.site = lambda request: page(request.url, "/next", cookies=REPORT)

    job = rig.crawl()

    assert (job.state, has_session(rig), rig.urls(run_id)) == (State.COMPLETED, ["wiki"], [URL])


def test_definition_is_asked_for_once(rig: CrawlRig) -> None:
    """Stored definitions never change, so a crawler asks for each of them once."""
    rig.make_run(URL, f"{URL}a", f"{URL}b")

    rig.crawl_all()

    assert sum(isinstance(message, GetDefinition) for message in rig.tape) == 1


# What the log says, and what it does not


def test_log_counts_cookies_and_names_those_that_were_skipped(rig: CrawlRig) -> None:
    """Offered, injected, skipped with the reason, and confirmed: counts and names."""
    rig.put_credential()
    rig.make_run(auth_id="wiki")
    rig.site = behind_login

    job = rig.crawl()

    assert line(rig.log(job.id), "cookies injected").fields == {
        "auth_id": "wiki",
        "offered": 3,
        "injected": 2,
        "confirmed": 2,
        "skipped": [{"name": "old", "reason": "it has expired"}],
    }


def test_log_counts_headers_and_storages(rig: CrawlRig) -> None:
    """A session with more than cookies says how much more; one without says nothing of it."""
    rig.put_credential()
    rig.make_run(auth_id="wiki")
    rig.site = lambda request: page(request.url, cookies=CookieReport(headers=2, storages=1))

    job = rig.crawl()

    fields = line(rig.log(job.id), "headers and storages ready").fields
    assert fields == {"auth_id": "wiki", "headers": 2, "storages": 1}


def test_log_says_that_a_session_is_not_for_this_host(rig: CrawlRig) -> None:
    """Where the credential does not cover the page's host it is not used, and no document claims that it was."""
    rig.put_credential(site="other.example")
    run_id = rig.make_run(auth_id="wiki")

    job = rig.crawl()

    warning = line(rig.log(job.id), "credential not used: the host is none of its sites")
    assert (warning.level, warning.fields) == ("WARNING", {"auth_id": "wiki"})
    assert [document.auth_id for document in rig.documents(run_id)] == [None]


def test_values_are_written_nowhere(rig: CrawlRig, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the program's log nor the job's holds a cookie's value, whatever becomes of the page (I16)."""
    caplog.set_level(logging.DEBUG, "bequest")
    rig.put_credential()
    rig.make_run(URL, f"{URL}a", f"{URL}b", auth_id="wiki")
    answers: Iterator[Any] = iter(
        [page(URL, cookies=REPORT), page(URL, status=401, cookies=REPORT), SealError("another key sealed it")]
    )
    rig.site = lambda _request: next(answers)

    jobs = rig.crawl_all()

    written = repr([vars(record) for record in caplog.records]) + repr([rig.log(job.id) for job in jobs])
    assert len(jobs) == 3
    assert "cookies injected" in written
    assert CANARY not in written


def test_reason_is_logged_beside_a_page_that_is_not_stored(rig: CrawlRig) -> None:
    """Why there is no document stands in the page's log and in its job, in the same words."""
    rig.make_run()
    rig.site = lambda request: page(request.url, status=404)

    job = rig.crawl()

    assert job.error is not None
    assert line(rig.log(job.id), "page not stored").fields == {
        "error": "http_404",
        "cause": "wiki.example/ answered with status 404",
    }
    assert (job.error.type, job.error.message) == ("http_404", "wiki.example/ answered with status 404")


# A session that cannot be had


def test_required_session_that_is_not_stored_is_waited_for(rig: CrawlRig) -> None:
    """The page is not fetched: it waits for the credential, and the attempt does not count (I5)."""
    rig.make_run(auth_id="wiki")

    job = rig.crawl()

    assert rig.requests == []
    assert (job.state, job.waits_for, job.attempts) == (State.WAITING, "wiki", 0)
    assert job.error is not None
    assert (job.error.type, "bequest auth add wiki FILE" in job.error.message) == ("credential_needed", True)
    assert line(rig.log(job.id), "credential not found").fields == {"auth_id": "wiki"}


def test_page_that_waits_goes_on_when_the_session_is_there(rig: CrawlRig) -> None:
    """Once the credential is put the page is due again, and is fetched with it."""
    rig.make_run(auth_id="wiki")
    rig.site = behind_login
    rig.crawl()

    rig.put_credential()
    job = rig.crawl()

    assert (job.state, job.attempts, has_session(rig)) == (State.COMPLETED, 1, ["wiki"])


def test_session_that_is_wanted_by_metadata_alone_is_required(rig: CrawlRig) -> None:
    """A run that was given a session later does not store login pages without it either."""
    run_id = rig.make_run()
    rig.inherit(run_id, auth_id="wiki")

    assert rig.crawl().state is State.WAITING


def test_session_that_is_not_required_is_done_without(rig: CrawlRig) -> None:
    """Under ``degrade`` the page is fetched anonymously, with a warning in its log."""
    run_id = rig.make_run(auth_id="wiki", auth_policy="degrade")

    job = rig.crawl()

    assert (job.state, has_session(rig)) == (State.COMPLETED, [None])
    assert line(rig.log(job.id), "credential not found").level == "WARNING"
    assert [document.auth_id for document in rig.documents(run_id)] == [None]


@pytest.mark.parametrize("error", [SealError("another key sealed it"), KeyNeededError()])
def test_required_session_that_does_not_open_is_waited_for(rig: CrawlRig, error: VaultError) -> None:
    """A seal that does not open is not the page's fault; it waits for a newer version than the one that was tried."""
    rig.put_credential()
    rig.make_run(auth_id="wiki")
    rig.site = lambda request: error if request.credential else page(request.url)

    job = rig.crawl()
    stays = rig.crawl_all()
    rig.put_credential()
    rig.site = behind_login

    assert (job.state, job.waits_for, job.attempts) == (State.WAITING, "wiki", 0)
    assert job.error is not None
    assert (job.error.type, job.error.message) == ("seal", str(error))
    assert stays == []
    assert rig.crawl().state is State.COMPLETED


def test_session_that_does_not_open_and_is_not_required_is_done_without(rig: CrawlRig) -> None:
    """Under ``degrade`` a seal that does not open is warned of, and the page is fetched anonymously."""
    rig.put_credential()
    run_id = rig.make_run(auth_id="wiki", auth_policy="degrade")
    rig.site = lambda request: SealError("another key sealed it") if request.credential else page(request.url)

    job = rig.crawl()

    assert (job.state, has_session(rig)) == (State.COMPLETED, ["wiki", None])
    assert line(rig.log(job.id), "credential not opened").fields == {"auth_id": "wiki"}
    assert [document.auth_id for document in rig.documents(run_id)] == [None]


def test_session_that_was_put_right_meanwhile_is_tried_at_once(rig: CrawlRig) -> None:
    """A page that finds its session refused does not wait when a newer one was put while it was tried."""
    rig.put_credential()
    rig.make_run(auth_id="wiki")
    lease = rig.claim()
    rig.site = lambda request: page(request.url, status=401, cookies=REPORT)
    completion = rig.pages.crawl(lease)
    rig.put_credential()

    rig.report(completion)

    job = rig.job(lease.job_id)
    assert (job.state, job.waits_for, job.attempts) == (State.PENDING, None, 0)


def test_session_that_was_removed_is_waited_for(rig: CrawlRig) -> None:
    """A credential that is gone when the page comes to it is as one that never was."""
    rig.put_credential()
    rig.make_run(auth_id="wiki")
    rig.manager.ask(RemoveCredential(auth_id="wiki"))

    assert rig.crawl().state is State.WAITING


# The document


def test_document_holds_what_the_page_showed(rig: CrawlRig, clock: ManualClock) -> None:
    """Title, Markdown, status and time are stored with the place that the page was found at in the end."""
    rig.put_credential()
    run_id = rig.make_run(auth_id="wiki")
    html = "<title> A page </title><h1>Hello</h1><p>Some text.</p>"
    rig.site = lambda request: page(f"{request.url}home", html=html, was_redirected=True, cookies=REPORT, status=203)

    job = rig.crawl()

    (document,) = rig.documents(run_id)
    assert (document.job_id, document.url, document.status, document.depth) == (job.id, f"{URL}home", 203, 0)
    assert (document.title, document.auth_id, document.fetched_at) == ("A page", "wiki", clock.now())
    assert "# Hello" in document.markdown
    assert "Some text." in document.markdown
    assert document.metadata["discovered_by"] == "definition"


def test_half_of_a_surrogate_pair_is_stored_as_text(rig: CrawlRig) -> None:
    """What a page's script writes into its title may be no text that UTF-8 holds; the page is stored all the same."""
    run_id = rig.make_run()
    rig.site = lambda request: page(request.url, html="<title>half \ud83d pair</title><p>Text \udc00 here.</p>")

    job = rig.crawl()

    assert job.state is State.COMPLETED, job.error
    (document,) = rig.documents(run_id)
    document.title.encode()
    document.markdown.encode()


def test_two_pages_that_lead_to_one_leave_one_document(rig: CrawlRig) -> None:
    """Of two URLs that redirect to the same page both are completed, and the page is kept once (I15)."""
    run_id = rig.make_run(f"{URL}a", f"{URL}b")
    rig.site = lambda _request: page(f"{URL}same", was_redirected=True)

    jobs = rig.crawl_all()

    assert [job.state for job in jobs] == [State.COMPLETED] * 2
    assert len(rig.documents(run_id)) == 1


def test_stale_result_is_refused_with_all_that_came_with_it(rig: CrawlRig, clock: ManualClock) -> None:
    """A page that was cancelled while it was fetched leaves no document, no link and no log line (I4)."""
    run_id = rig.make_run()
    rig.site = lambda request: page(request.url, "/next")
    lease = rig.claim()
    completion = rig.pages.crawl(lease)
    rig.manager.ask(UpdateJobStatus(job_id=run_id, state=State.CANCELLED))

    lost = rig.report(completion)

    assert lost == [lease.job_id]
    assert (rig.documents(run_id), rig.log(run_id), len(rig.urls(run_id))) == ([], [], 1)


def test_page_request_is_as_the_definition_says(rig: CrawlRig) -> None:
    """Timeout and egress are the definition's, and the URL is as it was found."""
    rig.make_run(f"{URL}?b=2&a=1", page_timeout_s=12.5, allow_private=True)

    rig.crawl()

    (request,) = rig.requests
    assert msgspec.to_builtins(request) == {
        "url": f"{URL}?b=2&a=1",
        "credential": None,
        "allow_private": True,
        "timeout_s": 12.5,
        "session_check": None,
        "is_trial": False,
    }
