"""Owns the wiring: ``Engine`` starts the actors, supervises them, and stops them in order.

Nothing is global: several engines live in one process, no signal handler is taken, and no thread is left after
``stop``.
"""

from __future__ import annotations

import enum
import logging
import os
import random
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pykka

from ..engine.clock import Clock, SystemClock
from ..engine.credentials import Credential
from ..engine.database import MEMORY, Durability, database_at
from ..engine.definitions import Definition, check
from ..engine.errors import BequestError, EngineError, EngineFailedError, EngineStoppedError, ForkError
from ..engine.keys import KeySource
from ..engine.records import Record, SealedCredential
from ..engine.store import Store
from .address import Address
from .alarm import Alarm
from .executor_messages import ChildrenEnded, StartRun, Sweep, TakeUpRuns
from .handles import Credentials, Run
from .manager import ManagerActor, Tick
from .messages import OfferOnly, ReclaimLeases
from .supervisor import Supervisor

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0


class EngineState(enum.StrEnum):
    """Where an engine stands."""

    STOPPED = "stopped"
    RUNNING = "running"
    FAILED = "failed"  # a part of it kept dying; cause says why


class Health(Record, frozen=True, kw_only=True):
    """What an engine says of itself."""

    state: EngineState
    cause: str | None = None
    restarts: int = 0


class Engine:
    """A durable job engine over one database file, and its crawler.

    *path* is a file or ``":memory:"``; *key* opens and seals credentials; *durability* ``"relaxed"`` may lose the
    newest writes at a power cut, never at a kill; *concurrency* is how many pages are fetched at once over all runs;
    *browser* is a Chromium's path, None to look for one; without *resume* unfinished runs rest until ``run`` takes them
    up. Nothing is opened before ``start``.
    """

    def __init__(  # noqa: PLR0913 - all but the path by name, each with a default
        self,
        path: str | os.PathLike[str] = MEMORY,
        *,
        key: KeySource | None = None,
        durability: Durability = "full",
        concurrency: int = 4,
        browser: str | None = None,
        resume: bool = True,
        clock: Clock | None = None,
    ) -> None:
        if concurrency < 1:
            raise EngineError(f"concurrency is at least 1, found {concurrency}")
        self._path = database_at(Path(path) if str(path) != MEMORY else MEMORY)
        self._key = key
        self._durability: Durability = durability
        self._concurrency = concurrency
        self._executable = browser
        self._resumes = resume
        self._taken_up: tuple[int, ...] = ()  # the runs of ``run``, where the others rest
        self._clock = clock or SystemClock()
        self._pid = os.getpid()
        self._lifecycle = threading.RLock()
        self._store: Store | None = None
        self._alarm: Alarm | None = None
        self._supervisor: Supervisor | None = None
        self._has_crawlers = False
        self._credentials: Credentials | None = None
        self.manager = Address("manager")
        self._executor = Address("executor")
        self._monitor = Address("monitor")
        self._reader = Address("reader")
        self._browser = Address("browser")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open the database as its one owner, start the actors and go on with every unfinished run, unless told not to.

        Raises ``DatabaseOwnedError`` and the other errors of the store; then nothing was started.
        """
        self._check_process()
        with self._lifecycle:
            if self._store is not None:
                return
            self._store = Store.open(self._path, clock=self._clock, durability=self._durability)
            try:
                self._start_actors(self._store)
                self.manager.ask(ReclaimLeases())
                if not self._resumes:
                    self.manager.ask(OfferOnly(parent_ids=()))
                elif self._executor.ask(TakeUpRuns(), timeout_s=START_TIMEOUT_S):
                    self._start_crawlers()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Stop all actors, give leases back and close the database; no thread and no process is left on return."""
        self._check_process()
        with self._lifecycle:
            store, self._store = self._store, None
            if store is None:
                return
            if self._supervisor is not None:
                self._supervisor.stop()
            if self._alarm is not None:
                self._alarm.stop()
            store.close()
            self._has_crawlers = False
            self._taken_up = ()
            self._credentials = None

    def run(self, definition: Definition, *, key: str | None = None) -> Run:
        """Start a run of *definition*; on return it is durable and its first pages are due.

        With a *key*, an unfinished run under the same key is taken up instead of a new one. Raises ``DefinitionError``.
        """
        check(definition)
        self._check_running()
        self._start_crawlers()
        job_id: int = self._executor.ask(StartRun(definition=definition, key=key), timeout_s=START_TIMEOUT_S)
        if not self._resumes:
            with self._lifecycle:
                self._taken_up = (*self._taken_up, job_id)
                self.manager.ask(OfferOnly(parent_ids=self._taken_up))
        return self.find_run(job_id)

    def find_run(self, job_id: int) -> Run:
        """Return the handle of a run by the id of its parent job."""
        self._check_process()
        return Run(job_id, self.manager, self._reader)

    @property
    def credentials(self) -> Credentials:
        """The stored credentials."""
        self._check_running()
        if self._credentials is None:
            raise EngineStoppedError
        return self._credentials

    def log_in(self, message: Any) -> Any:
        """Have the browser take the steps of a ``Login`` and return the cookies; raises ``LoginFailedError``."""
        from .browser_messages import ANSWER_SLACK_S

        self._check_running()
        self._start_browser()
        return self._browser.ask(message, timeout_s=message.timeout_s + ANSWER_SLACK_S)

    def health(self) -> Health:
        """Return whether all parts of the engine live."""
        self._check_process()
        supervisor = self._supervisor
        if self._store is None or supervisor is None:
            return Health(state=EngineState.STOPPED)
        if supervisor.cause is not None:
            return Health(state=EngineState.FAILED, cause=supervisor.cause, restarts=supervisor.restarts)
        return Health(state=EngineState.RUNNING, restarts=supervisor.restarts)

    def _start_actors(self, store: Store) -> None:
        from .executor import ExecutorActor
        from .monitor import MonitorActor

        supervisor = self._supervisor = Supervisor(self._clock)
        alarm = self._alarm = Alarm(self._clock, self._ring)
        with store.group():
            database_id = store.queries.database_id()
        self._credentials = Credentials(self.manager, self._key, self._clock, database_id)

        def start_manager() -> pykka.ActorRef[Any]:
            return ManagerActor.start(supervisor, store, wake_at=alarm.set, on_settled=self._tell_monitor)

        supervisor.start()
        supervisor.add(self.manager, start_manager, resume=(ReclaimLeases(), Tick()), carries_others=True)
        supervisor.add(self._monitor, lambda: MonitorActor.start(supervisor, self.manager), resume=(Sweep(),))
        supervisor.add(
            self._executor,
            lambda: ExecutorActor.start(supervisor, self.manager, self._monitor, self._clock),
            resume=(TakeUpRuns(),),
        )
        self._start_reader(supervisor)
        alarm.start()

    def _start_reader(self, supervisor: Supervisor) -> None:
        if self._path == MEMORY:
            self._reader = self.manager
            return
        from .reader import ReaderActor

        supervisor.add(self._reader, lambda: ReaderActor.start(supervisor, self._path, self._clock))

    def _start_crawlers(self) -> None:
        with self._lifecycle:
            if self._has_crawlers:
                return
            self._start_browser()
            from .child_crawler import ChildCrawlerActor

            supervisor = self._running_supervisor()
            jitter = random.SystemRandom().random
            for number in range(self._concurrency):
                supervisor.add(
                    Address(f"crawler {number}"),
                    lambda: ChildCrawlerActor.start(
                        supervisor, self.manager, self._browser, clock=self._clock, jitter=jitter
                    ),
                )
            self._has_crawlers = True

    def _start_browser(self) -> None:
        with self._lifecycle:
            supervisor = self._running_supervisor()
            if supervisor.has(self._browser):
                return
            from .browser import BrowserActor

            supervisor.add(
                self._browser,
                lambda: BrowserActor.start(
                    supervisor, self._open_seal, self._clock, self._executable, tabs_per_context=self._concurrency
                ),
            )

    def _open_seal(self, sealed: SealedCredential) -> Credential:
        return self.credentials.vault().open(sealed)

    def _tell_monitor(self, parent_ids: tuple[int, ...]) -> None:
        try:
            self._monitor.tell(ChildrenEnded(parent_ids=parent_ids))
        except BequestError:
            logger.debug("the monitor is not there; its sweep judges", extra={"parents": list(parent_ids)})

    def _ring(self) -> None:
        for address, message in ((self.manager, Tick()), (self._monitor, Sweep())):
            try:
                address.tell(message)
            except BequestError:
                logger.debug("rung for an actor that is not there", extra={"message_type": type(message).__name__})

    def _running_supervisor(self) -> Supervisor:
        if self._supervisor is None or self._store is None:
            raise EngineStoppedError("the engine is not running; start it, or use it in a with block")
        return self._supervisor

    def _check_running(self) -> None:
        self._check_process()
        supervisor = self._running_supervisor()
        if supervisor.cause is not None:
            raise EngineFailedError(f"the engine has failed: {supervisor.cause}; stop it and look at its log")

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise ForkError
