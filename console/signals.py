"""Owns what a signal does to a command: the first stops it in order, and no other cuts that short.

What is not to be cut in two, such as the start and the stop of an engine, holds signals back for that long.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedBySignalError(KeyboardInterrupt):
    """Raised in the main thread by the first signal; ``number`` names it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _Hearing:
    """What the main thread has heard."""

    def __init__(self) -> None:
        self.held = 0  # how often signals are held back
        self.first: int | None = None  # of the signals
        self.is_over = False  # it was raised, or it is too late for that

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Raise the first signal, and nothing after it."""
        if self.first is None:
            self.first = number
        self.raise_first()

    def raise_first(self) -> None:
        """Raise it unless it is held back, or was raised."""
        if self.first is not None and not self.held and not self.is_over:
            self.is_over = True
            raise StoppedBySignalError(self.first)


_hearing = _Hearing()


def stop_in_order() -> None:
    """Let the first Ctrl-C, SIGTERM or SIGHUP raise ``StoppedBySignalError``, and ignore all after it.

    One that the process was started to ignore, as under ``nohup``, stays ignored. For the main thread of a process that
    ends with its command. They are heard and not acted upon, for what the system ignores while one is on its way to
    Python makes that print a traceback.
    """
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _hearing.hear)


@contextmanager
def held_back() -> Generator[None]:
    """Let no signal stop the block; one that comes meanwhile is raised when it has ended well."""
    _hearing.held += 1
    try:
        yield
    finally:
        _hearing.held -= 1
    _hearing.raise_first()


def ignore_all() -> None:
    """Let no signal do anything any more: the command has ended, and the interpreter gives up its handlers next.

    Blocked first, for then what is on its way to Python comes at once, and is heard.
    """
    _hearing.is_over = True
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def exit_status(number: int) -> int:
    """Return what a shell says of a process that a signal ended."""
    return 128 + number
