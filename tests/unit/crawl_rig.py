"""A run whose pages a test crawls by hand: a real manager, and a function in the browser's place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from actor_rig import PATIENCE_S, Answer, ManagerRig, Site, SiteActor, TapedAddress, page

from bequest import Definition
from bequest.actors.address import Address
from bequest.actors.browser_messages import Login
from bequest.actors.credential_messages import GetCredential, GetCredentialVersion, PutCredential, RefreshCredential
from bequest.actors.messages import ClaimJobs, CompleteJobs, CreateJob, GetJob, SpawnChildren, UpdateJobMetadata
from bequest.actors.page_crawl import PageCrawl
from bequest.actors.page_visit import CrawlAddresses
from bequest.actors.query_messages import ListDocuments, ListJobs, ListLogs
from bequest.actors.session_keeper import SessionKeeperActor
from bequest.engine.clock import Clock
from bequest.engine.cookies import Cookie
from bequest.engine.crawl_jobs import parent_job, parent_metadata, seed_jobs
from bequest.engine.credentials import Credential
from bequest.engine.errors import LoginFailedError
from bequest.engine.keys import Key
from bequest.engine.limits import KindTerms
from bequest.engine.pages import PageRequest
from bequest.engine.records import Completion, Job, Lease, LogEntry, SealedCredential, StoredDocument
from bequest.engine.secret import Secret
from bequest.engine.sessions import Session
from bequest.engine.store import Store
from bequest.engine.vault import Vault

URL = "https://wiki.example/"
CANARY = "canary-value-of-a-cookie"
LEASE_S = 180.0


class CrawlRig:
    """One run in a real manager, its pages crawled one call each."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.tape: list[Any] = []
        self.requests: list[PageRequest] = []
        self.manager = ManagerRig(store)
        self.taped = TapedAddress(self.manager.address, self.tape)
        self.site: Site = lambda request: page(request.url)
        self.browser = Address("browser")
        self.logins: list[Login] = []
        self.log_in: Callable[[Login], Session | BaseException] = lambda _: LoginFailedError("no login in this test")
        self._browser_ref = SiteActor.start(self.manager.watch, self._read, self._take_login)
        self.browser.point_to(self._browser_ref)
        self._vault = Vault(Key(b"k" * 32), "the database of this test")
        self.keeper = Address("session keeper")
        self.broken_vault: BaseException | None = None
        self._keeper_ref = SessionKeeperActor.start(
            self.manager.watch,
            self.taped,
            TapedAddress(self.browser, self.tape),
            vault=self._open_vault,
            clock=clock,
            jitter=lambda: 0.0,
        )
        self.keeper.point_to(self._keeper_ref)
        self.taped_keeper = TapedAddress(self.keeper, self.tape)
        addresses = CrawlAddresses(self.taped, TapedAddress(self.browser, self.tape), self.taped_keeper)
        self.pages = PageCrawl(addresses, clock=clock, jitter=lambda: 0.0, lease_s=LEASE_S)
        self._clock = clock

    def make_run(self, *urls: str, with_metadata: bool = True, **options: Any) -> int:
        """Make a run as the executor does, and return its id."""
        definition = Definition.crawl("wiki", start_urls=urls or (URL,), **options)
        run_id: int = self.manager.ask(CreateJob(job=parent_job(definition, key=None), definition=definition)).job_id
        definition_id = self.manager.ask(GetJob(job_id=run_id)).definition_id
        if with_metadata:
            self.inherit(run_id, **parent_metadata(definition, definition_id))
        self.manager.ask(SpawnChildren(parent_id=run_id, jobs=seed_jobs(definition, definition_id), seal=True))
        return run_id

    def inherit(self, run_id: int, **metadata: Any) -> None:
        """Merge into the metadata that the pages of a run inherit."""
        self.manager.ask(UpdateJobMetadata(job_id=run_id, metadata=metadata))

    def put_credential(self, auth_id: str = "wiki", site: str = "wiki.example", **fields: Any) -> int:
        """Seal and store a session, and return its version."""
        version: int = self.manager.ask(GetCredentialVersion(auth_id=auth_id)) + 1
        cookie = Cookie(name="sid", value=Secret(CANARY), domain=site, host_only=True)
        credential = Credential(**{"auth_id": auth_id, "sites": (site,), "cookies": (cookie,), **fields})
        self.manager.ask(PutCredential(sealed=self._vault.seal(credential, version=version, now=0.0)))
        return version

    def stored_credential(self, auth_id: str = "wiki") -> tuple[SealedCredential, Credential]:
        """Return a credential as it is stored, sealed and opened."""
        sealed: SealedCredential = self.manager.ask(GetCredential(auth_id=auth_id))
        return sealed, self._vault.open(sealed)

    def refresh_credential(self, auth_id: str = "wiki") -> None:
        """Have its site change a session."""
        sealed, credential = self.stored_credential(auth_id)
        made = self._vault.seal(credential, version=sealed.version + 1, now=self._clock.now())
        self.manager.ask(RefreshCredential(sealed=msgspec.structs.replace(made, put_version=sealed.session)))

    def claim(self) -> Lease:
        """Claim the next page."""
        (lease,) = self.manager.ask(ClaimJobs(queue="crawl", terms=(KindTerms(kind="page"),), limit=1, lease_s=LEASE_S))
        found: Lease = lease
        return found

    def crawl(self) -> Job:
        """Claim the next page, crawl it, store what that came to, and return its job."""
        lease = self.claim()
        assert self.report(self.pages.crawl(lease)) == []
        return self.job(lease.job_id)

    def crawl_all(self) -> list[Job]:
        """Crawl until no page is due, and return the jobs in the order that they were crawled."""
        crawled = []
        while leases := self.manager.ask(
            ClaimJobs(queue="crawl", terms=(KindTerms(kind="page"),), limit=1, lease_s=LEASE_S)
        ):
            self.report(self.pages.crawl(leases[0]))
            crawled.append(self.job(leases[0].job_id))
        return crawled

    def report(self, completion: Completion) -> list[int]:
        """Store how an attempt ended, and return the jobs whose lease was lost."""
        lost: list[int] = self.manager.ask(CompleteJobs(completions=(completion,)))
        return lost

    def job(self, job_id: int) -> Job:
        """Return a job."""
        found: Job = self.manager.ask(GetJob(job_id=job_id))
        return found

    def urls(self, run_id: int) -> list[str]:
        """Return the URLs of a run's pages, in the order that they were found."""
        views = self.manager.ask(ListJobs(parent_id=run_id, limit=10_000))
        return [view.job.config["url"] for view in views]

    def documents(self, run_id: int) -> list[StoredDocument]:
        """Return what a run's pages left."""
        found: list[StoredDocument] = self.manager.ask(ListDocuments(parent_id=run_id, limit=10_000))
        return found

    def log(self, job_id: int) -> list[LogEntry]:
        """Return the log of a page."""
        return [entry for _, entry in self.manager.ask(ListLogs(job_id=job_id))]

    def stop(self) -> None:
        """Stop the actors."""
        self._browser_ref.stop(timeout=PATIENCE_S)
        self._keeper_ref.stop(timeout=PATIENCE_S)
        self.manager.stop()

    def _open_vault(self) -> Vault:
        if self.broken_vault is not None:
            raise self.broken_vault
        return self._vault

    def _take_login(self, login: Login) -> Session | BaseException:
        self.logins.append(login)
        return self.log_in(login)

    def _read(self, request: PageRequest) -> Answer:
        self.requests.append(request)
        return self.site(request)
