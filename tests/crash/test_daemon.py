"""The daemon of the docs as a process: it works, ends in order when it is told to, and loses nothing by it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bequest import Engine, State

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "daemon.md"
DEADLINE_S = 120
FILES = 12


class Folder:
    """A folder with the daemon in it, and systemd's socket beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (code,) = (
            block
            for block in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
            if "run_forever" in block
        )
        (path / "jobd.py").write_text(code)
        (path / "inbox").mkdir()
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(path / "notify"))
        self.systemd.settimeout(DEADLINE_S)

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[str]]:
        """Start the daemon, and give it once it says that it is ready."""
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.path / "notify")}
        with subprocess.Popen(
            [sys.executable, "jobd.py"], cwd=self.path, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert self.systemd.recv(100) == b"READY=1"
                yield process
            finally:
                process.kill()  # nothing, unless the test has failed

    def put(self, count: int) -> None:
        """Put so many files into the inbox."""
        for number in range(count):
            (self.path / "inbox" / f"{number}.txt").write_text(f"file {number}\n" * 1000)

    def wait_for_done(self, count: int) -> None:
        """Wait until so many files were put away."""
        pause = threading.Event()
        for _ in range(DEADLINE_S * 100):
            if len(self.done()) >= count:
                return
            pause.wait(0.01)
        raise AssertionError(f"only {len(self.done())} files were put away")

    def done(self) -> list[str]:
        """Return the names of the files that were put away."""
        found = self.path / "done"
        return sorted(path.name.split()[1] for path in found.iterdir()) if found.exists() else []

    def jobs(self) -> Counter[tuple[State, int]]:
        """Return how many jobs of files are in each state with so many attempts."""
        with Engine(self.path / "jobs.db") as engine:
            rows = [view.job for view in engine.jobs(limit=1000)]
        return Counter((row.state, row.attempts) for row in rows if row.kind == "take in")

    def is_left(self, process: subprocess.Popen[str]) -> bool:
        """Whether any process runs in this folder that is not *process*."""
        for path in Path("/proc").iterdir():
            try:
                if path.name.isdecimal() and int(path.name) != process.pid and (path / "cwd").readlink() == self.path:
                    return True
            except OSError:  # it has ended, or is not ours
                continue
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """Give a folder for the daemon."""
    folder = Folder(tmp_path)
    yield folder
    folder.systemd.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_daemon_ends_in_order_and_loses_nothing(folder: Folder, number: signal.Signals) -> None:
    """Told to end in the middle of its work it exits with 0, leaves no process, and the next one ends the work."""
    folder.put(FILES)

    with folder.daemon() as first:
        folder.wait_for_done(1)
        first.send_signal(number)
        _, said = first.communicate(timeout=DEADLINE_S)
    after_first, done = folder.jobs(), len(folder.done())
    told = folder.systemd.recv(100)
    with folder.daemon() as second:
        folder.wait_for_done(FILES)
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=DEADLINE_S)

    assert (first.returncode, second.returncode) == (0, 0), said
    assert told == b"STOPPING=1"
    assert "Traceback" not in said
    assert set(after_first) <= {(State.COMPLETED, 1), (State.PENDING, 0)}
    assert after_first[State.COMPLETED, 1] == done
    assert folder.done() == sorted(f"{number}.txt" for number in range(FILES))
    assert folder.jobs() == {(State.COMPLETED, 1): FILES}
    assert not folder.is_left(second)


def test_daemon_that_is_killed_is_taken_up_by_the_next(folder: Folder) -> None:
    """A kill leaves no handler's process behind, and whatever it cut off is done again."""
    folder.put(FILES)

    with folder.daemon() as first:
        folder.wait_for_done(1)
        first.kill()
        first.communicate(timeout=DEADLINE_S)
    with folder.daemon() as second:
        folder.wait_for_done(FILES)
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=DEADLINE_S)

    assert (first.returncode, second.returncode) == (-signal.SIGKILL, 0)
    assert folder.done() == sorted(f"{number}.txt" for number in range(FILES))
    assert folder.jobs() == {(State.COMPLETED, 1): FILES}
    assert not folder.is_left(second)
