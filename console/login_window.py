"""Owns the wait beside a person who logs in: the window, an Enter on the terminal, and the end of both."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from pathlib import Path

from ..actors.browser_capture import Capture, capture
from ..actors.loop_thread import LoopThread
from ..engine.sessions import Session
from .terminal import Terminal, is_terminal

CLOSE_TIMEOUT_S = 20.0


def attended(terminal: Terminal, executable: Path, order: Capture) -> Session:
    """Have the person log in; the browser has ended on return, also after a Ctrl-C."""
    if order.has_condition:
        terminal.say("log in in the window that opens; it closes by itself")
    else:
        enter = "press Enter here or " if is_terminal() else ""
        terminal.say(f"log in in the window that opens, then {enter}close it; Ctrl-C stores nothing")
    loop = LoopThread("bequest-capture")
    loop.start()
    try:
        return loop.submit(heard(executable, order)).result()
    finally:
        loop.stop(CLOSE_TIMEOUT_S)


async def heard(executable: Path, order: Capture) -> Session:
    """Open the window, and listen for an Enter on the terminal; no thread could be woken from such a wait."""
    said_so = asyncio.Event()
    if not is_terminal():
        return await capture(executable, order, said_so)
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()

    def hear() -> None:
        if not os.read(terminal, 4096):
            loop.remove_reader(terminal)
        said_so.set()

    termios.tcflush(terminal, termios.TCIFLUSH)  # what was typed before the window was there is not meant
    loop.add_reader(terminal, hear)
    try:
        return await capture(executable, order, said_so)
    finally:
        loop.remove_reader(terminal)
