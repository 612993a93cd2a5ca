"""Owns the crawl of one page at a time: lease, metadata, credential, browser, document, links; one report in the end.

It asks the manager for what the page inherits, never a message for it, so it reads what was acknowledged last (I7).
What it finds travels in one completion, which the manager writes in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..engine.clock import Clock
from ..engine.crawl_jobs import PAGE
from ..engine.errors import BequestError, EngineFailedError, EngineStoppedError
from ..engine.limits import KindTerms
from ..engine.records import Completion, Lease, LeaseRef
from ..engine.steps import CRAWL
from .messages import CompleteJobs, ReleaseLeases
from .page_crawl import PageCrawl
from .page_visit import CrawlAddresses
from .standing_messages import Assigned, WantJobs
from .supervised import Overseer, SupervisedActor
from .working import Working

logger = logging.getLogger(__name__)

PAGES = (KindTerms(kind=PAGE),)
LEASE_S = 180.0  # a longer page renews it before it is fetched


class ChildCrawlerActor(SupervisedActor):
    """Is told ``Assigned`` by the manager; *jitter* draws from [0, 1) for the waits between attempts."""

    def __init__(
        self,
        overseer: Overseer,
        addresses: CrawlAddresses,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        working: Working | None = None,
    ) -> None:
        super().__init__(overseer)
        self._working = working or Working()
        self._manager = addresses.manager
        self._crawl = PageCrawl(addresses, clock=clock, jitter=jitter, lease_s=LEASE_S)
        self._held: list[Lease] = []
        self._taken: tuple[Lease, ...] = ()  # when it was last told of some

    def begin(self) -> None:
        """Say that it is free."""
        self._want()

    def receive(self, message: object) -> None:
        """Crawl what was assigned."""
        match message:
            case Assigned(leases=leases):
                self._taken = leases
                self._held = list(leases)
                self._working.begin(self._working.threads.current())
                try:
                    self._work()
                finally:
                    self._working.end(self._working.threads.current())
            case _:
                self.refuse_unknown(message)

    def on_stop(self) -> None:
        """Give back what it has not finished; the attempt does not count."""
        super().on_stop()
        self._release()

    def turn_away(self, message: object, error: BaseException) -> None:
        """Keep what is assigned too late, to be given back with the rest."""
        super().turn_away(message, error)
        if isinstance(message, Assigned) and message.leases is not self._taken:
            self._held += message.leases

    def _work(self) -> None:
        completions: list[Completion] = []
        try:
            while self._held:
                completions.append(self._crawl.crawl(self._held[0]))
                self._held.pop(0)
        except (EngineStoppedError, EngineFailedError):
            self._release()
            if completions:
                self._manager.tell(CompleteJobs(completions=tuple(completions)))
            raise  # the engine stops, or a part of it is started again; the supervisor knows which
        self._want(*completions)

    def _want(self, *completions: Completion) -> None:
        self._manager.tell(
            WantJobs(worker=self.actor_ref, queue=CRAWL, terms=PAGES, limit=1, lease_s=LEASE_S, completions=completions)
        )

    def _release(self) -> None:
        held, self._held = self._held, []
        if not held:
            return
        try:
            refs = tuple(LeaseRef(job_id=lease.job_id, token=lease.token) for lease in held)
            self._manager.tell(ReleaseLeases(leases=refs))
        except BequestError:
            logger.debug("leases are left to the next start", extra={"jobs": [lease.job_id for lease in held]})
