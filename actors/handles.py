"""Owns what a caller holds of an engine's parts: a run, and the stored credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from ..engine.clock import Clock
from ..engine.credentials import Credential, checked_site
from ..engine.errors import (
    CredentialError,
    CredentialNeededError,
    CredentialNotFoundError,
    DeadlineError,
    DefinitionError,
    KeyNeededError,
)
from ..engine.keys import KeySource
from ..engine.login_steps import LoginStep, login_faults
from ..engine.queries import FailureCause
from ..engine.records import Counts, CredentialEntry, SealedCredential, State, StoredDocument
from ..engine.renewals import LoginReport, renewed
from ..engine.run_status import RunStatus
from ..engine.sessions import Session
from ..engine.vault import Vault
from .address import Address
from .browser_messages import Login
from .credential_messages import GetCredential, GetCredentialVersion, ListCredentials, PutCredential, RemoveCredential
from .job_handle import FOREVER_S, JobHandle
from .login_script import browser_steps
from .query_messages import GetStallCause, ListDocuments, ListFailureCauses
from .rotation import Rotation, rotate
from .standing_messages import AwaitChange, AwaitSettled

PAGE_OF_DOCUMENTS = 100
MAX_TRIES = 20  # to put a session; each is lost to a refresh of the one that it replaces


class Run(JobHandle[None]):
    """One run of a definition, by its parent job."""

    def stats(self) -> Counts:
        """Return how many pages it has in each state; of a run with steps, how many steps."""
        return self.status().pages

    def wait(self, timeout_s: float = FOREVER_S) -> State:
        """Wait until it has ended and return its state.

        Raises ``CredentialNeededError`` when it is stalled: what is unfinished waits for a credential. Raises
        ``DeadlineError`` after *timeout_s* seconds; the run goes on.
        """
        status: RunStatus = self._manager.ask(AwaitSettled(job_id=self.id), timeout_s=timeout_s)
        if status.is_stalled:
            cause: tuple[str, str] | None = self._manager.ask(GetStallCause(job_id=self.id))
            raise CredentialNeededError(stalled(status, cause))
        return status.state

    def progress(self, timeout_s: float = FOREVER_S) -> Iterator[RunStatus]:
        """Yield where it stands now and after every change, until it has ended or is stalled."""
        status = self.status()
        yield status
        while not status.is_settled:
            status = self._manager.ask(AwaitChange(seen=status), timeout_s=timeout_s)
            yield status

    def changed_since(self, seen: RunStatus, *, timeout_s: float) -> RunStatus:
        """Return where it stands once that differs from *seen*, or after *timeout_s* seconds what it is then."""
        try:
            status: RunStatus = self._manager.ask(AwaitChange(seen=seen), timeout_s=timeout_s)
        except DeadlineError:
            return seen
        return status

    def documents(self) -> Iterator[StoredDocument]:
        """Yield what its pages left, in the order that they were found."""
        after_id = 0
        while True:
            page = ListDocuments(parent_id=self.id, after_id=after_id, limit=PAGE_OF_DOCUMENTS)
            documents: list[StoredDocument] = self._reader.ask(page)
            yield from documents
            if len(documents) < PAGE_OF_DOCUMENTS:
                return
            after_id = documents[-1].job_id

    def failure_causes(self) -> list[FailureCause]:
        """Return why pages of it failed or wait, the most frequent cause first."""
        causes: list[FailureCause] = self._reader.ask(ListFailureCauses(parent_id=self.id))
        return causes


class Credentials:
    """The stored credentials of an engine; what is secret of them is sealed and opened here or in the browser alone."""

    def __init__(
        self,
        manager: Address,
        key: KeySource | None,
        clock: Clock,
        database_id: str,
        log_in: Callable[[Login], Session],
    ) -> None:
        self._manager = manager
        self._log_in = log_in
        self._key = key
        self._clock = clock
        self._database_id = database_id

    def put(self, credential: Credential) -> int:
        """Seal and keep a credential; durable on return, and pages that waited for it are due: return how many.

        Raises ``KeyNeededError`` without a key, ``CredentialFormatError`` when none of its cookies can be used, and
        ``CredentialError`` when somebody else puts one at the same moment.
        """
        credential.admitted(self._clock.now())
        tries_left = MAX_TRIES
        while True:
            version: int = self._manager.ask(GetCredentialVersion(auth_id=credential.auth_id))
            sealed = self.vault().seal(credential, version=version + 1, now=self._clock.now())
            tries_left -= 1
            try:
                woken: int = self._manager.ask(PutCredential(sealed=sealed))
            except CredentialError:
                if not tries_left or not self._is_of_a_put_until(version, credential.auth_id):
                    raise
            else:
                return woken

    def renew(self, auth_id: str, session: Session, *, sites: Sequence[str] = ()) -> LoginReport:
        """Put *session* in the place of the stored one, whose secrets and headers stay; durable on return.

        Without *sites* it is for those that the stored one is for. What *session* holds for other sites is dropped and
        named. Raises ``LoginFailedError`` when nothing is left then, and ``CredentialNotFoundError`` where there is
        neither a credential nor a site.
        """
        credential = self.for_sites(auth_id, sites)
        renewal = renewed(credential, session, now=self._clock.now())
        woken = self.put(renewal.credential)
        return LoginReport(
            sites=renewal.credential.sites,
            cookies=len(renewal.credential.cookies),
            storages=len(renewal.credential.storages),
            skipped=renewal.skipped,
            woken=woken,
        )

    def log_in(
        self, auth_id: str, steps: Sequence[LoginStep], *, allow_private: bool = False, timeout_s: float = 60.0
    ) -> LoginReport:
        """Take the *steps* with the credential's secrets and store the session that they leave; durable on return.

        Raises ``CredentialNotFoundError``, ``DefinitionError`` for steps that are none, and ``LoginFailedError``; then
        what was stored is as it was.
        """
        for fault in login_faults("steps", steps):
            raise DefinitionError(fault)
        credential = self.for_sites(auth_id)
        typed = browser_steps(steps, credential.secrets)
        login = Login(steps=typed, sites=credential.sites, allow_private=allow_private, timeout_s=timeout_s)
        return self.renew(auth_id, self._log_in(login))

    def for_sites(self, auth_id: str, sites: Sequence[str] = ()) -> Credential:
        """Return the stored credential, for other *sites* where some are named, or a new and empty one for those.

        Raises ``CredentialNotFoundError`` where there is neither a credential nor a site.
        """
        named = tuple(dict.fromkeys(map(checked_site, sites)))
        stored = self.get(auth_id)
        if stored is not None:
            return msgspec.structs.replace(stored, sites=named or stored.sites)
        if not named:
            raise CredentialNotFoundError(
                f"asked for credential {auth_id!r}, found none; name the sites that it is to be for"
            )
        return Credential(auth_id=auth_id, sites=named)

    def get(self, auth_id: str) -> Credential | None:
        """Return a credential, opened, or None; raises ``KeyNeededError`` and ``SealError``."""
        sealed: SealedCredential | None = self._manager.ask(GetCredential(auth_id=auth_id))
        return None if sealed is None else self.vault().open(sealed)

    def list(self) -> list[CredentialEntry]:
        """Return what is known of all without a key."""
        entries: list[CredentialEntry] = self._manager.ask(ListCredentials())
        return entries

    def remove(self, auth_id: str) -> None:
        """Remove a credential; raises ``CredentialNotFoundError``."""
        self._manager.ask(RemoveCredential(auth_id=auth_id))

    def rotate(self) -> Rotation:
        """Seal with the newest key what a former one has sealed, all or none, and leave no byte of that in the file.

        Durable on return; may be done again, also after a crash. The file is written anew, which takes its time and
        its size on the disk. Raises ``KeyNeededError``, and ``SealError`` where a credential does not open.
        """
        return rotate(self._manager, self.vault())

    def _is_of_a_put_until(self, version: int, auth_id: str) -> bool:
        """Whether no other session was put after *version*, which its site may have refreshed or a key resealed."""
        found: SealedCredential | None = self._manager.ask(GetCredential(auth_id=auth_id))
        return found is not None and found.session <= version

    def vault(self) -> Vault:
        """Return the vault with the engine's key; raises ``KeyNeededError`` and ``KeyFileError``."""
        if self._key is None:
            raise KeyNeededError("a secret is stored only with a key, and the engine has none; pass key=KeyFile(...)")
        return Vault(self._key(), self._database_id)


def stalled(status: RunStatus, cause: tuple[str, str] | None) -> str:
    """Return what is said of a run that waits for a credential, with the *cause* of one of its pages."""
    waiting = "what is left of it waits" if status.has_steps else f"{status.pages.waiting} pages wait"
    auth_id, reason = cause or ("", "")
    why = f" ({auth_id}: {reason})" if reason else ""
    return (
        f"run {status.job_id} is stalled: {waiting} for a credential that works{why};"
        f" see `bequest job {status.job_id}`, put a new one with `bequest auth add`, and run it again"
    )
