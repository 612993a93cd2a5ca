"""Owns the signals of a handler's process: it leaves those that end a program to the program, what it forks does not.

What a job starts is its own to end, as a pool of processes is by SIGTERM, so it has what this process began with.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


def leave_to_program() -> None:
    """Do nothing from now on at a signal that is for the program, which then stops this process; main thread only."""
    before = {number: signal.signal(number, ignore) for number in ENDING}
    own = threading.local()

    def hold() -> None:
        own.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # or one that comes at once would be lost

    def let_go() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, own.mask)

    def give_back() -> None:
        for number, handler in before.items():
            if signal.getsignal(number) is ignore:  # and not one that the job has set since
                signal.signal(number, handler)
        let_go()

    os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=give_back)


def ignore(_number: int, _frame: FrameType | None) -> None:
    """Ignore a signal, but not as SIG_IGN does, which what a job starts would inherit."""
