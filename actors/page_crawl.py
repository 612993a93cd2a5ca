"""Owns what is done for one page, from its lease to its completion; the actor around it only schedules.

The chain: the parent's metadata, else the definition named by the parent's column, else anonymous. Every step of it is
noted in the job's log, as counts and names, never values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from ..engine.clock import Clock
from ..engine.crawl_jobs import PageConfig, link_jobs
from ..engine.definitions import AuthPolicy, Definition, definition_from
from ..engine.errors import (
    BequestError,
    BrowserError,
    EngineError,
    EngineFailedError,
    EngineStoppedError,
    StoreError,
)
from ..engine.extract import extract
from ..engine.inheritance import SessionChoice, choose_session
from ..engine.outcomes import Verdict, place
from ..engine.pages import PageSnapshot
from ..engine.policies import retry_at
from ..engine.records import (
    Completion,
    Document,
    Inheritance,
    JobError,
    Lease,
    SealedCredential,
    State,
    StoredDefinition,
)
from ..engine.urls import url_key
from .credential_messages import GetCredential
from .messages import GetDefinition, GetParentMetadata
from .page_log import PageLog
from .page_visit import CrawlAddresses, PageTask, PageVisitor, Visit, leaves_scope
from .session_messages import Renewed

logger = logging.getLogger(__name__)


class PageCrawl:
    """Crawls pages, one call each."""

    def __init__(self, addresses: CrawlAddresses, *, clock: Clock, jitter: Callable[[], float], lease_s: float) -> None:
        self._manager = addresses.manager
        self._visitor = PageVisitor(addresses, clock=clock, lease_s=lease_s)
        self._clock = clock
        self._jitter = jitter
        self._definitions: dict[int, Definition] = {}  # stored ones never change

    def crawl(self, lease: Lease) -> Completion:
        """Return how the attempt ended.

        Raises ``EngineStoppedError`` or ``EngineFailedError`` when it was cut short.
        """
        log = PageLog(lease.job_id, self._clock)
        try:
            completion = self._attempt(lease, log)
        except (EngineStoppedError, EngineFailedError):
            raise
        except (BrowserError, EngineError, StoreError) as error:  # not the page's fault
            completion = self._again(lease, JobError(type=type(error).__name__, message=str(error)))
        except BequestError as error:
            completion = self._failed(lease, JobError(type=type(error).__name__, message=str(error)))
        except Exception as error:
            logger.exception("a page crawl failed unexpectedly", extra={"job_id": lease.job_id})
            completion = self._again(lease, JobError(type="internal", message=f"unexpected {type(error).__name__}"))
        if completion.error is not None:
            log.warning("page not stored", error=completion.error.type, cause=completion.error.message)
        return msgspec.structs.replace(completion, logs=log.entries)

    def _attempt(self, lease: Lease, log: PageLog) -> Completion:
        page = msgspec.convert(lease.config, PageConfig)
        inheritance = self._inheritance(lease)
        definition = self._definition(inheritance, page)
        choice = choose_session(inheritance.metadata, definition)
        log.chain(inheritance, choice)
        sealed = self._credential(choice, log)
        policy = policy_of(definition, choice)
        if choice.auth_id is not None and sealed is None and policy is AuthPolicy.REQUIRE:
            return waiting(lease, choice.auth_id, 0, needed(choice.auth_id))
        task = PageTask(lease, page, definition, inheritance, policy, choice.auth_id)
        visit = self._visitor.visit(task, sealed, log)
        if visit.answer is not None:
            return self._not_renewed(task, visit, visit.answer)
        return self._ended(task, visit)

    def _inheritance(self, lease: Lease) -> Inheritance:
        if lease.parent_id is None:
            raise BequestError(f"page job {lease.job_id} has no parent to inherit from; pages are made by a run")
        found: Inheritance = self._manager.ask(GetParentMetadata(parent_id=lease.parent_id))
        return found

    def _definition(self, inheritance: Inheritance, page: PageConfig) -> Definition:
        """Return the definition named by the column; a run without one is this page alone."""
        definition_id = inheritance.definition_id
        if definition_id is None:
            return Definition(name="page", start_urls=(page.url,), max_depth=0)
        if definition_id not in self._definitions:
            stored: StoredDefinition = self._manager.ask(GetDefinition(definition_id=definition_id))
            self._definitions[definition_id] = definition_from(stored.body, source=f"definition {stored.name!r}")
        return self._definitions[definition_id]

    def _credential(self, choice: SessionChoice, log: PageLog) -> SealedCredential | None:
        if choice.auth_id is None:
            return None
        sealed: SealedCredential | None = self._manager.ask(GetCredential(auth_id=choice.auth_id))
        if sealed is None:
            log.warning("credential not found", auth_id=choice.auth_id)
        return sealed

    def _not_renewed(self, task: PageTask, visit: Visit, answer: Renewed) -> Completion:
        """Return what becomes of a page that its session was refused, and for which there is no newer one."""
        lease, error = task.lease, answer.refusal or visit.outcome.error
        if answer.is_page_refused:
            return self._failed(lease, not_for_this_user(visit))
        if answer.is_transient and error is not None:
            return self._again(lease, error)
        if answer.again_at is not None:
            return Completion(
                job_id=lease.job_id,
                token=lease.token,
                state=State.PENDING,
                run_at=answer.again_at,
                counts=False,
                error=error,
            )
        return self._ended(task, visit._replace(outcome=msgspec.structs.replace(visit.outcome, error=error)))

    def _ended(self, task: PageTask, visit: Visit) -> Completion:
        lease, outcome, snapshot, sealed = task.lease, visit.outcome, visit.snapshot, visit.sealed
        error = outcome.error or JobError(type="unknown", message="no reason was found")
        match outcome.verdict:
            case Verdict.CONTENT if snapshot is not None:
                if leaves_scope(snapshot, task.definition):
                    return self._failed(lease, left_scope(snapshot.url))
                return self._stored(task, snapshot, sealed)
            case Verdict.RETRY:
                return self._again(lease, error)
            case Verdict.NEEDS_SESSION if task.auth_id is not None:
                return waiting(lease, task.auth_id, 0 if sealed is None else sealed.session, error)
        return self._failed(lease, error)

    def _stored(self, task: PageTask, snapshot: PageSnapshot, sealed: SealedCredential | None) -> Completion:
        lease, page = task.lease, task.page
        content = extract(snapshot.html, snapshot.url)
        document = Document(
            url=snapshot.url,
            url_key=url_key(snapshot.url),
            status=snapshot.status,
            title=content.title,
            markdown=content.markdown,
            depth=page.depth,
            auth_id=None if sealed is None or snapshot.cookies is None else sealed.auth_id,
            fetched_at=self._clock.now(),
        )
        return Completion(
            job_id=lease.job_id,
            token=lease.token,
            state=State.COMPLETED,
            document=document,
            links=link_jobs(content.links, page, lease.job_id, task.definition, task.inheritance.definition_id),
        )

    def _again(self, lease: Lease, error: JobError) -> Completion:
        """Return a retry; the store makes it a failure when no attempt is left."""
        now = self._clock.now()
        at = retry_at(now, lease.attempts, jitter=self._jitter())
        return Completion(
            job_id=lease.job_id, token=lease.token, state=State.PENDING, run_at=at, said_at=now, error=error
        )

    def _failed(self, lease: Lease, error: JobError) -> Completion:
        return Completion(job_id=lease.job_id, token=lease.token, state=State.FAILED, error=error)


def policy_of(definition: Definition, choice: SessionChoice) -> AuthPolicy:
    """Return the policy in force: a session that only the metadata names is required as one in the definition is."""
    if definition.auth_policy is None and choice.auth_id is not None:
        return AuthPolicy.REQUIRE
    return definition.effective_auth_policy


def waiting(lease: Lease, auth_id: str, version: int, error: JobError) -> Completion:
    """Return a page that waits for a credential newer than *version*; its attempt does not count."""
    return Completion(
        job_id=lease.job_id,
        token=lease.token,
        state=State.WAITING,
        waits_for=auth_id,
        credential_version=version,
        counts=False,
        error=error,
    )


def needed(auth_id: str) -> JobError:
    """Return what is written beside a page whose credential is not stored."""
    message = f"credential {auth_id!r} is not stored; put it with `bequest auth add {auth_id} FILE --site HOST`"
    return JobError(type="credential_needed", message=message)


def not_for_this_user(visit: Visit) -> JobError:
    """Return what is written beside a page that the session may not see although it works."""
    said = visit.outcome.error.message if visit.outcome.error else "the page was refused"
    message = f"{said.partition(';')[0]}; the session is fine, as the canary shows, so the page is not for this user"
    return JobError(type="not_for_this_user", message=message)


def left_scope(url: str) -> JobError:
    """Return what is written beside a page that led out of the run's scope."""
    message = f"the page led to {place(url)}, outside the run's scope; make that a start URL, or set scope to any"
    return JobError(type="left_scope", message=message)
