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
