"""What the tests of actors share: a watch over crashes, a manager over a real file, and a site for a browser."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pykka

from bequest import Engine
from bequest.actors.address import Address
from bequest.actors.asking import Ask, answer
from bequest.actors.browser_messages import FetchPage
from bequest.actors.manager import ManagerActor
from bequest.actors.messages import Request
from bequest.actors.standing_messages import Assigned, WantJobs
from bequest.actors.supervised import SupervisedActor
from bequest.engine.clock import Clock
from bequest.engine.database_file import open_reader
from bequest.engine.errors import BequestError
from bequest.engine.pages import CookieReport, LoginFormFacts, PageRequest, PageSnapshot
from bequest.engine.queries import Queries
from bequest.engine.records import Completion, Lease
from bequest.engine.store import Store

PATIENCE_S = 3.0  # until a test is given up; what it waits for comes at once

T = TypeVar("T")
Answer = PageSnapshot | BaseException
Site = Callable[[PageRequest], Answer]


class Watch:
    """An overseer that notes what it is told, and can be waited for."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []
        self._crashed = threading.Semaphore(0)

    def started(self, ref: pykka.ActorRef[Any], thread: threading.Thread) -> None:
        """Note the thread."""
        self.threads.append(thread)

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
        for thread in self.threads:
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
        self.ref = ManagerActor.start(
            self.watch, store, wake_at=self.wakes.append, on_settled=lambda parents: self.settled.extend(parents)
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
    """Answers ``FetchPage`` in the browser's place."""

    def __init__(self, overseer: Any, site: Site) -> None:
        super().__init__(overseer)
        self._site = site

    def receive(self, message: Any) -> None:
        """Answer, or fail as the browser does."""
        assert isinstance(message, Ask)
        asked: FetchPage = message.message
        found = self._site(asked.request)
        if isinstance(found, BaseException):
            answer(message.reply, found)
        else:
            message.reply.set(found)


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
        return WantJobs(worker=self.ref, kind=kind, limit=limit, lease_s=lease_s, completions=completions)

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
