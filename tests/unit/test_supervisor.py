"""The life of an engine's actors: one that crashes comes back, one that keeps crashing ends the engine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pykka
import pytest
from actor_rig import PATIENCE_S

from bequest.actors import supervisor as module
from bequest.actors.address import Address
from bequest.actors.asking import Ask
from bequest.actors.supervised import SupervisedActor, refuse
from bequest.actors.supervisor import CRASH_WINDOW_S, MAX_CRASHES, Supervisor
from bequest.engine.errors import EngineFailedError, EngineStoppedError, StoreError
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


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let no time pass before a restart, and give how many crashes each of them came after."""
    noted: list[int] = []

    def no_delay(failures: int) -> float:
        noted.append(failures)
        return 0.0

    monkeypatch.setattr(module, "restart_delay_s", no_delay)
    return noted


@pytest.fixture
def house(clock: ManualClock, delays: list[int]) -> Iterator[House]:
    """Give a supervisor; in the end no thread is left."""
    before = set(threading.enumerate())
    built = House(clock)
    yield built
    built.supervisor.stop()
    assert set(threading.enumerate()) <= before


def test_crashed_actor_is_started_again(house: House) -> None:
    """An actor that has crashed comes back under its address, and is told to go on; nobody else is touched."""
    house.add("bystander")
    address = house.add("servant")

    house.crash("servant")

    assert address.ask("who") == "servant"
    assert house.starts == ["bystander", "servant", "servant"]
    assert (house.supervisor.restarts, house.supervisor.cause) == (1, None)


def test_actor_is_told_to_go_on_after_a_restart_alone(house: House) -> None:
    """What an actor is told after a restart it is not told at first, and one that has nothing to go on with never."""
    house.add("servant")
    quiet = house.add("quiet", resume=())
    told_at_first = [entry for entry in house.entries() if entry[0] == "told"]

    quiet.tell(ValueError())
    while house.next("began") != "quiet":
        pass
    house.crash("servant")

    house.supervisor.stop()
    assert told_at_first == []
    assert [entry for entry in house.entries() if entry[0] == "told"] == []


def test_restarts_back_off(house: House, delays: list[int]) -> None:
    """The wait before a restart grows with the number of crashes in a row."""
    house.add("servant")

    for _ in range(3):
        house.crash("servant")

    assert delays == [1, 2, 3]


def test_crashes_of_long_ago_are_forgotten(house: House, clock: ManualClock, delays: list[int]) -> None:
    """Only crashes within the window count, so an actor that crashes now and then is never given up."""
    house.add("servant")

    for _ in range(MAX_CRASHES + 1):
        house.crash("servant")
        clock.advance(CRASH_WINDOW_S)

    assert delays == [1] * (MAX_CRASHES + 1)
    assert house.supervisor.cause is None


def test_actor_that_carries_others_takes_them_with_it(house: House) -> None:
    """All that were added after it end first, as at a stop, and begin after it; who was added before goes on."""
    house.add("before")
    house.add("root", resume=("give back", "go on"), carries_others=True)
    for name in ("executor", "browser", "crawler"):
        house.add(name)
    house.entries()

    house.addresses["root"].tell(ValueError())

    seen: list[tuple[str, object]] = []
    while [what for what, _ in seen].count("told") < 5:
        seen.append(house.diary.get(timeout=PATIENCE_S))
    told = [detail for what, detail in seen if what == "told"]
    assert [name for what, name in seen if what == "ended" and name != "root"] == ["browser", "crawler", "executor"]
    assert [name for what, name in seen if what == "began"] == ["root", "executor", "browser", "crawler"]
    assert seen.index(("ended", "executor")) < seen.index(("began", "root"))
    assert told == ["give back", *["go on"] * 4]
    assert all(address.ask("who") == name for name, address in house.addresses.items())
    assert house.supervisor.restarts == 1


def test_carried_actor_that_does_not_start_is_tried_again(house: House) -> None:
    """One of those that are started again may be refused for a while; the others are there all the same."""
    house.add("root", carries_others=True)
    for name in ("reader", "crawler"):
        house.add(name)
    house.entries()
    house.refusals["reader"] = [StoreError("no such file")]

    house.addresses["root"].tell(ValueError())

    assert [house.next("told") for _ in range(3)] == ["go on"] * 3
    assert house.starts[3:] == ["root", "reader", "crawler", "reader"]
    assert house.addresses["reader"].ask("who") == "reader"


def test_to_end_because_another_crashed_is_no_crash(house: House) -> None:
    """An actor that finds its partner gone is started again as often as that takes; the partner's own crashes count."""
    house.add("partner")
    house.add("servant")
    house.crash("partner")

    for _ in range(MAX_CRASHES):
        house.crash("servant", EngineStoppedError())
    assert house.supervisor.cause is None
    house.ruin("partner", before=1)

    assert house.supervisor.cause == "the partner crashed 5 times (ValueError)"


def test_crashes_of_two_actors_count_for_each(house: House) -> None:
    """What crashes by its own fault is given up, whoever else crashes too."""
    house.add("partner")
    house.add("servant")
    house.crash("partner")

    house.ruin("servant")

    assert house.supervisor.cause == "the servant crashed 5 times (ValueError)"


def test_to_end_because_of_nobody_is_a_crash(house: House) -> None:
    """An actor that keeps saying that another one has stopped, while none has, is given up."""
    house.add("bystander")
    house.add("servant")

    house.ruin("servant", error=EngineStoppedError())

    assert house.supervisor.cause == "the servant crashed 5 times (EngineStoppedError)"


def test_actor_that_keeps_crashing_ends_the_engine(house: House) -> None:
    """One that is given up ends all others too, and whoever calls any of them is told the cause (I18)."""
    house.add("bystander")
    house.add("servant")

    house.ruin("servant")

    assert house.supervisor.cause == "the servant crashed 5 times (ValueError)"
    for address in house.addresses.values():
        with pytest.raises(EngineFailedError, match=r"the servant crashed 5 times \(ValueError\); stop it"):
            address.ask("who")


def test_who_waits_when_the_engine_fails_is_told_why(house: House) -> None:
    """A question that another actor keeps ends with the cause, and not with its deadline."""
    bystander = house.add("bystander")
    house.add("servant")
    answers: Diary = queue.SimpleQueue()

    def wait() -> None:
        try:
            bystander.ask("wait", timeout_s=1e9)
        except EngineFailedError as error:
            answers.put(("failed", str(error)))

    waiter = threading.Thread(target=wait)
    waiter.start()
    house.ruin("servant")

    assert "the servant crashed 5 times" in str(answers.get(timeout=PATIENCE_S)[1])
    waiter.join()


def test_failed_engine_starts_nothing_again(house: House) -> None:
    """After the engine has failed a further crash is of no consequence."""
    keeper = house.add("keeper")
    gate = threading.Event()
    for name in ("servant", "last"):
        house.add(name)
    keeper.ask(gate)
    keeper.tell(ValueError("behind the gate"))
    for _ in range(MAX_CRASHES - 1):
        house.crash("servant")
    house.addresses["servant"].tell(ValueError())
    house.wait_until_ended("last")

    gate.set()
    house.wait_until_ended("keeper")
    house.supervisor._crashes.put(None)  # behind the keeper's crash, which it then has passed over
    house.supervisor._thread.join(PATIENCE_S)

    assert house.starts.count("keeper") == 1


def test_crash_while_an_actor_is_added_is_seen(house: House) -> None:
    """An actor that crashes before its supervisor has noted it is started again all the same."""
    house.add("keeper")

    house.add("stillborn", fault_at_start=ValueError())

    house.wait_until_ended("keeper")
    assert house.starts.count("stillborn") == MAX_CRASHES
    assert house.supervisor.cause == "the stillborn crashed 5 times (ValueError)"


def test_first_start_that_is_refused_is_for_who_asked(house: House) -> None:
    """An actor that cannot be started at all is not part of the engine."""
    house.refusals["servant"] = [StoreError("no such file")]

    with pytest.raises(StoreError, match="no such file"):
        house.add("servant")

    assert not house.supervisor.has(house.addresses["servant"])


def test_restart_that_is_refused_is_tried_again(house: House, delays: list[int]) -> None:
    """When an actor cannot be started again its supervisor lives on, and the attempt counts as a crash."""
    address = house.add("servant")
    house.refusals["servant"] = [StoreError("no such file"), StoreError("no such file")]

    house.crash("servant")

    assert address.ask("who") == "servant"
    assert delays == [1, 2, 3]
    assert house.supervisor.restarts == 1


def test_restarts_that_are_all_refused_end_the_engine(house: House) -> None:
    """An actor that cannot be started again is given up like one that keeps crashing, with the last cause."""
    house.add("keeper")
    servant = house.add("servant")
    house.refusals["servant"] = [StoreError("no such file") for _ in range(MAX_CRASHES)]

    servant.tell(ValueError())

    house.wait_until_ended("keeper")
    assert house.supervisor.cause == "the servant crashed 5 times (StoreError)"


def test_supervisor_knows_its_parts(house: House) -> None:
    """An address is a part's once it was added."""
    address = house.add("servant")

    assert house.supervisor.has(address)
    assert not house.supervisor.has(Address("servant"))


def test_actors_end_in_reverse_order_but_the_browser_first(house: House) -> None:
    """Who asks ends before whom it asks; the browser ends before the crawlers, so that they do not wait for it."""
    for name in ("manager", "executor", "browser", "crawler"):
        house.add(name)

    house.supervisor.stop()

    ended = [name for what, name in house.entries() if what == "ended"]
    assert ended == ["browser", "crawler", "executor", "manager"]


def test_stopped_actors_refuse(house: House) -> None:
    """After a stop, which is no failure, each address says that nobody is there."""
    address = house.add("servant")

    house.supervisor.stop()

    with pytest.raises(EngineStoppedError, match="not running"):
        address.ask("who")


def test_stop_does_not_wait_for_a_restart(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop in the middle of the wait before a restart ends that wait, and nothing is started any more."""
    waits = threading.Event()

    def long_delay(_failures: int) -> float:
        waits.set()
        return 1e6

    monkeypatch.setattr(module, "restart_delay_s", long_delay)
    house = House(clock)
    house.add("servant").tell(ValueError())
    assert waits.wait(PATIENCE_S)

    house.supervisor.stop()

    assert house.starts == ["servant"]
    assert house.supervisor.restarts == 0


def test_actor_that_does_not_stop_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop waits for an actor no longer than it says, names it in the log, and goes on with the others."""
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.01)
    monkeypatch.setattr(module, "JOIN_TIMEOUT_S", 0.01)
    gate = threading.Event()
    house.add("keeper")
    house.add("stubborn").ask(gate)

    house.supervisor.stop()
    gate.set()

    assert [record.__dict__["actor"] for record in caplog.records] == ["stubborn"]
    assert [house.next("ended") for _ in range(2)] == ["keeper", "stubborn"]


def test_supervisor_that_was_never_started_stops(clock: ManualClock) -> None:
    """A start of the engine that was refused early leaves a supervisor that has no thread yet."""
    supervisor = Supervisor(clock)

    supervisor.stop()

    assert supervisor.cause is None
