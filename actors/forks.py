"""Owns what becomes of a process that a handler has forked and lets run into code that is not its own."""

from __future__ import annotations

import os
import sys


def end_fork(own: int, error: BaseException | None) -> None:
    """End the process here where it is not *own*: a handler forked it, and let it return or raise into our code.

    None of the engine's threads are in it.
    """
    if os.getpid() == own:
        return
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
