"""Owns the reading of one page with the session that works: read, judged, and read again where the session was renewed.

A page that its session is refused costs no attempt and leaves nothing; whoever keeps sessions is told what each page
said of one.
"""

from __future__ import annotations

from typing import NamedTuple

from ..engine.clock import Clock
from ..engine.crawl_jobs import PageConfig
from ..engine.definitions import AuthPolicy, Definition
from ..engine.errors import CredentialNeededError, DeadlineError, LeaseLostError, PageError, VaultError
from ..engine.outcomes import (
    Outcome,
    Verdict,
    is_forbidden_to_session,
    is_session_refused,
    judge,
    page_error_outcome,
)
from ..engine.pages import PageRequest, PageSnapshot
from ..engine.records import Inheritance, JobError, Lease, LeaseRef, SealedCredential
from ..engine.run_status import RunStatus
from ..engine.urls import Scope, UrlScope
from .address import Address
from .browser_messages import ANSWER_SLACK_S, FetchPage
from .credential_messages import ProveSession
from .messages import GetRunStatus, RenewLeases
from .page_log import PageLog
from .session_messages import RENEWAL_TIMEOUT_S, JudgeSession, Renewed, RenewSession

MAX_RENEWALS = 2  # of one attempt: what was renewed may have expired by the time that the page is read
NO_SESSION = "no_session"  # of a credential that could log in and has not


class CrawlAddresses(NamedTuple):
    """Whom a crawler asks."""

    manager: Address
    browser: Address
    keeper: Address  # of sessions


class PageTask(NamedTuple):
    """A page, and what it has from its run."""

    lease: Lease
    page: PageConfig
    definition: Definition
    inheritance: Inheritance
    auth_policy: AuthPolicy
    auth_id: str | None

    @property
    def can_renew(self) -> bool:
        """Whether the definition says how to log in, or how to tell a page that is not for its session."""
        check = self.definition.session_check
        return bool(self.definition.login) or (check is not None and check.canary_url is not None)


class Visit(NamedTuple):
    """What reading a page came to."""

    sealed: SealedCredential | None  # that it was read with
    outcome: Outcome
    snapshot: PageSnapshot | None
    is_refused: bool  # the session, or what should be one
    answer: Renewed | None = None  # why it was not renewed, where that was asked for


class PageVisitor:
    """Reads pages, one call each."""

    def __init__(self, addresses: CrawlAddresses, *, clock: Clock, lease_s: float) -> None:
        self._manager, self._browser, self._keeper = addresses
        self._clock = clock
        self._lease_s = lease_s

    def visit(self, task: PageTask, sealed: SealedCredential | None, log: PageLog) -> Visit:
        """Read the page, with a newer session as long as it is refused and there is one.

        Raises ``LeaseLostError``, and what the manager and the browser answer that is not the page's.
        """
        self._hold_on(task.lease, task.definition.page_timeout_s)
        visit = self._look(task, sealed, log)
        for _ in range(MAX_RENEWALS):
            if not (visit.is_refused and task.can_renew and visit.sealed is not None):
                break
            answer = self._ask_keeper(task, visit, visit.sealed)
            if answer.credential is None:
                visit = visit._replace(answer=answer)
                break
            log.info("session renewed", auth_id=task.auth_id, version=answer.credential.version)
            visit = self._look(task, answer.credential, log)
            if visit.outcome.verdict is Verdict.CONTENT and answer.credential.failed_logins:
                session = answer.credential.session
                self._manager.tell(ProveSession(auth_id=answer.credential.auth_id, put_version=session))
        if visit.is_refused and visit.answer is None and task.definition.login:  # the keeper says when it is enough
            visit = visit._replace(answer=Renewed(refusal=visit.outcome.error, again_at=self._clock.now()))
        if is_unusable(visit) and task.auth_policy is AuthPolicy.DEGRADE:
            log.warning("credential not opened", auth_id=task.auth_id)
            return self._look(task, None, log)
        return visit

    def _look(self, task: PageTask, sealed: SealedCredential | None, log: PageLog) -> Visit:
        found = self._fetch(task, sealed)
        if isinstance(found, Outcome):
            is_missing = found.error is not None and found.error.type == NO_SESSION
            return Visit(sealed, found, None, is_refused=is_missing)
        if sealed is not None:
            log.cookies(sealed.auth_id, found.cookies)
        check = task.definition.session_check
        has_canary = check is not None and check.canary_url is not None
        has_worked = is_forbidden_to_session(found) and not has_canary and self._has_stored_pages(task)
        outcome = judge(
            found,
            auth_policy=task.auth_policy,
            auth_id=task.auth_id,
            has_session_worked=has_worked,
            session_check=check,
        )
        visit = Visit(sealed, outcome, found, is_refused=is_session_refused(found, check) and not has_worked)
        self._tell_browser(task, visit)
        return visit

    def _fetch(self, task: PageTask, sealed: SealedCredential | None) -> PageSnapshot | Outcome:
        timeout_s = task.definition.page_timeout_s
        request = PageRequest(
            url=task.page.url,
            credential=sealed,
            allow_private=task.definition.allow_private,
            timeout_s=timeout_s,
            session_check=task.definition.session_check,
        )
        try:
            found: PageSnapshot = self._browser.ask(FetchPage(request=request), timeout_s=timeout_s + ANSWER_SLACK_S)
        except PageError as error:
            return page_error_outcome(error)
        except VaultError as error:
            return Outcome(verdict=Verdict.NEEDS_SESSION, error=JobError(type="seal", message=str(error)))
        except CredentialNeededError as error:
            message = f"{error}; give the definition its login, or put a session"
            return Outcome(verdict=Verdict.NEEDS_SESSION, error=JobError(type=NO_SESSION, message=message))
        return found

    def _ask_keeper(self, task: PageTask, visit: Visit, sealed: SealedCredential) -> Renewed:
        wanted = RenewSession(
            auth_id=sealed.auth_id,
            session=sealed.session,
            steps=task.definition.login,
            check=task.definition.session_check,
            allow_private=task.definition.allow_private,
            refused_at=self._clock.monotonic(),
            is_missing=visit.snapshot is None,
        )
        self._hold_on(task.lease, RENEWAL_TIMEOUT_S + task.definition.page_timeout_s)
        try:
            answer: Renewed = self._keeper.ask(wanted, timeout_s=RENEWAL_TIMEOUT_S)
        except DeadlineError as error:  # a page that waited would wake for a login that goes well, and for no other
            refusal = JobError(type="login_failed", message=str(error))
            return Renewed(refusal=refusal, again_at=self._clock.now())
        return answer

    def _tell_browser(self, task: PageTask, visit: Visit) -> None:
        """Say whether the cookies that the page left are those of a session; of other errors they say nothing."""
        sealed, snapshot = visit.sealed, visit.snapshot
        if sealed is None or snapshot is None or not snapshot.session_state:
            return
        is_good = visit.outcome.verdict is Verdict.CONTENT and not leaves_scope(snapshot, task.definition)
        if is_good or visit.is_refused:
            self._browser.tell(
                JudgeSession(
                    auth_id=sealed.auth_id,
                    session=sealed.session,
                    allow_private=task.definition.allow_private,
                    state=snapshot.session_state,
                    is_good=is_good,
                )
            )

    def _hold_on(self, lease: Lease, timeout_s: float) -> None:
        """Renew a lease that would end before there must be an answer; raises ``LeaseLostError``."""
        wanted_s = timeout_s + 2 * ANSWER_SLACK_S
        if wanted_s <= self._lease_s:
            return
        ref = LeaseRef(job_id=lease.job_id, token=lease.token)
        if self._manager.ask(RenewLeases(leases=(ref,), lease_s=wanted_s)):
            raise LeaseLostError

    def _has_stored_pages(self, task: PageTask) -> bool:
        status: RunStatus = self._manager.ask(GetRunStatus(job_id=task.inheritance.parent_id))
        return status.pages.completed > 0


def is_unusable(visit: Visit) -> bool:
    """Whether the browser did not even go there, because the credential does not open or holds no session."""
    return visit.snapshot is None and visit.outcome.verdict is Verdict.NEEDS_SESSION


def leaves_scope(snapshot: PageSnapshot, definition: Definition) -> bool:
    """Return whether a redirect led where the run's links may not lead; patterns are for links alone."""
    scope = UrlScope(seeds=definition.start_urls, scope=Scope(definition.scope))
    return snapshot.was_redirected and not scope.admits(snapshot.url)
