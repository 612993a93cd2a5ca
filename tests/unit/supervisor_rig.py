"""A supervisor with servants that write their lives into a diary."""

from __future__ import annotations

import queue
import threading
from typing import Any

import pykka
from actor_rig import PATIENCE_S

from bequest.actors.address import Address
from bequest.actors.asking import Ask
from bequest.actors.supervised import SupervisedActor, refuse
from bequest.actors.supervisor import MAX_CRASHES, Supervisor
from bequest.engine.errors import EngineStoppedError
from bequest.testing.manual_clock import ManualClock

Diary = queue.SimpleQueue[tuple[str, object]]


class Servant(SupervisedActor):
    """Writes its life into a diary; crashes when it is told an error, and answers everything else."""

    def __init__(self, supervisor: Supervisor, name: str, diary: Diary, fault_at_start: Exception | None) -> None:
        super().__init__(supervisor)
        self.name = name
        self.diary = diary
        self.fault_at_start = fault_at_start
        self.parked: list[Ask] = []

    def begin(self) -> None:
        """Note it, and fail where that was asked for."""
        self.diary.put(("began", self.name))
        if self.fault_at_start is not None:
            raise self.fault_at_start

    def receive(self, message: Any) -> None:
        """Do it."""
        match message:
            case Ask(message=threading.Event() as gate, reply=reply):
                reply.set(None)
                gate.wait(PATIENCE_S)
            case Ask(message="wait"):
                self.parked.append(message)
            case Ask(reply=reply):
                reply.set(self.name)
            case BaseException():
                raise message
            case _:
                self.diary.put(("told", message))

    def on_stop(self) -> None:
        """Note it."""
        super().on_stop()
        for ask in self.parked:
            refuse(ask, EngineStoppedError())
        self.diary.put(("ended", self.name))


class House:
    """A supervisor and its servants."""

    def __init__(self, clock: ManualClock) -> None:
        self.supervisor = Supervisor(clock)
        self.diary: Diary = queue.SimpleQueue()
        self.addresses: dict[str, Address] = {}
        self.starts: list[str] = []
        self.refusals: dict[str, list[Exception]] = {}
        self.supervisor.start()

    def add(self, name: str, *, resume: tuple[Any, ...] = ("go on",), **options: Any) -> Address:
        """Add a servant; its next starts raise the refusals that are noted."""
        self.addresses[name] = Address(name)

        def start() -> pykka.ActorRef[Any]:
            self.starts.append(name)
            if self.refusals.get(name):
                raise self.refusals[name].pop()
            return Servant.start(self.supervisor, name, self.diary, fault_at_start)

        fault_at_start = options.pop("fault_at_start", None)
        self.supervisor.add(self.addresses[name], start, resume=resume, **options)
        return self.addresses[name]

    def next(self, what: str) -> object:
        """Wait for the next entry of that kind in the diary, passing over others."""
        while (entry := self.diary.get(timeout=PATIENCE_S))[0] != what:
            pass
        return entry[1]

    def crash(self, name: str, error: BaseException | None = None) -> None:
        """Have a servant crash, and wait until it goes on."""
        self.addresses[name].tell(error or ValueError())
        assert self.next("told") == "go on"

    def ruin(self, name: str, *, before: int = 0, error: Exception | None = None) -> None:
        """Have a servant that crashed *before* crash until it is given up, and wait until all others have ended."""
        for _ in range(MAX_CRASHES - 1 - before):
            self.crash(name, error)
        self.addresses[name].tell(error or ValueError())
        for other in list(self.addresses)[::-1]:
            if other != name:
                self.wait_until_ended(other)

    def wait_until_ended(self, name: str) -> None:
        """Wait until that servant has ended; the engine has failed when one ends that did not crash."""
        while self.next("ended") != name:
            pass

    def entries(self) -> list[tuple[str, object]]:
        """Return what is left in the diary."""
        found = []
        while not self.diary.empty():
            found.append(self.diary.get())
        return found
