"""The engine of a command: a signal cuts neither its start nor its stop in two, and leaves none running."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys, threading
from bequest import Engine
from bequest.console.orderly_engine import OrderlyEngine, stop_left
from bequest.console.signals import StoppedBySignalError, stop_in_order

cut = getattr(Engine, sys.argv[2])

def cut_with_a_signal(self, *arguments):
    os.kill(os.getpid(), signal.SIGTERM)
    cut(self, *arguments)

setattr(Engine, sys.argv[2], cut_with_a_signal)
stop_in_order()
try:
    with OrderlyEngine(sys.argv[1]) as engine:
        print("entered")
except StoppedBySignalError as error:
    print("stopped by", error.number)
stop_left()
print(threading.active_count())
"""


@pytest.mark.parametrize(("cut", "said"), [("start", "stopped by 15\n1\n"), ("stop", "entered\nstopped by 15\n1\n")])
def test_signal_cuts_neither_start_nor_stop_in_two(tmp_path: Path, cut: str, said: str) -> None:
    """It is raised once that has ended; then the engine is stopped, no thread is left and the database is closed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "jobs.db", cut],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert (done.stdout, done.stderr) == (said, "")
    assert not (tmp_path / "jobs.db-wal").exists()
