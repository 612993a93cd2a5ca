"""Asking: every wait ends, with the answer, the error that is the answer, or a deadline (I18)."""

from __future__ import annotations

import queue
import threading
import traceback
from contextlib import suppress
from typing import Any

import pykka
import pytest

from bequest.actors import asking
from bequest.actors.asking import Ask, Reply, answer, wait_for
from bequest.engine.errors import DeadlineError, EngineStoppedError, TransitionError


class Clerk(pykka.ThreadingActor):
    """Answers with what it is given, fails where that is an error, and leaves silence unanswered."""

    def on_receive(self, message: Ask) -> None:
        """Answer."""
        if isinstance(message.message, Exception):
            try:
                self.find_fault(message.message)
            except TransitionError as error:
                answer(message.reply, error)
        elif message.message != "silence":
            message.reply.set(message.message)

    def find_fault(self, error: Exception) -> None:
        """Raise *error* in a frame of our own."""
        raise error


class AnsweredLate(Reply):
    """An answer that comes after the actor was found dead: it answers on its way out."""

    looks = 0

    def get(self, *, timeout: float | None = None) -> Any:
        """Time out once, then return the answer."""
        self.looks += 1
        if self.looks == 1:
            raise pykka.Timeout
        return "late"


def ask(message: Any, *, timeout_s: float = 10.0, is_dead: bool = False, reply: Reply | None = None) -> Any:
    """Ask a fresh clerk."""
    reply = reply or Reply()
    ref = Clerk.start()
    try:
        if is_dead:
            ref.stop()
        else:
            ref.tell(Ask(message, reply))
        return wait_for(reply, ref, asked="Something", timeout_s=timeout_s)
    finally:
        ref.stop()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often whether the actor lives."""
    monkeypatch.setattr(asking, "ALIVE_CHECK_S", 0.005)


def test_answer_is_returned() -> None:
    """Who asks gets what the actor answered."""
    assert ask("ship") == "ship"


def test_none_is_an_answer() -> None:
    """An answer of nothing ends the wait as any other does."""
    assert ask(None) is None


def test_answered_error_is_raised_with_its_traceback() -> None:
    """The error leaves the wait with the frames of the actor that it was raised in."""
    with pytest.raises(TransitionError, match="no way") as caught:
        ask(TransitionError("no way"))

    assert "find_fault" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_error_that_was_never_raised_is_an_answer() -> None:
    """An error that an actor made without raising it reaches who asked."""
    reply = Reply()

    answer(reply, TransitionError("never raised"))

    with pytest.raises(TransitionError, match="never raised"):
        reply.get(timeout=0)


@pytest.mark.usefixtures("_impatient")
def test_wait_ends_at_its_deadline() -> None:
    """Without an answer the wait ends with an error that names what was asked and how long it took."""
    with pytest.raises(DeadlineError, match=r"asked for Something, found no answer after 0\.02 s"):
        ask("silence", timeout_s=0.02)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_wait_without_time_ends_at_once(timeout_s: float) -> None:
    """A deadline that has passed is no error of its own."""
    with pytest.raises(DeadlineError):
        ask("silence", timeout_s=timeout_s)


class Interrupted(Reply):
    """A wait in which somebody presses Ctrl-C."""

    def get(self, *, timeout: float | None = None) -> Any:
        """Be interrupted."""
        raise KeyboardInterrupt


def test_reply_of_a_wait_that_is_interrupted_is_given_up() -> None:
    """Or the manager would look again for a job's end, at each change, for somebody who has gone."""
    reply = Interrupted()

    with pytest.raises(KeyboardInterrupt):
        ask("silence", reply=reply)

    assert reply.is_given_up


@pytest.mark.parametrize(("timeout_s", "is_given_up"), [(0.001, True), (10.0, False)])
def test_reply_says_that_nobody_waits_any_more(timeout_s: float, is_given_up: bool) -> None:
    """After the deadline whoever keeps the question can see that its answer is wanted no more."""
    reply = Reply()

    with suppress(DeadlineError):
        ask("silence" if is_given_up else "ship", timeout_s=timeout_s, reply=reply)

    assert reply.is_given_up is is_given_up


@pytest.mark.usefixtures("_impatient")
def test_wait_for_a_dead_actor_ends_long_before_the_deadline() -> None:
    """An actor that has stopped and left the question is found dead, and the error names it and what was asked."""
    with pytest.raises(EngineStoppedError, match="asked for Something, but Clerk has stopped"):
        ask("silence", timeout_s=1e9, is_dead=True)


def test_answer_of_a_dying_actor_is_taken() -> None:
    """What an actor answers on its way out is not taken for silence, even when it was found dead before."""
    assert ask("silence", is_dead=True, reply=AnsweredLate()) == "late"


def test_answer_is_given_once() -> None:
    """A second answer, or an error after one, is refused as pykka's own future refuses it, and changes nothing."""
    reply = Reply()
    reply.set("first")

    with pytest.raises(queue.Full):
        reply.set("second")
    with pytest.raises(queue.Full):
        answer(reply, TransitionError("too late"))

    assert [reply.get(timeout=0), reply.get()] == ["first", "first"]


def test_error_in_hand_is_an_answer() -> None:
    """Without a triple the error that is being handled is the answer, as it is to pykka's own future."""
    reply = Reply()

    try:
        Clerk.find_fault(Clerk(), TransitionError("in hand"))
    except TransitionError:
        reply.set_exception()

    with pytest.raises(TransitionError, match="in hand"):
        reply.get(timeout=0)


def test_many_wait_for_one_answer() -> None:
    """Each thread that waits for it gets it."""
    reply = Reply()
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(reply.get(timeout=10.0))) for _ in range(3)]
    for thread in threads:
        thread.start()

    reply.set("ship")

    for thread in threads:
        thread.join()
    assert got == ["ship"] * 3


def test_answer_is_mapped() -> None:
    """What pykka makes of its own future it makes of this one, and what asks another for its answer is not set."""
    reply = Reply()
    mapped = reply.map(str.upper)
    reply.set("ship")

    with pytest.raises(queue.Full):
        mapped.set("another")

    assert mapped.get(timeout=10.0) == "SHIP"
