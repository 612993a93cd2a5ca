"""What the tests of actors share: a watch over crashes, a manager over a real file, and a site for a browser."""

from __future__ import annotations

import os
import queue
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pykka

from bequest import Definition, Engine
from bequest.actors.address import Address
from bequest.actors.asking import Ask, answer
from bequest.actors.browser_messages import FetchPage, Login
from bequest.actors.executor import ExecutorActor
from bequest.actors.executor_messages import StartMonitoring, StartRun, TakeUpRuns
from bequest.actors.kinds import Kinds
from bequest.actors.manager import ManagerActor
from bequest.actors.messages import Request
from bequest.actors.standing_messages import Assigned, WantJobs
from bequest.actors.supervised import SupervisedActor, refuse
from bequest.actors.threads import OS_THREADS, Thread
from bequest.engine.changes import Move
from bequest.engine.clock import Clock
from bequest.engine.database_file import open_reader
from bequest.engine.errors import BequestError, EngineStoppedError
from bequest.engine.limits import KindTerms
from bequest.engine.pages import CookieReport, LoginFormFacts, PageRequest, PageSnapshot
from bequest.engine.queries import JobView, Queries
from bequest.engine.records import Completion, Lease
from bequest.engine.store import Store

PATIENCE_S = 20.0  # until a test is given up; what it waits for comes at once

T = TypeVar("T")
Answer = PageSnapshot | BaseException | None
Site = Callable[[PageRequest], Answer]


class Watch:
    """An overseer that notes what it is told, and can be waited for."""

    def __init__(self) -> None:
        self.threads = OS_THREADS
        self.started_threads: list[Thread] = []
        self.errors: list[BaseException] = []
        self._crashed = threading.Semaphore(0)

    def started(self, ref: pykka.ActorRef[Any], thread: Thread) -> None:
        """Note the thread."""
        self.started_threads.append(thread)

    def crashed(self, ref: pykka.ActorRef[Any], error: BaseException) -> None:
        """Note the error."""
        self.errors.append(error)
        self._crashed.release()

    def wait_for_crash(self) -> BaseException:
        """Wait until one more actor has crashed, and return of what."""
        assert self._crashed.acquire(timeout=PATIENCE_S)
        return self.errors[-1]

    def join(self) -> None:
        """Wait until all threads have ended."""
        for thread in self.started_threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


class Hold(Request, frozen=True, kw_only=True):
    """Keeps the manager busy, so that what is sent meanwhile comes to lie in one group behind it."""

    is_held: threading.Event
    may_go: threading.Event

    def apply(self, store: Store) -> None:
        """Wait."""
        self.is_held.set()
        assert self.may_go.wait(PATIENCE_S)


class ManagerRig:
    """A manager over a real file, with what it told the engine."""

    def __init__(self, store: Store) -> None:
        self.watch = Watch()
        self.address = Address("manager")
        self.wakes: list[float] = []
        self.settled: list[int] = []
        self.moves: list[Move] = []
        self.lost: list[int] = []
        self.ref = ManagerActor.start(
            self.watch,
            store,
            wake_at=self.wakes.append,
            on_ripe=lambda ripe: self.settled.extend(ripe.to_judge),
            on_lost=self.lost.extend,
            publish=lambda facts, _at: self.moves.extend(fact for fact in facts if isinstance(fact, Move)),
        )
        self.address.point_to(self.ref)

    def __enter__(self) -> ManagerRig:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the manager; its thread has ended on return."""
        self.ref.stop(timeout=PATIENCE_S)
        self.watch.join()

    def ask(self, message: Request) -> Any:
        """Return the answer."""
        return self.address.ask(message, timeout_s=PATIENCE_S)

    def hold(self) -> Callable[[], None]:
        """Keep the manager busy and return what lets it go on."""
        held = Hold(is_held=threading.Event(), may_go=threading.Event())
        self.address.tell(held)
        assert held.is_held.wait(PATIENCE_S)
        return held.may_go.set

    def ask_as_one_group(self, *messages: Request) -> list[Any]:
        """Send *messages* so that one transaction takes them all, and return each one's answer or error."""
        let_go = self.hold()
        replies = [self.address.ask_later(message) for message in messages]
        let_go()
        return [answer_of(reply) for reply in replies]


def answer_of(reply: pykka.Future[Any]) -> Any:
    """Return the answer, or the error that it is."""
    try:
        return reply.get(timeout=PATIENCE_S)
    except BequestError as error:
        return error


def read(path: Path, clock: Clock, look: Callable[[Queries], T]) -> T:
    """Return what a second connection sees in the file."""
    reader = open_reader(str(path), clock=clock)
    try:
        return look(Queries(reader))
    finally:
        reader.close()


class SiteActor(SupervisedActor):
    """Answers ``FetchPage`` in the browser's place, and ``Login``: unless told how, with itself."""

    def __init__(self, overseer: Any, site: Site, log_in: Callable[[Login], Any] = lambda login: login) -> None:
        super().__init__(overseer)
        self._site = site
        self._log_in = log_in
        self._open: list[Ask] = []

    def receive(self, message: Any) -> None:
        """Answer, or fail as the browser does; a page that is not answered is open until the stop."""
        found: Any = None
        match message:
            case Ask(message=FetchPage(request=request)):
                found = self._site(request)
            case Ask(message=Login() as login):
                found = self._log_in(login)
        if isinstance(found, BaseException):
            answer(message.reply, found)
        elif found is None:
            self._open.append(message)
        else:
            message.reply.set(found)

    def on_stop(self) -> None:
        """Answer what is open."""
        super().on_stop()
        for ask in self._open:
            refuse(ask, EngineStoppedError())


class SiteEngine(Engine):
    """An engine whose browser is a function."""

    def __init__(self, path: Path | str, site: Site, **options: Any) -> None:
        super().__init__(path, **options)
        self._site = site

    def _start_browser(self) -> None:
        supervisor = self._running_supervisor()
        if not supervisor.has(self._browser):
            supervisor.add(self._browser, lambda: SiteActor.start(supervisor, self._site))


def page(
    url: str,
    *links: str,
    status: int = 200,
    html: str | None = None,
    was_redirected: bool = False,
    login_form: LoginFormFacts | None = None,
    cookies: CookieReport | None = None,
    **more: Any,
) -> PageSnapshot:
    """Return a page with *links*, as the browser reads it."""
    anchors = "".join(f'<a href="{link}">{link}</a>' for link in links)
    return PageSnapshot(
        url=url,
        status=status,
        content_type="text/html",
        html=html or f"<title>Page {url}</title><p>This is the page at {url}.</p>{anchors}",
        was_redirected=was_redirected,
        login_form=login_form,
        cookies=cookies,
        **more,
    )


class Worker(pykka.ThreadingActor):
    """Keeps what it is assigned, and asks for nothing by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.assigned: queue.SimpleQueue[tuple[Lease, ...]] = queue.SimpleQueue()

    def on_receive(self, message: Assigned) -> None:
        """Keep it."""
        self.assigned.put(message.leases)


class Hand:
    """A worker, and what the manager told it."""

    def __init__(self) -> None:
        self.ref = Worker.start()
        self._assigned = self.ref.proxy().assigned.get()

    def want(self, *completions: Completion, kind: str = "page", limit: int = 1, lease_s: float = 60.0) -> WantJobs:
        """Return the message that it is free."""
        return WantJobs(
            worker=self.ref,
            queue="default",
            terms=(KindTerms(kind=kind),),
            limit=limit,
            lease_s=lease_s,
            completions=completions,
        )

    def assigned(self) -> tuple[Lease, ...]:
        """Wait for the next assignment."""
        leases: tuple[Lease, ...] = self._assigned.get(timeout=PATIENCE_S)
        return leases

    def is_idle(self) -> bool:
        """Whether nothing was assigned that was not looked at."""
        return bool(self._assigned.empty())

    def stop(self) -> None:
        """End its thread."""
        self.ref.stop(timeout=PATIENCE_S)


class TapedAddress(Address):
    """Passes everything on, notes what, and fails where it is told to."""

    def __init__(self, inner: Address, tape: list[Any]) -> None:
        super().__init__(inner.name)
        self.before: dict[type[Any], Callable[[], object]] = {}  # done before a message of that type is passed on
        self.after: dict[type[Any], Callable[[], object]] = {}
        self._inner = inner
        self._tape = tape

    def tell(self, message: Any) -> None:
        """Pass it on."""
        self._around(message, lambda: self._inner.tell(message))

    def ask(self, message: Any, *, timeout_s: float = PATIENCE_S) -> Any:
        """Pass it on, and return the answer."""
        return self._around(message, lambda: self._inner.ask(message, timeout_s=timeout_s))

    def ask_later(self, message: Any) -> pykka.Future[Any]:
        """Pass it on, and return the future of the answer."""
        return self._inner.ask_later(message)

    def _around(self, message: Any, send: Callable[[], Any]) -> Any:
        self._tape.append(message)
        self.before.get(type(message), nothing)()
        answered = send()
        self.after.get(type(message), nothing)()
        return answered


def nothing() -> None:
    """Do nothing."""


def failing(error: BaseException) -> Callable[[], object]:
    """Return what raises *error*."""

    def fail() -> None:
        raise error

    return fail


def runs_in(queries: Queries) -> list[tuple[JobView, list[JobView]]]:
    """Return each parent with its children."""
    return [(parent, queries.jobs(parent_id=parent.job.id)) for parent in queries.jobs()]


class ExecutorRig:
    """An executor with a real manager behind a tape; the monitor is its inbox on the same tape."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.tape: list[Any] = []
        self.manager = ManagerRig(store)
        self.taped = TapedAddress(self.manager.address, self.tape)
        self.monitor = TapedAddress(DeafAddress("monitor"), self.tape)
        self.executor = Address("executor")
        self.ref = ExecutorActor.start(self.manager.watch, self.taped, self.monitor, Kinds(), clock)
        self.executor.point_to(self.ref)

    def start(self, definition: Definition, *, key: str | None = None) -> Any:
        """Start a run and return its id, or the error that this came to."""
        return answer_of(self.executor.ask_later(StartRun(definition=definition, key=key)))

    def take_up(self) -> Any:
        """Take up what is unfinished and return how many runs, or the error that this came to."""
        return answer_of(self.executor.ask_later(TakeUpRuns()))

    def steps(self) -> list[str]:
        """Return the names of what was sent."""
        return [type(message).__name__ for message in self.tape]

    def monitored(self) -> list[int]:
        """Return the parents that the monitor was told of."""
        return [message.parent_id for message in self.tape if isinstance(message, StartMonitoring)]

    def stop(self) -> None:
        """Stop both actors."""
        self.ref.stop()
        self.manager.stop()


class DeafAddress(Address):
    """Takes everything and does nothing."""

    def tell(self, message: Any) -> None:
        """Take it."""


def in_child(action: Callable[[], Any]) -> str:
    """Return the name of the error that *action* raises in a forked child."""
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads is just what is tested
        pid = os.fork()
    if pid == 0:
        try:
            action()
            found = "nothing"
        except BaseException as error:  # noqa: BLE001 - all of it goes to the parent
            found = type(error).__name__
        os.write(write_end, found.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as answered:
        found = answered.read()
    os.waitpid(pid, 0)
    return found
