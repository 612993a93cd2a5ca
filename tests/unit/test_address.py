"""The way to an actor: it outlives the actor, says why nobody is there, and is closed to a forked child at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pykka
import pytest
from actor_rig import in_child

from bequest.actors.address import Address
from bequest.actors.asking import Ask, answer
from bequest.engine.errors import EngineFailedError, EngineStoppedError, ForkError


class Echo(pykka.ThreadingActor):
    """Answers with its name and what it was asked, and keeps what it was told."""

    def __init__(self, name: str, address: Address) -> None:
        super().__init__()
        self.name = name
        self.address = address
        self.told: list[object] = []

    def on_receive(self, message: object) -> None:
        """Answer, or keep it; "fail" is answered when the engine has failed."""
        if not isinstance(message, Ask):
            self.told.append(message)
        elif message.message == "fail":
            self.address.close(failure="the browser crashed 5 times")
            answer(message.reply, EngineStoppedError())
        elif message.message == "stop":
            answer(message.reply, EngineStoppedError())
        else:
            message.reply.set((self.name, message.message, tuple(self.told)))


Start = Callable[[str], pykka.ActorRef[Echo]]


@pytest.fixture
def address() -> Address:
    """Give an address that leads nowhere yet."""
    return Address("clerk")


@pytest.fixture
def start(address: Address) -> Iterator[Start]:
    """Give what starts an actor at the address."""
    refs: list[pykka.ActorRef[Echo]] = []

    def started(name: str) -> pykka.ActorRef[Echo]:
        refs.append(Echo.start(name, address))
        address.point_to(refs[-1])
        return refs[-1]

    yield started
    for ref in refs:
        ref.stop()


CALLS = [Address.tell, Address.ask, Address.ask_later]


def test_address_reaches_its_actor_in_order(address: Address, start: Start) -> None:
    """What is told and asked arrives, in the order that it was sent."""
    start("first")

    address.tell("one")
    address.tell("two")

    assert address.ask("three") == ("first", "three", ("one", "two"))
    assert address.ask_later("four").get(timeout=10) == ("first", "four", ("one", "two"))


def test_address_leads_to_the_actor_that_was_started_again(address: Address, start: Start) -> None:
    """Whoever holds the address reaches the successor of an actor that has died."""
    start("first").stop()
    start("second")

    assert address.ask("who")[0] == "second"


@pytest.mark.parametrize("call", CALLS)
def test_address_without_an_actor_refuses(address: Address, call: Callable[[Address, object], object]) -> None:
    """Before its actor was started each call is refused, by its name."""
    with pytest.raises(EngineStoppedError, match="the clerk is not running; start the engine first"):
        call(address, "hello")


@pytest.mark.parametrize("call", CALLS)
def test_address_of_a_dead_actor_refuses(
    address: Address, start: Start, call: Callable[[Address, object], object]
) -> None:
    """An actor that has died and was not started again is not waited for."""
    start("first").stop()

    with pytest.raises(EngineStoppedError, match="the clerk has stopped"):
        call(address, "hello")


@pytest.mark.parametrize("call", CALLS)
def test_closed_address_says_why_the_engine_failed(
    address: Address, start: Start, call: Callable[[Address, object], object]
) -> None:
    """After the engine has failed each call says the cause."""
    start("first")
    address.close(failure="the browser crashed 5 times")

    with pytest.raises(EngineFailedError, match="the browser crashed 5 times"):
        call(address, "hello")


def test_ask_that_waits_while_the_engine_fails_says_why(address: Address, start: Start) -> None:
    """Who waits when the engine fails is told the cause, and not only that an actor has stopped."""
    start("first")

    with pytest.raises(EngineFailedError, match="the browser crashed 5 times"):
        address.ask("fail")


def test_ask_that_waits_while_the_engine_stops_says_so(address: Address, start: Start) -> None:
    """A stop is no failure."""
    start("first")

    with pytest.raises(EngineStoppedError):
        address.ask("stop")


def test_address_that_is_opened_again_has_forgotten_the_failure(address: Address, start: Start) -> None:
    """A new start of the engine begins anew, and its stop is no failure."""
    address.close(failure="the browser crashed 5 times")
    start("second")

    assert address.ask("who")[0] == "second"
    with pytest.raises(EngineStoppedError):
        address.ask("stop")


@pytest.mark.parametrize("call", CALLS)
def test_address_is_closed_to_a_forked_child(address: Address, call: Callable[[Address, object], object]) -> None:
    """In a forked child each call raises at once, also where no actor was there."""
    assert in_child(lambda: call(address, "hello")) == ForkError.__name__
