"""Owns the wiring: ``Engine`` starts the actors, supervises them, and stops them in order.

Nothing is global: several engines live in one process, no signal handler is taken, and no thread is left after
``stop``.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec
import pykka

from ..engine.changes import Ripe
from ..engine.clock import Clock, SystemClock
from ..engine.database import MEMORY, database_at
from ..engine.database_connection import Durability
from ..engine.errors import BequestError, EngineFailedError, EngineStoppedError, ForkError
from ..engine.keys import KeySource
from ..engine.retention import Retention
from ..engine.store import Store
from .address import Address
from .alarm import Alarm
from .callbacks import CallbackThread
from .control_messages import StopClaims, TakeOver
from .engine_options import check_options, slots_of
from .event_hub import EventHub
from .executor_messages import ChildrenEnded, GoOn, Sweep, TakeUpRuns
from .given import check_timeout
from .handles import Credentials
from .health import EngineState, Health, running_health
from .housekeeper import HousekeeperActor, LookAround
from .housekeeping import Housekeeping, with_archive
from .housekeeping_messages import CutWal
from .job_interface import JobInterface
from .kinds import Kind, Kinds
from .manager import ManagerActor, Tick
from .messages import OfferOnly, ReclaimLeases
from .pruner import Pruner
from .run_interface import START_TIMEOUT_S, RunInterface
from .supervisor import Supervisor
from .threads import OS_THREADS, Threads
from .trouble import Trouble
from .working import Working

if TYPE_CHECKING:
    from .worker_team import WorkerTeam

logger = logging.getLogger(__name__)


class Engine(JobInterface, RunInterface, Housekeeping):
    """A durable job engine over one database file, and its crawler.

    *path* is a file or ``":memory:"``; *key* opens and seals credentials; *durability* ``"relaxed"`` may lose the
    newest writes at a power cut, never at a kill; *concurrency* is how many pages are fetched at once over all runs;
    *browser* is a Chromium's path, None to look for one; without *resume* unfinished runs rest until ``run`` takes them
    up; *queues* says how many handlers of a queue run at once (8 unless said otherwise), and names the queues that are
    worked on although no kind names them; *retention* is pruned by from the start on and every five minutes. For tests
    there are *vfs*, the name of what SQLite reaches the file through, None its own, and *threads*, what it runs on.
    Nothing is opened before ``start``.
    """

    _store: Store | None = None  # while it runs, as all of these
    _alarm: Alarm | None = None
    _supervisor: Supervisor | None = None
    _has_crawlers = False

    def __init__(  # noqa: PLR0913 - all but the path by name, each with a default
        self,
        path: str | os.PathLike[str] = MEMORY,
        *,
        key: KeySource | None = None,
        durability: Durability = "full",
        concurrency: int = 4,
        browser: str | None = None,
        resume: bool = True,
        queues: Mapping[str, int] | None = None,
        retention: Retention | None = None,
        clock: Clock | None = None,
        vfs: str | None = None,
        threads: Threads = OS_THREADS,
    ) -> None:
        check_options(path, concurrency, durability, key, retention, clock)
        super().__init__(retention, vfs, threads)
        self._threads = threads
        self._jitter: Callable[[], float] = random.SystemRandom().random
        self._path = database_at(Path(path) if str(path) != MEMORY else MEMORY)
        self._key = key
        self._durability: Durability = durability
        self._concurrency = concurrency
        self._executable = browser
        self._resumes = resume
        self._clock = clock or SystemClock()
        self._pid = os.getpid()
        self._lifecycle = threads.lock()
        self._slots = slots_of(queues)
        self._team: WorkerTeam | None = None  # while it runs, from the first kind on
        self._working = Working(threads)
        self._kinds = Kinds()
        self._trouble = Trouble()
        self._hub = EventHub(threads)
        self._callbacks = CallbackThread(threads)
        self.manager, self._executor, self._monitor, self._reader, self._browser, self._keeper = (
            Address(name, threads) for name in ("manager", "executor", "monitor", "reader", "browser", "session keeper")
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if os.getpid() == self._pid:  # a forked child that leaves the block stops nothing, and may be on its way out
            self.stop()

    def start(self) -> None:
        """Open the database as its one owner, start the actors and go on with every unfinished run, unless told not to.

        Raises ``DatabaseOwnedError``, ``ArchiveError`` and the other errors of the store; then nothing was started.
        """
        self._check_process()
        with self._lifecycle:
            if self._store is not None:
                return
            if self._retention is not None:
                self._retention = with_archive(self._retention)
            self._callbacks.start()
            self._store = Store.open(self._path, clock=self._clock, durability=self._durability, vfs=self._vfs)
            try:
                self._start_actors(self._store)
                self.manager.ask(TakeOver())
                self._work_on(self._kinds.queues())
                if not self._resumes:
                    self.manager.ask(OfferOnly(parent_ids=()))
                elif self._executor.ask(TakeUpRuns(), timeout_s=START_TIMEOUT_S) or self.schedules.makes_runs():
                    self._start_crawlers()
                self.manager.tell(Tick())  # what fell due while no engine ran
            except BaseException:
                self.stop()
                raise

    def stop(self, grace_s: float = 0.0) -> None:
        """Stop all actors, give leases back and close the database; no thread and no process is left on return.

        No job is begun any more; what runs, pages too, is waited for up to *grace_s* seconds and then given up. Another
        call while this one waits cuts that short to its own. A thread whose handler never returns cannot be ended; it
        is left to itself, what it does counts for nothing, and ``health`` counts it.
        """
        self._check_process()
        check_timeout(grace_s)
        self._come_to_rest(grace_s)
        with self._lifecycle:
            store, self._store = self._store, None
            if store is None:
                return
            if self._supervisor is not None:
                self._supervisor.stop()
            if self._team is not None:
                self._team.stop()
                self._team = None
            self._hub.stop()
            self._callbacks.stop()
            if self._alarm is not None:
                self._alarm.stop()
            store.close()
            self._has_crawlers = False
            self._taken_up = ()
            self._credentials = None

    def run_forever(self, *, grace_s: float = 30.0, notify: bool = False) -> Health:
        """Start, unless it runs, and run until SIGTERM, SIGINT, or a ``stop`` from elsewhere; return the health then.

        The first signal stops with that grace, the second without. Only the main thread has signals, and gives them
        back. With *notify* systemd is told, and its watchdog while the manager answers. Raises ``EngineFailedError``,
        stopped, when a part of the engine kept dying: let the program end and be started again.
        """
        from .forever import Forever

        self._check_process()
        check_timeout(grace_s)
        return Forever(self, self._clock, grace_s=grace_s, environment=os.environ if notify else {}).run()

    def _come_to_rest(self, grace_s: float) -> None:
        """Have nothing begun any more, and wait for what runs, while those who do it can still report."""
        if self.health().state is not EngineState.RUNNING:
            return
        try:
            self.manager.ask(StopClaims())
        except BequestError:
            logger.debug("the manager is not there; what runs is waited for all the same")
        if self._team is not None:
            self._team.drain()
        self._working.wait_for_rest(grace_s)

    def health(self) -> Health:
        """Return whether all parts of the engine live."""
        self._check_process()
        supervisor, store = self._supervisor, self._store
        if store is None or supervisor is None:
            return Health(state=EngineState.STOPPED, abandoned=self._working.abandoned())
        running = running_health(store.wal_bytes, cause=supervisor.cause, restarts=supervisor.restarts)
        return msgspec.structs.replace(
            running, abandoned=self._working.abandoned(), backup=self._backup, disk_fault=self._trouble.fault
        )

    def _start_actors(self, store: Store) -> None:
        from .executor import ExecutorActor
        from .monitor import MonitorActor

        start = self._threads.start_actor
        supervisor = self._supervisor = Supervisor(self._clock, self._threads)
        alarm = self._alarm = Alarm(self._clock, self._ring, self._threads)
        trouble = self._trouble = Trouble()
        with store.group():
            database_id = store.queries.database_id()
        self._credentials = Credentials(self.manager, self._key, self._clock, database_id, self.log_in)

        def start_manager() -> pykka.ActorRef[Any]:
            return start(
                ManagerActor,
                supervisor,
                store,
                wake_at=alarm.set,
                on_ripe=self._tell_ripe,
                on_lost=self._tell_workers,
                publish=self._hub.publish,
                trouble=trouble,
            )

        supervisor.start()
        supervisor.add(self.manager, start_manager, resume=(ReclaimLeases(), Tick()), carries_others=True)
        supervisor.add(self._monitor, lambda: start(MonitorActor, supervisor, self.manager), resume=(Sweep(),))
        supervisor.add(
            self._executor,
            lambda: start(ExecutorActor, supervisor, self.manager, self._monitor, self._kinds, self._clock),
            resume=(TakeUpRuns(),),
        )
        self._start_reader(supervisor)
        self._pruner = Pruner(self.manager, self._reader, self._clock)
        self._start_housekeeper(supervisor, self._pruner)
        alarm.start()

    def _start_reader(self, supervisor: Supervisor) -> None:
        if self._path == MEMORY:
            self._reader = self.manager
            return
        from .reader import ReaderActor

        supervisor.add(
            self._reader,
            lambda: self._threads.start_actor(
                ReaderActor,
                supervisor,
                self._path,
                self._clock,
                cut_wal=lambda: self.manager.ask(CutWal()),
                vfs=self._vfs,
            ),
        )

    def _start_housekeeper(self, supervisor: Supervisor, pruner: Pruner) -> None:
        retention = self._retention
        if retention is not None:
            supervisor.add(
                self._housekeeper,
                lambda: self._threads.start_actor(HousekeeperActor, supervisor, pruner, retention, self._clock),
            )

    def _work_on(self, queues: set[str]) -> None:
        """Have *queues* worked on, and those that slots were given for; the team begins with the first kind."""
        if self._team is None and queues:
            from .attempt import Attempts
            from .worker import WorkerActor
            from .worker_team import WorkerTeam

            supervisor = self._running_supervisor()
            self._team = WorkerTeam(
                lambda **own: self._threads.start_actor(WorkerActor, supervisor, self.manager, self._kinds, **own),
                supervisor,
                slots=self._slots,
                clock=self._clock,
                working=self._working,
                attempts=Attempts(self._clock, self._jitter, self._threads),
            )
            self._team.start()
        if self._team is not None:
            self._team.work_on(queues | self._slots.keys())

    def _start_crawlers(self) -> None:
        with self._lifecycle:
            if self._has_crawlers:
                return
            self._start_browser()
            from .child_crawler import ChildCrawlerActor
            from .page_visit import CrawlAddresses
            from .session_keeper import SessionKeeperActor

            supervisor, vault = self._running_supervisor(), self.credentials.vault
            start = self._threads.start_actor
            addresses = CrawlAddresses(self.manager, self._browser, self._keeper)
            own: dict[str, Any] = {"clock": self._clock, "jitter": self._jitter}
            supervisor.add(
                self._keeper, lambda: start(SessionKeeperActor, supervisor, *addresses[:2], vault=vault, **own)
            )
            for number in range(self._concurrency):
                supervisor.add(
                    Address(f"crawler {number}", self._threads),
                    lambda: start(ChildCrawlerActor, supervisor, addresses, working=self._working, **own),
                )
            self._has_crawlers = True

    def _start_browser(self) -> None:
        with self._lifecycle:
            supervisor = self._running_supervisor()
            if supervisor.has(self._browser):
                return
            from .browser import BrowserActor
            from .write_back import seals_of

            seals = seals_of(self.manager, self.credentials.vault)
            supervisor.add(
                self._browser,
                lambda: self._threads.start_actor(
                    BrowserActor, supervisor, seals, self._clock, self._executable, tabs_per_context=self._concurrency
                ),
            )

    def _kind_added(self, kind: Kind[Any, Any]) -> None:
        self._check_process()
        with self._lifecycle:
            if self._store is not None:
                self._work_on({kind.terms.queue})

    def _tell_workers(self, job_ids: frozenset[int]) -> None:
        team = self._team
        if team is not None:
            team.lose(job_ids)

    def _tell_ripe(self, ripe: Ripe) -> None:
        """Tell who acts on it; a sweep makes up for what does not arrive."""
        if ripe.to_judge:
            self._monitor.tell_if_there(ChildrenEnded(parent_ids=ripe.to_judge))
        if ripe.to_go_on:
            self._executor.tell_if_there(GoOn(parent_ids=ripe.to_go_on))

    def _ring(self) -> None:
        self.manager.tell_if_there(Tick())
        self._monitor.tell_if_there(Sweep())
        if self._retention is not None:
            self._housekeeper.tell_if_there(LookAround())

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
