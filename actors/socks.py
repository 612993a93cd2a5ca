"""Owns the words of SOCKS5: the server's half of the handshake (RFC 1928), without authentication, CONNECT only."""

from __future__ import annotations

import asyncio
import enum
from ipaddress import IPv4Address, IPv6Address

VERSION = 5
NO_AUTHENTICATION = 0
NO_ACCEPTABLE_METHOD = 0xFF
CONNECT = 1
IPV4, NAME, IPV6 = 1, 3, 4  # address types, RFC 1928, 4


class Reply(enum.IntEnum):
    """What the server says of a request; RFC 1928, 6."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


class SocksError(Exception):
    """The client's request cannot be served; carries the reply to send."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.name)
        self.reply = reply


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Shake hands and return the host and port that the client wants.

    Raises ``SocksError`` for a request that gets a reply, ``EOFError`` for what is not SOCKS5 at all.
    """
    version, count = await reader.readexactly(2)
    if version != VERSION:
        raise EOFError("not SOCKS5")
    methods = await reader.readexactly(count)
    if NO_AUTHENTICATION not in methods:
        writer.write(bytes((VERSION, NO_ACCEPTABLE_METHOD)))
        raise EOFError("no method in common")
    writer.write(bytes((VERSION, NO_AUTHENTICATION)))
    version, command, _reserved, kind = await reader.readexactly(4)
    if version != VERSION:
        raise EOFError("not SOCKS5")
    host = await read_host(reader, kind)
    port = int.from_bytes(await reader.readexactly(2), "big")
    if command != CONNECT:
        raise SocksError(Reply.COMMAND_NOT_SUPPORTED)
    return host, port


async def read_host(reader: asyncio.StreamReader, kind: int) -> str:
    """Read one address of that *kind* and return it as text."""
    if kind == IPV4:
        return str(IPv4Address(await reader.readexactly(4)))
    if kind == IPV6:
        return str(IPv6Address(await reader.readexactly(16)))
    if kind == NAME:
        length = (await reader.readexactly(1))[0]
        try:
            return (await reader.readexactly(length)).decode("ascii")
        except UnicodeDecodeError:
            raise SocksError(Reply.HOST_UNREACHABLE) from None
    raise SocksError(Reply.ADDRESS_TYPE_NOT_SUPPORTED)


async def send_reply(writer: asyncio.StreamWriter, reply: Reply) -> None:
    """Send *reply*; the bound address is given as 0.0.0.0:0, which clients of CONNECT ignore."""
    writer.write(bytes((VERSION, reply, 0, IPV4, 0, 0, 0, 0, 0, 0)))
    await writer.drain()
