"""What a caller holds: a run that can be waited for and read, and credentials that are sealed on the way in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from actor_rig import PATIENCE_S, TapedAddress, page
from crawl_rig import CANARY, URL, CrawlRig

from bequest.actors import handles
from bequest.actors.browser_messages import Login
from bequest.actors.credential_messages import GetCredential, PutCredential, RefreshCredential
from bequest.actors.handles import Credentials, Run
from bequest.actors.messages import ClaimJobs, UpdateJobStatus
from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.errors import (
    CredentialError,
    CredentialFormatError,
    CredentialNeededError,
    CredentialNotFoundError,
    DeadlineError,
    JobNotFoundError,
    KeyNeededError,
    SealError,
)
from bequest.engine.keys import Key
from bequest.engine.limits import KindTerms
from bequest.engine.records import Counts, State
from bequest.engine.run_status import RunStatus
from bequest.engine.secret import Secret
from bequest.engine.sessions import Session
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

KEY = Key(b"k" * 32)
DATABASE = "the database of this test"


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlRig]:
    """Give what crawls."""
    made = CrawlRig(store, clock)
    yield made
    made.stop()


def run_of(rig: CrawlRig, run_id: int) -> Run:
    return Run(run_id, rig.manager.address, rig.manager.address)


def session(auth_id: str = "wiki", expires: float | None = None, value: str = CANARY) -> Credential:
    cookie = Cookie(name="sid", value=Secret(value), domain="wiki.example", host_only=True, expires=expires)
    return Credential(auth_id=auth_id, sites=("wiki.example",), cookies=(cookie,))


def no_browser(message: Login) -> Session:
    raise AssertionError("no login was asked for")


# A run


def test_run_is_waited_for_until_it_ends(rig: CrawlRig) -> None:
    """The wait returns the state that the run ended in, and so does each wait after that."""
    run = run_of(rig, rig.make_run())
    states: list[State] = []
    waiter = threading.Thread(target=lambda: states.append(run.wait(PATIENCE_S)))
    waiter.start()

    rig.crawl()
    rig.manager.ask(UpdateJobStatus(job_id=run.id, state=State.COMPLETED))
    waiter.join()

    assert [*states, run.wait(), run.job().state, run.status().state] == [State.COMPLETED] * 4


def test_wait_for_a_run_that_goes_on_ends_at_its_deadline(rig: CrawlRig) -> None:
    """The deadline ends the wait and not the run."""
    run = run_of(rig, rig.make_run())

    with pytest.raises(DeadlineError):
        run.wait(0.001)

    assert run.status().pages.pending == 1


def test_stalled_run_says_what_it_needs(rig: CrawlRig) -> None:
    """When all that is unfinished waits for a credential the wait says what to do about it."""
    run = run_of(rig, rig.make_run(URL, f"{URL}a", auth_id="wiki"))
    rig.crawl_all()

    with pytest.raises(CredentialNeededError, match=r"run 1 is stalled: 2 pages wait .* `bequest auth add`") as said:
        run.wait()

    assert "(wiki: credential 'wiki' is not stored;" in str(said.value)


def test_progress_yields_each_picture_until_the_end(rig: CrawlRig) -> None:
    """What is there now comes first, and then every change, the last of them the end."""
    run = run_of(rig, rig.make_run(URL, f"{URL}a"))
    progress = run.progress(PATIENCE_S)
    seen = [next(progress)]

    for _ in range(2):
        rig.crawl()
        seen.append(next(progress))
    rig.manager.ask(UpdateJobStatus(job_id=run.id, state=State.COMPLETED))
    seen += progress

    assert [status.pages.completed for status in seen] == [0, 1, 2, 2]
    assert [status.state for status in seen] == [State.WAITING, State.WAITING, State.WAITING, State.COMPLETED]


def test_progress_of_a_stalled_run_ends(rig: CrawlRig) -> None:
    """A run that goes no further by itself is not watched for good."""
    run = run_of(rig, rig.make_run(auth_id="wiki"))
    rig.crawl()

    assert [status.is_stalled for status in run.progress()] == [True]


def test_change_is_waited_for_so_long(rig: CrawlRig) -> None:
    """A look at a run returns what changed, or what was seen when nothing did."""
    run = run_of(rig, rig.make_run(URL, f"{URL}a"))
    seen = run.status()

    unchanged = run.changed_since(seen, timeout_s=0.001)
    rig.crawl()
    changed = run.changed_since(seen, timeout_s=PATIENCE_S)

    assert unchanged == seen
    assert changed.pages == run.stats() == Counts(pending=1, completed=1)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5])
def test_documents_are_read_page_by_page(rig: CrawlRig, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """However many documents there are, each comes once, in the order that its page was found."""
    monkeypatch.setattr(handles, "PAGE_OF_DOCUMENTS", 2)
    urls = [f"{URL}{number}" for number in range(count)]
    run = run_of(rig, rig.make_run(*urls or [URL]))
    rig.site = lambda request: page(request.url, status=200 if urls else 404)
    rig.crawl_all()

    assert [document.url for document in run.documents()] == urls


def test_log_of_a_run_holds_that_of_its_pages(rig: CrawlRig) -> None:
    """All lines come in one order, each with the job that it is of."""
    run = run_of(rig, rig.make_run(URL, f"{URL}a"))
    rig.crawl_all()

    logs = run.logs()

    assert [entry.job_id for entry in logs] == [run.id + 1] * 2 + [run.id + 2] * 2
    assert {entry.message for entry in logs} == {"parent metadata read", "auth_id not found"}


def test_failures_of_a_run_are_counted_by_cause(rig: CrawlRig) -> None:
    """The most frequent cause comes first, with one of its messages."""
    run = run_of(rig, rig.make_run(*[f"{URL}{number}" for number in range(3)]))
    rig.site = lambda request: page(request.url, status=410 if request.url.endswith("1") else 404)
    rig.crawl_all()

    causes = run.failure_causes()

    assert [(cause.type, cause.count) for cause in causes] == [("http_404", 2), ("http_410", 1)]


def test_cancelled_run_starts_no_further_page(rig: CrawlRig) -> None:
    """Cancelling ends the run with all its pages, says how many jobs that were, and nothing is due any more (I10)."""
    run = run_of(rig, rig.make_run(URL, f"{URL}a"))

    assert run.cancel() == 3

    assert rig.manager.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=9, lease_s=9.0)) == []
    assert (run.wait(), run.cancel()) == (State.CANCELLED, 0)


@pytest.mark.parametrize("act", [Run.status, Run.stats, Run.job, Run.wait, Run.cancel], ids=lambda act: act.__name__)
def test_run_that_is_not_there_is_an_error(rig: CrawlRig, act: Any) -> None:
    """A number that is no job's is refused by each call that reads the row."""
    with pytest.raises(JobNotFoundError, match="job 77"):
        act(run_of(rig, 77))


# Credentials


@pytest.fixture
def credentials(rig: CrawlRig, clock: ManualClock) -> Credentials:
    """Give the credentials of a database with a key."""
    return Credentials(rig.manager.address, lambda: KEY, clock, DATABASE, no_browser)


def test_credential_comes_back_as_it_was_put(credentials: Credentials, rig: CrawlRig) -> None:
    """What was put is opened again with the same key, and between lies nothing in the clear (I16)."""
    credentials.put(session())

    assert credentials.get("wiki") == session()
    sealed = rig.manager.ask(GetCredential(auth_id="wiki"))
    assert CANARY.encode() not in sealed.ciphertext
    assert CANARY not in repr((sealed, credentials.list(), credentials.get("wiki")))


def test_credential_that_is_put_again_is_a_new_version(credentials: Credentials) -> None:
    """Each put is sealed for the next version, also after a removal."""
    credentials.put(session())
    credentials.put(session())
    credentials.remove("wiki")

    credentials.put(session())

    assert [(entry.auth_id, entry.version) for entry in credentials.list()] == [("wiki", 3)]


def test_credential_wakes_the_pages_that_waited_for_it(credentials: Credentials, rig: CrawlRig) -> None:
    """A put says how many pages are due again."""
    rig.make_run(URL, f"{URL}a", auth_id="wiki")
    rig.crawl_all()

    assert (credentials.put(session("other")), credentials.put(session())) == (0, 2)


def test_credential_that_is_not_there_is_none(credentials: Credentials) -> None:
    """Asked for, it is nothing; removed, it is an error."""
    assert credentials.get("wiki") is None
    with pytest.raises(CredentialNotFoundError):
        credentials.remove("wiki")


def test_credential_without_a_usable_cookie_is_refused(credentials: Credentials, clock: ManualClock) -> None:
    """A session that has expired is not kept, and what is stored stays."""
    credentials.put(session())

    with pytest.raises(CredentialFormatError, match="none of its 1 cookies can be used"):
        credentials.put(session(expires=clock.now() - 1.0))

    assert credentials.get("wiki") == session()


def test_two_who_put_at_once_do_not_overwrite_each_other(rig: CrawlRig, clock: ManualClock) -> None:
    """A credential that was changed between the look and the write is refused, and may be put again."""
    taped = TapedAddress(rig.manager.address, [])
    slow = Credentials(taped, lambda: KEY, clock, DATABASE, no_browser)
    taped.before[PutCredential] = lambda: Credentials(
        rig.manager.address, lambda: KEY, clock, DATABASE, no_browser
    ).put(session())

    with pytest.raises(CredentialError, match="sealed as version 1, found version 1 stored"):
        slow.put(session())

    del taped.before[PutCredential]
    slow.put(session())
    assert [entry.version for entry in slow.list()] == [2]


def test_session_is_put_also_while_its_site_refreshes_it(rig: CrawlRig, clock: ManualClock) -> None:
    """A refresh between the look and the write is of the session that is to be replaced."""
    taped = TapedAddress(rig.manager.address, [])
    slow = Credentials(taped, lambda: KEY, clock, DATABASE, no_browser)
    slow.put(session())

    def refresh() -> None:
        del taped.before[PutCredential]
        sealed = slow.vault().seal(session(), version=2, now=clock.now())
        rig.manager.ask(RefreshCredential(sealed=msgspec.structs.replace(sealed, put_version=1)))

    taped.before[PutCredential] = refresh
    slow.put(session(value="newer"))

    assert slow.get("wiki") == session(value="newer")
    assert [entry.version for entry in slow.list()] == [3]


def test_without_a_key_nothing_is_stored_or_opened(rig: CrawlRig, clock: ManualClock, credentials: Credentials) -> None:
    """An engine without a key lists what is stored and removes it, and refuses the rest."""
    keyless = Credentials(rig.manager.address, None, clock, DATABASE, no_browser)
    credentials.put(session())

    for act in (lambda: keyless.put(session()), lambda: keyless.get("wiki"), keyless.vault):
        with pytest.raises(KeyNeededError, match="pass key=KeyFile"):
            act()

    assert [entry.version for entry in keyless.list()] == [1]
    keyless.remove("wiki")
    assert keyless.list() == []


def test_another_key_opens_nothing(rig: CrawlRig, clock: ManualClock, credentials: Credentials) -> None:
    """A credential that another key sealed is an error that names both."""
    credentials.put(session())
    other = Credentials(rig.manager.address, lambda: Key(b"o" * 32), clock, DATABASE, no_browser)

    with pytest.raises(SealError, match="was sealed with key"):
        other.get("wiki")


def test_key_is_asked_for_when_it_is_needed(rig: CrawlRig, clock: ManualClock) -> None:
    """A key that is fetched from elsewhere is not fetched for what needs none."""
    asked: list[int] = []

    def key() -> Key:
        asked.append(1)
        return KEY

    lazy = Credentials(rig.manager.address, key, clock, DATABASE, no_browser)
    lazy.list()
    before = len(asked)
    lazy.put(session())

    assert (before, len(asked)) == (0, 1)


def test_picture_of_a_run_is_settled_when_it_goes_no_further() -> None:
    """An end and a stall are, and nothing else is."""
    pictures = [RunStatus(job_id=1, state=state, pages=Counts()) for state in State]
    stalled = RunStatus(job_id=1, state=State.WAITING, pages=Counts(waiting=1), is_stalled=True)

    assert [picture.state for picture in (*pictures, stalled) if picture.is_settled] == [
        State.COMPLETED,
        State.FAILED,
        State.CANCELLED,
        State.WAITING,
    ]
