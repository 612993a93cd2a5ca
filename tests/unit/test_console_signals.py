"""Tests of signals, each in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAITING = """
import signal, sys, threading
from bequest.console.signals import StoppedBySignalError, exit_status, stop_in_order
stop_in_order()
try:
    print("ready", flush=True)
    threading.Event().wait(60)
except KeyboardInterrupt as error:
    print("stopping", flush=True)
    sys.stdin.read(1)  # the second signal comes here
    sys.exit(exit_status(error.number))
"""


def start(prelude: str = "") -> subprocess.Popen[str]:
    """Start a program that waits for signals and return once it does."""
    program = subprocess.Popen(
        [sys.executable, "-c", prelude + WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_first_signal_stops_and_the_next_changes_nothing(number: signal.Signals, code: int) -> None:
    """The first signal is raised in the main thread; those that come while it stops are ignored."""
    program = start()
    assert program.stdout is not None

    program.send_signal(number)
    stopping = program.stdout.readline()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        program.send_signal(each)
    program.communicate("x", timeout=60)

    assert stopping == "stopping\n"
    assert program.returncode == code


def test_ignored_signal_stays_ignored() -> None:
    """What nohup ignored for the process is not heard; another signal still is."""
    program = start("import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n")

    program.send_signal(signal.SIGHUP)
    program.send_signal(signal.SIGTERM)
    program.communicate("x", timeout=60)

    assert program.returncode == 143


HOLDING = """
import sys
from bequest.console.signals import StoppedBySignalError, held_back, ignore_all, stop_in_order
stop_in_order()
try:
    with held_back():
        print("ready", flush=True)
        sys.stdin.readline()  # the signals come here
        print("held", flush=True)
    print("not stopped", flush=True)
except StoppedBySignalError as error:
    print("stopped by", error.number, flush=True)
ignore_all()
print("over", flush=True)
sys.stdin.readline()
"""


def test_signal_that_is_held_back_stops_what_comes_after() -> None:
    """What is not to be cut in two comes to its end, then the first signal is raised, and the others do nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGTERM)
        answer(program)

        said = [program.stdout.readline() for _ in range(3)]
        program.send_signal(signal.SIGINT)
        answer(program)

    assert said == ["held\n", "stopped by 15\n", "over\n"]
    assert program.returncode == 0


def answer(program: subprocess.Popen[str]) -> None:
    """Give it the line that it waits for."""
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()
