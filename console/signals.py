"""Owns what a signal does to a command: the first stops it in order, and no other cuts that short."""

from __future__ import annotations

import signal
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedBySignalError(KeyboardInterrupt):
    """Raised in the main thread by the first signal; ``number`` names it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def stop_in_order() -> None:
    """Let the first Ctrl-C, SIGTERM or SIGHUP raise ``StoppedBySignalError``, and ignore all after it.

    One that the process was started to ignore, as under ``nohup``, stays ignored. For the main thread of a process that
    ends with its command.
    """
    heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise StoppedBySignalError(number)

    for number in heard:
        signal.signal(number, stop)


def exit_status(number: int) -> int:
    """Return what a shell says of a process that a signal ended."""
    return 128 + number
