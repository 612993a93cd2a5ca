"""Owns the renewal of sessions: one actor, so that many crawlers whose session has expired make one login.

It asks the manager and the browser and nobody else, each with a deadline (I18). What decides whether a login is tried
again stands in the credential's row; what this actor remembers is only when it last tried.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from ..engine.clock import Clock
from ..engine.cookies import Cookie, admit
from ..engine.credentials import Credential
from ..engine.definitions import AuthPolicy
from ..engine.errors import BequestError, DeadlineError, LoginFailedError, PageError, VaultError
from ..engine.outcomes import Outcome, Verdict, judge, page_error_outcome, place
from ..engine.pages import PageRequest, PageSnapshot
from ..engine.policies import may_log_in, retry_at
from ..engine.records import JobError, Kept, SealedCredential
from ..engine.renewals import renewed
from ..engine.sessions import Session
from ..engine.vault import Vault
from .address import Address
from .asking import Ask, answer
from .browser_messages import ANSWER_SLACK_S, FetchPage, Login
from .credential_messages import (
    GetCredential,
    GetCredentialVersion,
    NoteFailedLogin,
    ProveSession,
    RenewCredential,
)
from .login_script import browser_steps
from .session_messages import LOGIN_TIMEOUT_S, Renewed, RenewSession
from .supervised import Overseer, SupervisedActor

logger = logging.getLogger(__name__)

CANARY_TIMEOUT_S = 30.0
MAX_TRIES = 20  # to write a new session; each is lost to a refresh of the old one


class CanaryRead(NamedTuple):
    """What came of the newest look at the canary."""

    session: int
    began_at: float  # monotonic
    outcome: Outcome


class SessionKeeperActor(SupervisedActor):
    """Answers ``RenewSession`` with a ``Renewed``; *vault* opens and seals, *jitter* draws from [0, 1)."""

    def __init__(
        self,
        overseer: Overseer,
        manager: Address,
        browser: Address,
        *,
        vault: Callable[[], Vault],
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        super().__init__(overseer)
        self._manager = manager
        self._browser = browser
        self._vault = vault
        self._clock = clock
        self._jitter = jitter
        self._canaries: dict[str, CanaryRead] = {}
        self._again_at: dict[str, float] = {}  # when a credential may log in again after a login in vain

    def receive(self, message: object) -> None:
        """Renew a session; an error of what it asks is the answer, and its own life goes on."""
        match message:
            case Ask(message=RenewSession() as wanted, reply=reply):
                try:
                    found = self._renew(wanted)
                except BequestError as error:
                    answer(reply, error)
                else:
                    reply.set(found)
            case _:
                self.refuse_unknown(message)

    def _renew(self, wanted: RenewSession) -> Renewed:
        sealed: SealedCredential | None = self._manager.ask(GetCredential(auth_id=wanted.auth_id))
        if sealed is None:
            return refused("credential_needed", f"credential {wanted.auth_id!r} is not stored any more")
        if sealed.session > wanted.session:
            return Renewed(credential=sealed)
        if not wanted.is_missing and (canary := self._look_at_canary(wanted, sealed)) is not None:
            if canary.verdict is Verdict.CONTENT:
                if sealed.failed_logins:
                    self._manager.ask(ProveSession(auth_id=wanted.auth_id, put_version=sealed.session))
                return Renewed(is_page_refused=True)
            if canary.verdict is not Verdict.NEEDS_SESSION:
                return canary_unread(canary)
        if not wanted.steps:
            return Renewed()
        if not may_log_in(sealed.failed_logins):
            return given_up(wanted.auth_id, sealed.failed_logins)
        again_at = self._again_at.get(wanted.auth_id, 0.0)
        if sealed.failed_logins and again_at > self._clock.now():
            return Renewed(
                again_at=again_at, refusal=JobError(type="login_failed", message="the last login was in vain")
            )
        return self._log_in(wanted, sealed)

    def _look_at_canary(self, wanted: RenewSession, sealed: SealedCredential) -> Outcome | None:
        """Return what the session finds at the canary; a look that began after the page was read speaks for it too."""
        if wanted.check is None or wanted.check.canary_url is None:
            return None
        last = self._canaries.get(wanted.auth_id)
        if last is None or last.session != sealed.session or last.began_at < wanted.refused_at:
            began_at = self._clock.monotonic()
            outcome, _ = self._read_canary(wanted, sealed, is_trial=False)
            last = CanaryRead(sealed.session, began_at, outcome)
            self._canaries[wanted.auth_id] = last
        return last.outcome

    def _read_canary(
        self, wanted: RenewSession, sealed: SealedCredential, *, is_trial: bool
    ) -> tuple[Outcome, tuple[Cookie, ...]]:
        """Return what the session finds there, and of a trial the cookies that it left."""
        request = PageRequest(
            url=(wanted.check and wanted.check.canary_url) or "",
            credential=sealed,
            allow_private=wanted.allow_private,
            timeout_s=CANARY_TIMEOUT_S,
            session_check=wanted.check,
            is_trial=is_trial,
        )
        try:
            found: PageSnapshot = self._browser.ask(
                FetchPage(request=request), timeout_s=CANARY_TIMEOUT_S + ANSWER_SLACK_S
            )
        except PageError as error:
            return page_error_outcome(error), ()
        except DeadlineError as error:
            return Outcome(verdict=Verdict.RETRY, error=JobError(type="timeout", message=str(error))), ()
        if found.cookies is None:  # it was read anonymously, and says nothing of the session
            unused = JobError(type="canary", message=f"{place(request.url)} is on none of the credential's sites")
            return Outcome(verdict=Verdict.FAIL, error=unused), ()
        outcome = judge(found, auth_policy=AuthPolicy.REQUIRE, auth_id=wanted.auth_id, session_check=wanted.check)
        return outcome, found.left

    def _log_in(self, wanted: RenewSession, sealed: SealedCredential) -> Renewed:
        logger.info("logging in", extra={"auth_id": wanted.auth_id, "version": sealed.version})
        try:
            credential = self._vault().open(sealed)
            steps = browser_steps(wanted.steps, credential.secrets)
        except VaultError as error:
            return refused("seal", str(error))
        except LoginFailedError as error:  # a secret is missing, which no site was told
            return refused("login_failed", str(error))
        login = Login(
            steps=steps, sites=credential.sites, allow_private=wanted.allow_private, timeout_s=LOGIN_TIMEOUT_S
        )
        try:
            session: Session = self._browser.ask(login, timeout_s=LOGIN_TIMEOUT_S + ANSWER_SLACK_S)
            renewal = renewed(credential, session, now=self._clock.now())
            made = self._tried_out(wanted, renewal.credential)
        except (LoginFailedError, DeadlineError) as error:  # one that did not end may have typed the password
            if isinstance(error, LoginFailedError) and error.is_transient:
                raise  # as a page that is not reached
            return self._in_vain(wanted, sealed, str(error))
        return self._keep(wanted, sealed, made)

    def _tried_out(self, wanted: RenewSession, credential: Credential) -> Credential:
        """Return the session as the canary has left it, where there is one: a site may take each token once.

        Raises ``LoginFailedError`` unless the canary shows that it is a session. That proves nothing yet of what is
        stored, which is used anew.
        """
        if wanted.check is None or wanted.check.canary_url is None:
            return credential
        trial = self._vault().seal(credential, version=1, now=self._clock.now())
        outcome, left = self._read_canary(wanted, trial, is_trial=True)
        if outcome.verdict is not Verdict.CONTENT:
            raise LoginFailedError(f"after the login {outcome.error.message if outcome.error else 'the canary failed'}")
        kept = admit(left, sites=credential.sites, now=self._clock.now()).kept
        return msgspec.structs.replace(credential, cookies=kept or credential.cookies)

    def _keep(self, wanted: RenewSession, sealed: SealedCredential, credential: Credential) -> Renewed:
        kept, tries = Kept.OUT_OF_STEP, 0
        while kept is Kept.OUT_OF_STEP and tries < MAX_TRIES:
            tries += 1
            version: int = self._manager.ask(GetCredentialVersion(auth_id=wanted.auth_id))
            made = self._vault().seal(credential, version=version + 1, now=self._clock.now())
            made = msgspec.structs.replace(made, put_version=sealed.session)
            kept = self._manager.ask(RenewCredential(sealed=made))
        self._wait_after(wanted.auth_id, sealed.failed_logins + 1)
        logger.info("logged in", extra={"auth_id": wanted.auth_id, "kept": kept.name})
        found: SealedCredential | None = self._manager.ask(GetCredential(auth_id=wanted.auth_id))
        if found is None or found.session <= wanted.session:
            return refused("credential_needed", f"credential {wanted.auth_id!r} was changed during the login")
        return Renewed(credential=found)

    def _in_vain(self, wanted: RenewSession, sealed: SealedCredential, reason: str) -> Renewed:
        note = NoteFailedLogin(auth_id=wanted.auth_id, put_version=sealed.session, reason=reason)
        failed: int = self._manager.ask(note)
        logger.warning("login failed", extra={"auth_id": wanted.auth_id, "failed_logins": failed, "cause": reason})
        if not failed:  # somebody put another session meanwhile, or took this one away
            return self._renew(msgspec.structs.replace(wanted, steps=()))
        if not may_log_in(failed):
            return given_up(wanted.auth_id, failed, reason)
        again_at = self._wait_after(wanted.auth_id, failed)
        return Renewed(again_at=again_at, refusal=JobError(type="login_failed", message=reason))

    def _wait_after(self, auth_id: str, failed: int) -> float:
        at = self._again_at[auth_id] = retry_at(self._clock.now(), failed, jitter=self._jitter())
        return at


def refused(word: str, message: str) -> Renewed:
    """Return that there is no newer session, and why."""
    return Renewed(refusal=JobError(type=word, message=message))


def given_up(auth_id: str, failed: int, reason: str = "") -> Renewed:
    """Return that no login is tried any more until somebody puts a session."""
    last = f", the last: {reason}" if reason else ""
    return refused(
        "login_failed",
        f"{failed} logins of credential {auth_id!r} in a row led to no session that works{last}; no other is tried"
        " until a session or its secrets are put anew; where a page is only not for this user, name a canary_url",
    )


def canary_unread(outcome: Outcome) -> Renewed:
    """Return that nothing can be said of the session."""
    said = outcome.error.message if outcome.error else ""
    error = JobError(type="canary", message=f"the canary could not be read: {said}")
    return Renewed(refusal=error, is_transient=outcome.verdict is Verdict.RETRY)
