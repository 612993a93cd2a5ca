"""Tests of ``run_forever``: what signals do, what systemd is told, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from handler_rig import PATIENCE_S, Hold, Signals, leaving_no_thread, when_it_drains

from bequest import DatabaseOwnedError, Engine, EngineFailedError, EngineState, Health, JobContext, JobHandle, State
from bequest.actors.forever import signals_to

Handler = Callable[[int, FrameType | None], object]
STOPPED = Health(state=EngineState.STOPPED)


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[list[int]]:
    """Have the signals heard by handlers of the test's own, and check that these are back afterwards."""
    heard: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    former = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in numbers}
    own = {number: signal.getsignal(number) for number in numbers}
    yield heard
    found = {number: signal.getsignal(number) for number in numbers}
    for number, handler in former.items():
        signal.signal(number, handler)
    assert found == own


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Give a socket that hears what systemd would."""
    name = f"bequest-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        yield listening


class Rig:
    """An engine on a file, with one slot and a kind that waits until it may go or is told to end."""

    def __init__(self, folder: Path) -> None:
        self.signals = Signals()
        self.engine = Engine(folder / "jobs.db", queues={"default": 1})
        self.is_draining = when_it_drains(self.engine)
        self._threads: list[threading.Thread] = []
        self._is_listening = threading.Event()

        @self.engine.kind("waits")
        def waits(job: JobContext) -> str:
            self.signals.say("begun")
            while not self.signals["go"].is_set():
                job.wait(0.01)
            return "done"

    def begin(self) -> JobHandle[str]:
        """Start the engine and a job, and have another one wait behind it."""
        self.engine.start()
        job: JobHandle[str] = self.engine.enqueue("waits")
        self.signals.wait("begun")
        self.engine.enqueue("waits")
        return job

    def meanwhile(self, act: Callable[[], object]) -> None:
        """Do *act* on another thread once ``run_forever`` has the signals."""

        def wait_and_act() -> None:
            assert self._is_listening.wait(PATIENCE_S)
            act()

        thread = threading.Thread(target=wait_and_act)
        self._threads.append(thread)
        thread.start()

    def run_forever(self, *, grace_s: float = 3600.0, notify: bool = False) -> Health:
        """Run the engine, and note when it has the signals: before it is started."""
        start = self.engine.start

        def noted_start() -> None:
            self._is_listening.set()
            start()

        self.engine.start = noted_start  # type: ignore[method-assign]
        return self.engine.run_forever(grace_s=grace_s, notify=notify)

    def states(self) -> list[tuple[State, int]]:
        """Return the states of all jobs, with their attempts, once all is over."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
        with Engine(self.engine._path) as again:
            return [(view.job.state, view.job.attempts) for view in again.jobs()]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Give an engine, and check that no thread is left of it."""
    with leaving_no_thread():
        yield Rig(tmp_path)


def send(number: int) -> None:
    """Send this process a signal."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_lets_what_runs_end(rig: Rig, number: int, own_handlers: list[int]) -> None:
    """What runs has its grace, nothing else is begun, and the health comes back; nobody else heard the signal."""
    rig.begin()

    def act() -> None:
        send(number)
        assert rig.is_draining.wait(PATIENCE_S)
        rig.signals.say("go")

    rig.meanwhile(act)
    health = rig.run_forever(grace_s=PATIENCE_S)

    assert health == STOPPED
    assert rig.states() == [(State.COMPLETED, 1), (State.PENDING, 0)]
    assert own_handlers == []


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGINT)])
def test_second_signal_cuts_the_grace_short(rig: Rig, numbers: tuple[int, int]) -> None:
    """It stops at once, in order: what ran is due again with its attempt refunded."""
    rig.begin()

    def act() -> None:
        send(numbers[0])
        assert rig.is_draining.wait(PATIENCE_S)
        send(numbers[1])

    rig.meanwhile(act)
    health = rig.run_forever()

    assert health == STOPPED
    assert rig.states() == [(State.PENDING, 0), (State.PENDING, 0)]


def test_storm_of_signals_is_survived(rig: Rig) -> None:
    """Fifty signals while it stops change nothing about how it does."""
    rig.begin()

    def act() -> None:
        for _ in range(50):
            send(signal.SIGTERM)
            send(signal.SIGINT)

    with signals_to(lambda _: None):  # for those that come after it has given them back
        rig.meanwhile(act)
        health = rig.run_forever()
        states = rig.states()

    assert health == STOPPED
    assert states == [(State.PENDING, 0), (State.PENDING, 0)]


def test_grace_has_an_end(rig: Rig) -> None:
    """What runs longer than its grace is given up."""
    rig.begin()

    rig.meanwhile(lambda: send(signal.SIGTERM))
    health = rig.run_forever(grace_s=0.05)

    assert health == STOPPED
    assert rig.states() == [(State.PENDING, 0), (State.PENDING, 0)]


def test_stop_from_elsewhere_ends_it(rig: Rig) -> None:
    """A program may end it by itself, from another thread."""
    rig.begin()

    rig.meanwhile(rig.engine.stop)
    health = rig.run_forever()

    assert health == STOPPED


def test_it_starts_the_engine(rig: Rig, systemd: socket.socket) -> None:
    """An engine that does not run is started, and is ready when that is said."""

    def act() -> None:
        assert systemd.recv(100) == b"READY=1"
        assert rig.engine.health().state is EngineState.RUNNING
        send(signal.SIGTERM)

    rig.meanwhile(act)

    assert rig.run_forever(notify=True) == STOPPED


def test_start_that_is_refused_is_the_callers(rig: Rig) -> None:
    """An error of the start comes out, and the signals are given back."""
    with Engine(rig.engine._path), pytest.raises(DatabaseOwnedError):
        rig.run_forever()


def test_systemd_is_told_when_asked(rig: Rig, systemd: socket.socket) -> None:
    """It hears of the start, and of the stop when that begins."""
    rig.begin()
    told: list[bytes] = []

    def act() -> None:
        told.append(systemd.recv(100))
        send(signal.SIGTERM)
        told.append(systemd.recv(100))
        told.append(b"at rest" if rig.engine.health().state is EngineState.STOPPED else b"still there")
        rig.signals.say("go")

    rig.meanwhile(act)
    rig.run_forever(grace_s=PATIENCE_S, notify=True)

    assert told == [b"READY=1", b"STOPPING=1", b"still there"]


def test_systemd_is_not_told_unless_asked(rig: Rig, systemd: socket.socket) -> None:
    """The environment is not read without a word of the program."""
    rig.begin()
    systemd.setblocking(False)

    rig.meanwhile(lambda: send(signal.SIGTERM))
    rig.run_forever(grace_s=0.0)

    with pytest.raises(BlockingIOError):
        systemd.recv(100)


def test_watchdog_hears_of_a_manager_that_answers(
    rig: Rig, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signs of life come while it answers, stop when it does not, and come again when it does."""
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    rig.engine.start()
    held = Signals()
    seen: list[str] = []

    def act() -> None:
        assert systemd.recv(100) == b"READY=1"
        assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        rig.engine.manager.tell(Hold(signals=held))
        held.wait("held")
        systemd.settimeout(0.3)
        try:
            while len(seen) < 3:
                seen.append(systemd.recv(100).decode())
        except TimeoutError:
            seen.append("silence")
        held.say("may go")
        systemd.settimeout(PATIENCE_S)
        assert systemd.recv(100) == b"WATCHDOG=1"
        seen.append("again")
        send(signal.SIGTERM)

    rig.meanwhile(act)
    rig.run_forever(notify=True)

    assert seen[-2:] == ["silence", "again"]


def test_failed_engine_ends_it_with_an_error(rig: Rig) -> None:
    """When a part of the engine keeps dying, that is raised, with all stopped, so that the program is started again."""
    rig.engine.start()
    assert rig.engine._supervisor is not None
    rig.engine._supervisor.cause = "the manager crashed 5 times (ValueError)"

    with pytest.raises(EngineFailedError, match="the manager crashed 5 times"):
        rig.run_forever()

    assert rig.engine.health() == STOPPED


def test_error_of_the_stop_comes_out(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stop raises on its own thread is raised here."""
    stop = rig.engine.stop

    def failing(grace_s: float = 0.0) -> None:
        stop(grace_s)
        raise RuntimeError("it did not close")

    monkeypatch.setattr(rig.engine, "stop", failing)
    rig.meanwhile(lambda: send(signal.SIGTERM))

    with pytest.raises(RuntimeError, match="it did not close"):
        rig.run_forever()


def test_other_thread_runs_without_signals_and_says_so(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Signals are for the main thread alone; elsewhere a stop ends it, and a signal goes where it went before."""
    found: list[Health] = []
    rig.begin()
    running = threading.Thread(target=lambda: found.append(rig.run_forever()))
    running.start()
    rig.meanwhile(rig.engine.stop)
    running.join(PATIENCE_S)

    assert rig.states() == [(State.PENDING, 0), (State.PENDING, 0)]
    assert found == [STOPPED]
    assert "main thread" in caplog.text


def test_ignored_signal_stays_ignored() -> None:
    """A process that was started to ignore a signal, as under nohup, goes on ignoring it."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    heard: list[int] = []

    with signals_to(heard.append):
        found = signal.getsignal(signal.SIGINT)
        send(signal.SIGTERM)

    signal.signal(signal.SIGINT, former)
    assert found is signal.SIG_IGN
    assert heard == [signal.SIGTERM]
