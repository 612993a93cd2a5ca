"""A process that has imported a program and forks it as often as it is asked to: to start Python anew takes longer.

    nursery.py DESCRIPTOR MODULE

Whoever asks hands over the descriptors that become the standard input and output of the program's ``main``, with its
arguments, and is told the process id. The nursery has no thread, so that its forks are sound.
"""

from __future__ import annotations

import array
import importlib
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 10_000
DEADLINE_S = 120
LATE = (  # what an engine imports only when it starts, or when it crawls
    "bequest.actors.child_crawler",
    "bequest.actors.executor",
    "bequest.actors.monitor",
    "bequest.actors.reader",
    "bequest.actors.session_keeper",
    "bequest.actors.worker_team",
    "bequest.engine.extract",
    "html_to_markdown",
    "publicsuffixlist",
    "selectolax.lexbor",
    "w3lib.url",
)


class Nurseling:
    """A program that was forked, as ``subprocess.Popen`` gives one that was started."""

    def __init__(self, nursery: Nursery, arguments: tuple[str, ...]) -> None:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        self.stdin: BinaryIO = os.fdopen(ours_in, "wb", buffering=0)
        self.stdout: BinaryIO = os.fdopen(ours_out, "rb")
        self._nursery = nursery
        self.pid = int(nursery.ask("\0".join(arguments), theirs_in, theirs_out))
        for descriptor in (theirs_in, theirs_out):
            os.close(descriptor)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)  # it is nobody else's before ``wait``

    def wait(self) -> int:
        """Wait for its end, and return its exit code, negative for a signal."""
        self.stdin.close()
        self.stdout.close()
        return int(self._nursery.ask(str(self.pid)))

    def communicate(self, said: bytes = b"") -> bytes:
        """Say something, and return all that it says until its end, which must be a good one."""
        self.stdin.write(said)
        self.stdin.close()
        heard = self.stdout.read()
        assert self.wait() == 0
        return heard


class Nursery:
    """The nursery, as whoever asks sees it."""

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours

    def start(self, *arguments: object) -> Nurseling:
        """Fork the program."""
        return Nurseling(self, tuple(map(str, arguments)))

    def ask(self, text: str, *descriptors: int) -> str:
        """Send a message, with descriptors, and return the answer."""
        socket.send_fds(self._ours, [text.encode()], descriptors)
        answer = self._ours.recv(MOST_BYTES).decode()
        assert answer, "the nursery has died"
        return answer


@contextmanager
def nursery_of(program: Path) -> Iterator[Nursery]:
    """Give a nursery of the program in that file; at the end of the block it has ended."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(DEADLINE_S)
    with (
        ours,
        subprocess.Popen([sys.executable, __file__, str(theirs.fileno()), program], pass_fds=(theirs.fileno(),)),
    ):
        theirs.close()
        try:
            yield Nursery(ours)
        finally:
            ours.shutdown(socket.SHUT_RDWR)


def main(asked: socket.socket, program: Path) -> None:
    """Fork, and wait for those that were forked, until nobody asks any more."""
    module = importlib.import_module(program.stem)
    for name in LATE:
        importlib.import_module(name)
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, MOST_BYTES, 2)
        if not message:
            return
        if not descriptors:
            asked.send(str(os.waitstatus_to_exitcode(os.waitpid(int(message), 0)[1])).encode())
            continue
        pid = os.fork()
        if pid == 0:
            asked.close()
            become(module.main, message.decode().split("\0"), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        asked.send(str(pid).encode())


def become(program: object, arguments: list[str], descriptors: array.array[int] | list[int]) -> None:
    """Run the program on its own standard input and output, and end."""
    assert callable(program)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    code = 1
    try:
        program(*arguments)
        sys.stdout.flush()
        code = 0
    except BaseException:  # noqa: BLE001 - it is said, and the process ends
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]))
