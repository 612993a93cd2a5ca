"""What every actor has in common: nothing that it raises leaves its thread, and nobody that asks it is left waiting."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pykka
import pytest
from actor_rig import PATIENCE_S, Watch, answer_of

from bequest.actors.asking import Ask, Reply, answer
from bequest.actors.supervised import SupervisedActor, is_answered, refuse
from bequest.engine.errors import EngineError, EngineStoppedError, TransitionError


class Worker(SupervisedActor):
    """Raises what it is told, waits for what it is told to wait for, and answers the rest."""

    def __init__(self, watch: Watch, fault_at_start: BaseException | None = None) -> None:
        super().__init__(watch)
        self.fault_at_start = fault_at_start

    def begin(self) -> None:
        """Fail if that was asked for."""
        if self.fault_at_start is not None:
            raise self.fault_at_start

    def receive(self, message: Any) -> None:
        """Do it."""
        order = message.message if isinstance(message, Ask) else message
        match order:
            case BaseException():
                raise order
            case threading.Event():
                order.wait(PATIENCE_S)
            case "hello" if isinstance(message, Ask):
                message.reply.set("hello")
            case _:
                self.refuse_unknown(message)


class Bystander(pykka.ThreadingActor):
    """An actor of the host's program, which is none of ours."""

    def on_receive(self, message: object) -> object:
        """Echo."""
        return message


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Give an overseer; in the end no thread of its actors is left."""
    seen = Watch()
    yield seen
    seen.join()


def ask(ref: pykka.ActorRef[Worker], message: Any) -> Reply:
    """Send *message* with a reply."""
    reply = Reply()
    ref.tell(Ask(message, reply))
    return reply


FAULTS = [ValueError("broken"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), EngineError("crashed")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_crash_is_told_to_the_overseer_and_to_who_asked(watch: Watch, fault: BaseException) -> None:
    """Whatever an actor raises, its overseer is told that very error, and who asked is not left waiting (I18)."""
    ref = Worker.start(watch)

    reply = ask(ref, fault)

    assert watch.wait_for_crash() is fault
    assert f"Worker crashed on this call ({type(fault).__name__})" in str(answer_of(reply))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_crash_leaves_the_actors_of_the_host_alone(watch: Watch, fault: BaseException) -> None:
    """pykka would stop every actor of the process at a ``BaseException``; those of the host go on."""
    bystander = Bystander.start()
    ref = Worker.start(watch)

    ref.tell(fault)
    watch.wait_for_crash()
    watch.join()

    assert bystander.ask("still there") == "still there"
    bystander.stop()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_crash_at_the_start_is_told_too(watch: Watch, fault: BaseException) -> None:
    """An error before the first message, which pykka only logs, reaches the overseer, and the actor ends."""
    ref = Worker.start(watch, fault)

    assert watch.wait_for_crash() is fault
    watch.join()
    assert not ref.is_alive()


def test_crash_is_told_once_and_what_comes_after_is_refused(watch: Watch) -> None:
    """An actor that has crashed does nothing more: what lay behind is answered with a refusal."""
    ref = Worker.start(watch)
    gate = threading.Event()
    ref.tell(gate)
    behind = [ask(ref, order) for order in (ValueError("first"), ValueError("second"), "hello")]

    gate.set()

    crashed, second, hello = (answer_of(reply) for reply in behind)
    assert [type(crashed), type(second), type(hello)] == [EngineError, EngineStoppedError, EngineStoppedError]
    assert [str(error) for error in watch.errors] == ["first"]


def test_actor_that_ends_with_another_one_is_no_error(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    """An actor whose partner has stopped ends too; that is told, but no error for a person to look at."""
    caplog.set_level(logging.INFO, "bequest")
    ref = Worker.start(watch)

    ref.tell(EngineStoppedError())
    watch.wait_for_crash()

    assert [(record.levelname, record.message) for record in caplog.records if record.name.startswith("bequest")] == [
        ("INFO", "actor ends with another one")
    ]


def test_what_is_told_behind_a_stop_is_answered(watch: Watch) -> None:
    """pykka drops what lies behind a stop together with its reply; here it is refused (I18)."""
    ref = Worker.start(watch)
    gate = threading.Event()
    ref.tell(gate)
    stopped = ref.stop(block=False)
    late = ask(ref, "hello")

    gate.set()

    assert stopped.get(timeout=PATIENCE_S)
    assert isinstance(answer_of(late), EngineStoppedError)


def test_second_stop_is_answered_too(watch: Watch) -> None:
    """Two who stop an actor at once, as it does itself when it crashes, both get to know that it has ended."""
    ref = Worker.start(watch)
    gate = threading.Event()
    ref.tell(gate)
    stops = [ref.stop(block=False) for _ in range(2)]

    gate.set()

    assert all(stop.get(timeout=PATIENCE_S) for stop in stops)


def test_unknown_message_is_refused_and_harms_nothing(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    """Who asks for what an actor does not know is told so; what is told only leaves a warning; the actor goes on."""
    ref = Worker.start(watch)

    ref.tell(object())
    error = answer_of(ask(ref, 17))

    assert str(error) == "Worker was asked for int, which it does not know"
    assert answer_of(ask(ref, "hello")) == "hello"
    assert [record.__dict__["type"] for record in caplog.records] == ["object", "int"]
    ref.stop()


def test_actor_must_say_what_it_does() -> None:
    """A subclass without a ``receive`` crashes at its first message instead of losing it in silence."""
    watch = Watch()
    ref = SupervisedActor.start(watch)

    ref.tell("hello")

    assert isinstance(watch.wait_for_crash(), NotImplementedError)
    watch.join()


def test_reply_is_answered_by_a_result_and_by_an_error() -> None:
    """Whether a reply was set is seen without waiting, also where it is an error or nothing."""
    none, result, error = Reply(), Reply(), Reply()
    result.set(None)
    answer(error, SystemExit(1))

    assert [is_answered(reply) for reply in (none, result, error)] == [False, True, True]


def test_refusal_leaves_an_answer_that_was_given() -> None:
    """Who was answered already is not told otherwise, and what nobody waits for is passed over."""
    reply = Reply()
    reply.set("done")

    refuse(Ask("anything", reply), TransitionError())
    refuse("told", TransitionError())

    assert reply.get(timeout=0) == "done"
