"""The crawler around the pages: it takes what it is assigned, reports once, and gives back what it cannot finish."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pykka
import pytest
from actor_rig import PATIENCE_S, Watch, answer_of, failing, page
from crawl_rig import URL, CrawlRig

from bequest.actors.address import Address
from bequest.actors.asking import Ask, Reply
from bequest.actors.child_crawler import LEASE_S, ChildCrawlerActor
from bequest.actors.messages import ClaimJobs, GetParentMetadata
from bequest.actors.page_visit import CrawlAddresses
from bequest.actors.standing_messages import Assigned, AwaitChange, WantJobs
from bequest.engine.errors import EngineError, EngineFailedError, EngineStoppedError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Counts, State
from bequest.engine.run_status import RunStatus
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock


class CrawlerRig(CrawlRig):
    """A crawler that works by itself."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(store, clock)
        self.watch = Watch()
        self.ref: pykka.ActorRef[ChildCrawlerActor] | None = None

    def start(self) -> pykka.ActorRef[ChildCrawlerActor]:
        """Start the crawler."""
        self.ref = ChildCrawlerActor.start(
            self.watch,
            CrawlAddresses(self.taped, self.browser, Address("session keeper")),
            clock=self._clock,
            jitter=lambda: 0.0,
        )
        return self.ref

    def wait_for(self, run_id: int, **counts: int) -> RunStatus:
        """Wait until the pages of a run have come to *counts*."""
        status = RunStatus(job_id=run_id, state=State.COMPLETED, pages=Counts())
        while status.pages != Counts(**counts):
            status = self.manager.ask(AwaitChange(seen=status))
        return status

    def stop(self) -> None:
        """Stop all actors."""
        if self.ref is not None:
            self.ref.stop(timeout=PATIENCE_S)
        self.watch.join()
        super().stop()


@pytest.fixture
def rig(store: Store, clock: ManualClock) -> Iterator[CrawlerRig]:
    """Give what starts a crawler."""
    made = CrawlerRig(store, clock)
    yield made
    made.stop()


def test_crawler_reads_a_run_to_its_end(rig: CrawlerRig) -> None:
    """One page after the other, with what they link to, until none is due; each is reported with its document."""
    run_id = rig.make_run(URL, f"{URL}a")
    rig.site = lambda request: page(request.url, "/b", "/c")

    rig.start()

    rig.wait_for(run_id, completed=4)
    assert len(rig.documents(run_id)) == 4
    assert rig.manager.settled == [run_id]


def test_crawler_waits_for_work_without_asking_again(rig: CrawlerRig) -> None:
    """An idle crawler is parked, and gets the page that comes in the moment that it is there."""
    rig.start()
    run_id = rig.make_run()

    rig.wait_for(run_id, completed=1)

    wants = [message for message in rig.tape if isinstance(message, WantJobs)]
    assert [(want.terms[0].kind, want.limit, want.lease_s, len(want.completions)) for want in wants] == [
        ("page", 1, LEASE_S, 0),
        ("page", 1, LEASE_S, 1),
    ]


def test_crawler_that_lost_its_place_asks_again(rig: CrawlerRig) -> None:
    """A manager that ends tells those it had parked, and they ask the next one."""
    ref = rig.start()

    ref.tell(Assigned(leases=()))
    ref.stop(timeout=PATIENCE_S)

    assert [type(message) for message in rig.tape] == [WantJobs, WantJobs]


@pytest.mark.parametrize("error", [EngineStoppedError(), EngineFailedError("the browser crashed 5 times")])
def test_page_that_is_cut_short_is_given_back(rig: CrawlerRig, error: EngineError) -> None:
    """When the browser is gone the page is due again without an attempt spent, and the crawler ends with it (I5)."""
    run_id = rig.make_run()
    rig.site = lambda _request: error

    rig.start()

    assert rig.watch.wait_for_crash() is error
    rig.watch.join()
    job = rig.job(run_id + 1)
    assert (job.state, job.attempts, job.token) == (State.PENDING, 0, 1)


def test_page_that_is_assigned_to_a_crawler_that_ends_is_given_back(rig: CrawlerRig) -> None:
    """What lies in its inbox when it stops is not lost with it (I3)."""
    run_id = rig.make_run(URL, f"{URL}a")
    first, second = rig.manager.ask(ClaimJobs(queue="crawl", terms=(KindTerms(kind="page"),), limit=2, lease_s=60.0))
    ref = rig.start()

    def stop_behind() -> None:
        ref.stop(block=False)
        ref.tell(Assigned(leases=(second,)))

    rig.taped.before[GetParentMetadata] = stop_behind
    ref.tell(Assigned(leases=(first,)))
    rig.watch.join()

    assert [rig.job(run_id + number).state for number in (1, 2)] == [State.COMPLETED, State.PENDING]


def test_crash_gives_the_page_back(rig: CrawlerRig) -> None:
    """Whatever ends a crawler in the middle of a page, the page is due again at once (I3)."""
    run_id = rig.make_run()
    rig.taped.before[GetParentMetadata] = failing(SystemExit())

    rig.start()

    assert isinstance(rig.watch.wait_for_crash(), SystemExit)
    rig.watch.join()
    assert rig.job(run_id + 1).state is State.PENDING


def test_pages_that_were_done_before_the_end_are_reported(rig: CrawlerRig) -> None:
    """Of two pages in hand the one that was read is stored, and the one that was cut short is given back."""
    run_id = rig.make_run(URL, f"{URL}a")
    leases = rig.manager.ask(ClaimJobs(queue="crawl", terms=(KindTerms(kind="page"),), limit=2, lease_s=60.0))
    rig.site = lambda request: page(URL) if request.url == URL else EngineStoppedError()

    rig.start().tell(Assigned(leases=tuple(leases)))

    rig.watch.wait_for_crash()
    rig.watch.join()
    assert [rig.job(run_id + number).state for number in (1, 2)] == [State.COMPLETED, State.PENDING]


def test_crawler_that_finds_no_manager_is_started_again(rig: CrawlerRig) -> None:
    """One that cannot even say that it is free is lost to nobody: its supervisor hears of it."""
    rig.taped.before[WantJobs] = failing(EngineStoppedError("the manager is not running"))

    rig.start()

    assert isinstance(rig.watch.wait_for_crash(), EngineStoppedError)


def test_page_that_cannot_be_given_back_is_left_to_the_next_start(
    rig: CrawlerRig, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the manager is gone too the crawler ends all the same, with a note of what it held."""
    caplog.set_level(logging.DEBUG, "bequest.actors.child_crawler")
    run_id = rig.make_run()

    def cut_short() -> None:
        rig.manager.address.close()
        raise EngineStoppedError

    rig.taped.before[GetParentMetadata] = cut_short

    rig.start()
    rig.watch.wait_for_crash()
    rig.watch.join()

    assert [record.__dict__["jobs"] for record in caplog.records] == [[run_id + 1]]
    rig.manager.address.point_to(rig.manager.ref)


def test_crawler_refuses_what_it_does_not_know(rig: CrawlerRig) -> None:
    """Another message is refused, and pages are read all the same."""
    ref = rig.start()
    reply = Reply()

    ref.tell("hello")
    ref.tell(Ask("hello", reply))

    assert isinstance(answer_of(reply), EngineError)
    rig.wait_for(rig.make_run(), completed=1)


def test_idle_crawler_ends_at_once(rig: CrawlerRig) -> None:
    """Nothing is given back that was not held."""
    ref = rig.start()

    ref.stop(timeout=PATIENCE_S)

    assert [type(message) for message in rig.tape] == [WantJobs]
