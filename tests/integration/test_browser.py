"""The life of the browser actor: what it survives, and what it leaves behind when it stops."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_rig import Process, Rig, browser_processes, descendants, process_at
from loopback_site import Answer, Request, Serve

from bequest.actors.browser_messages import Login, WaitFor
from bequest.engine.errors import BrowserError, BrowserNotFoundError, EngineStoppedError, PageError

DEADLINE_S = 30.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


class Gate:
    """A handler whose pages under ``/slow`` wait until it is opened."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self.is_open = threading.Event()

    def __call__(self, request: Request) -> Answer:
        if request.path.startswith("/slow"):
            self.is_asked.set()
            self.is_open.wait(DEADLINE_S)
        return Answer("content")


def error_of(wait: Callable[[], object]) -> BaseException:
    """Return what *wait* raises."""
    with pytest.raises(Exception) as caught:
        wait()
    return caught.value


def is_alive(process: Process) -> bool:
    """Whether the process still runs."""
    found = process_at(Path("/proc") / str(process.pid))
    return found is not None and found.command == process.command


def test_killed_browser_is_started_again(rig: Rig, serve: Serve) -> None:
    """After a SIGKILL to Chromium, the page at hand is a passing error and the next one is read in a new Chromium."""
    gate = Gate()
    site = serve(gate)
    at_hand = rig.read_later(site.url("/slow"))
    assert gate.is_asked.wait(DEADLINE_S)
    killed = browser_processes()

    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    error = error_of(lambda: at_hand.get(timeout=DEADLINE_S))
    gate.is_open.set()
    snapshots = [rig.read(site.url("/next")) for _ in range(3)]

    assert len(killed) == 1
    assert isinstance(error, PageError)
    assert (error.reason, error.is_transient) == ("crashed", True)
    assert [snapshot.status for snapshot in snapshots] == [200] * 3
    assert {process.pid for process in browser_processes()}.isdisjoint(process.pid for process in killed)
    assert len(browser_processes()) == 1
    assert rig.restarts == 0


def test_killed_driver_is_started_again(rig: Rig, serve: Serve) -> None:
    """After a SIGKILL to Playwright's own process, pages are read again and no Chromium is left over."""
    site = serve(Gate())
    rig.read(site.url("/page"))
    before = browser_processes()
    driver = next(process for process in descendants(os.getpid()) if process.pid == before[0].parent)

    os.kill(driver.pid, signal.SIGKILL)
    errors = [error for _ in range(3) if (error := outcome(rig, site.url("/page"))) is not None]

    assert all(isinstance(error, PageError) and error.is_transient for error in errors)
    assert outcome(rig, site.url("/page")) is None
    rig.stop()
    assert not any(is_alive(process) for process in before)


def test_stop_answers_everything_and_leaves_nothing(serve: Serve) -> None:
    """Stopping answers what is being read, waits or logs in, in time, and no thread and no process is left (I18)."""
    gate = Gate()
    site = serve(gate)
    threads = set(threading.enumerate())
    with Rig(tabs=2) as rig:
        open_asks = [rig.read_later(site.url(f"/slow/{number}")) for number in range(6)]
        open_asks.append(rig.browser.ask_later(Login(steps=(WaitFor(selector="#never"),))))
        assert gate.is_asked.wait(DEADLINE_S)
        processes = descendants(os.getpid())

        rig.stop()
        errors = [error_of(lambda ask=ask: ask.get(timeout=0)) for ask in open_asks]  # type: ignore[misc]
    gate.is_open.set()
    site.stop()

    assert [type(error) for error in errors] == [EngineStoppedError] * 7
    assert any(process.is_browser for process in processes)
    assert not any(is_alive(process) for process in processes)
    assert descendants(os.getpid()) == []
    assert set(threading.enumerate()) <= threads
    assert isinstance(error_of(lambda: rig.read(site.url("/page"))), EngineStoppedError)


def test_stop_that_the_browser_hears_of_first_blames_no_page(serve: Serve) -> None:
    """A hangup ends the terminal's whole group, the driver a moment before the program stops: no page has failed."""
    gate = Gate()
    site = serve(gate)
    with Rig() as rig:
        asked = rig.read_later(site.url("/slow"))
        assert gate.is_asked.wait(DEADLINE_S)
        (browser,) = browser_processes()
        watched = os.pidfd_open(browser.pid)

        for process in descendants(os.getpid()):
            if process.group == os.getpgrp():
                os.kill(process.pid, signal.SIGHUP)
        has_ended, _, _ = select.select([watched], [], [], DEADLINE_S)
        rig.stop()
        error = error_of(lambda: asked.get(timeout=0))
    gate.is_open.set()
    os.close(watched)

    assert has_ended
    assert isinstance(error, EngineStoppedError)


def test_stop_ends_a_browser_that_hangs(serve: Serve) -> None:
    """A page in an endless loop does not outlive the stop."""
    spins = threading.Event()
    script = "const sent = new XMLHttpRequest(); sent.open('GET', '/spins', false); sent.send(); while (true) {}"

    def handle(request: Request) -> Answer:
        if request.path == "/spins":
            spins.set()
        return Answer(f"<script>{script}</script>")

    site = serve(handle)
    with Rig() as rig:
        asked = rig.read_later(site.url("/page"))
        assert spins.wait(DEADLINE_S)
        processes = descendants(os.getpid())

    assert isinstance(error_of(lambda: asked.get(timeout=0)), EngineStoppedError)
    assert not any(is_alive(process) for process in processes)


def test_stop_before_the_first_page_starts_no_browser() -> None:
    """An actor that was asked for nothing starts nothing."""
    threads = set(threading.enumerate())

    with Rig():
        processes = descendants(os.getpid())

    assert processes == []
    assert set(threading.enumerate()) == threads


@pytest.mark.parametrize("started", range(8))
def test_stop_during_the_start_leaves_no_browser(serve: Serve, started: int) -> None:
    """A stop that comes while the browser starts, after each of its first processes, ends those too."""
    site = serve(Gate())
    threads = set(threading.enumerate())
    with Rig() as rig:
        asked = rig.read_later(site.url("/slow"))
        seen: list[Process] = []
        while len(seen) < started:
            seen = descendants(os.getpid())

        rig.stop()
        left = descendants(os.getpid())

    assert isinstance(error_of(lambda: asked.get(timeout=0)), EngineStoppedError)
    assert left == []
    assert not any(is_alive(process) for process in seen)
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("executable", ["/no/such/chromium", "/bin/true", sys.executable, "/etc/hostname"])
def test_executable_that_is_no_browser_says_what_to_do(serve: Serve, executable: str) -> None:
    """Whoever asks is told which file did not start and what helps, each time, and the actor lives on."""
    site = serve(Gate())
    with Rig(executable=executable) as rig:
        asked = [rig.read_later(site.url("/page")) for _ in range(3)]

        errors = [error_of(lambda ask=ask: ask.get(timeout=60)) for ask in asked]  # type: ignore[misc]
        again = error_of(lambda: rig.read(site.url("/page")))
        restarts = rig.restarts

    assert {type(error) for error in (*errors, again)} == {BrowserNotFoundError}
    assert all(executable in str(error) and "bequest browser install" in str(error) for error in (*errors, again))
    assert restarts == 0
    assert descendants(os.getpid()) == []


def test_ctrl_c_on_the_terminal_leaves_the_browser_alone(rig: Rig, serve: Serve) -> None:
    """SIGINT goes to every process of the terminal's group; those of the browser in it go on."""
    site = serve(Gate())
    rig.read(site.url("/page"))
    of_the_terminal = [process for process in descendants(os.getpid()) if process.group == os.getpgrp()]

    for process in of_the_terminal:
        os.kill(process.pid, signal.SIGINT)
    snapshot = rig.read(site.url("/page"))

    assert snapshot.status == 200
    assert of_the_terminal
    assert all(is_alive(process) for process in of_the_terminal)


def test_key_that_the_command_line_took_is_not_in_the_browser(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """``BEQUEST_KEY`` is in no process of the browser, once the command line has read it (I16)."""
    from bequest.console.keys import ConsoleKey

    site = serve(Gate())
    monkeypatch.setenv("BEQUEST_KEY", "canary-key")
    monkeypatch.setenv("BEQUEST_SEEN", "canary-other")
    ConsoleKey(os.environ)
    with Rig() as rig:
        rig.read(site.url("/page"))

        environments = [Path(f"/proc/{process.pid}/environ").read_bytes() for process in descendants(os.getpid())]

    assert any(b"canary-other" in environment for environment in environments)
    assert not any(b"canary-key" in environment for environment in environments)


def test_message_that_it_does_not_know_is_refused(rig: Rig, serve: Serve) -> None:
    """A stray message is an error for whoever asked and no crash of the actor."""
    site = serve(Gate())

    rig.browser.tell("nobody waits for this")
    with pytest.raises(BrowserError, match="str"):
        rig.browser.ask("what is this")

    assert rig.read(site.url("/page")).status == 200
    assert rig.restarts == 0


def outcome(rig: Rig, url: str) -> Exception | None:
    """Return the error of reading *url*, or None."""
    try:
        rig.read(url)
    except BrowserError as error:
        return error
    return None
