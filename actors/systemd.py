"""Owns what is told to systemd, where the program is its service of ``Type=notify`` and asks for it.

The protocol is sd_notify(3) and sd_watchdog_enabled(3): datagrams of ``NAME=value`` to the socket that the environment
names. These variables are the only ones that the library reads, and only here.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class ServiceManager:
    """Tells systemd where the program stands; without a socket in *environment* it tells nobody."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = address_of(environment.get("NOTIFY_SOCKET", ""))
        self.beat_s = beat_of(environment) if self._address else None  # between two signs of life; None: none is due

    def ready(self) -> None:
        """Say that the program has started."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """Say that it is about to end."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Say that it is well."""
        self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(self._address)
                sender.sendall(message.encode())
        except OSError as error:
            logger.warning("the service manager was not told", extra={"told": message, "error": str(error)})


def address_of(name: str) -> str:
    """Return the address of a socket by a path, or by a name with ``@`` before it where it is in no folder."""
    if name.startswith("/"):
        return name
    if name.startswith("@") and len(name) > 1:
        return "\0" + name[1:]
    if name:
        logger.warning("NOTIFY_SOCKET names no socket that is known, so nothing is told", extra={"found": name})
    return ""


def beat_of(environment: Mapping[str, str]) -> float | None:
    """Return half of the time after which the watchdog bites, in seconds; None where it is not for this process."""
    usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000
