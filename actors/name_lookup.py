"""Owns the resolution of host names for the guard: the system's resolver, off the loop.

Each lookup has a daemon thread of its own, because a resolver that hangs cannot be interrupted and must hold up
neither other lookups nor the stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


async def look_up(host: str, port: int) -> list[Address]:
    """Return the addresses of *host*, in the order to try them; raises ``OSError`` when there are none.

    An address is returned as it is, and names under ``localhost`` are loopback (RFC 6761, 6.3). Odd spellings of
    addresses (``127.1``, ``2130706433``) come out as what the system would dial.
    """
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    if host == "localhost" or host.endswith(".localhost"):
        return [IPv4Address("127.0.0.1"), IPv6Address("::1")]
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Address]] = loop.create_future()
    threading.Thread(target=_ask_system, args=(host, port, loop, answer), name="bequest-lookup", daemon=True).start()
    return await answer


def _ask_system(host: str, port: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[Address]]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
    except (OSError, ValueError) as error:
        _hand_over(loop, answer, [], error)
    else:
        _hand_over(loop, answer, addresses, None)


def _hand_over(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[list[Address]],
    addresses: list[Address],
    error: Exception | None,
) -> None:
    def settle() -> None:
        if answer.done():  # nobody waits any more
            return
        if error is None:
            answer.set_result(addresses)
        else:
            answer.set_exception(OSError(f"no address found: {type(error).__name__}"))

    with contextlib.suppress(RuntimeError):  # the loop closed while the resolver worked
        loop.call_soon_threadsafe(settle)
