"""The end of an engine's actors: one that keeps crashing ends all, a stop ends them in order, and nobody waits on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest
from actor_rig import PATIENCE_S
from supervisor_rig import Diary, House

from bequest.actors import supervisor as module
from bequest.actors.supervisor import MAX_CRASHES, Supervisor
from bequest.engine.errors import EngineFailedError, EngineStoppedError, StoreError
from bequest.testing.manual_clock import ManualClock


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


def test_restarts_that_are_all_refused_end_the_engine(house: House) -> None:
    """An actor that cannot be started again is given up like one that keeps crashing, with the last cause."""
    house.add("keeper")
    servant = house.add("servant")
    house.refusals["servant"] = [StoreError("no such file") for _ in range(MAX_CRASHES)]

    servant.tell(ValueError())

    house.wait_until_ended("keeper")
    assert house.supervisor.cause == "the servant crashed 5 times (StoreError)"


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
