"""The life of an engine's actors: whoever crashes comes back, with all that it carries."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from actor_rig import PATIENCE_S
from supervisor_rig import House

from bequest.actors import supervisor as module
from bequest.actors.address import Address
from bequest.actors.supervisor import CRASH_WINDOW_S, MAX_CRASHES
from bequest.engine.errors import EngineStoppedError, StoreError
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
    assert [name for what, name in seen if what == "ended" and name != "root"] == ["browser", "crawler", "executor"]
    assert house.starts[5:] == ["root", "executor", "browser", "crawler"]
    assert seen.index(("ended", "executor")) < seen.index(("began", "root"))
    assert sorted(str(order) for what, order in seen if what == "told") == ["give back", *["go on"] * 4]
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


def test_supervisor_knows_its_parts(house: House) -> None:
    """An address is a part's once it was added."""
    address = house.add("servant")

    assert house.supervisor.has(address)
    assert not house.supervisor.has(Address("servant"))
