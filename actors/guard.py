"""Owns every way out: a SOCKS5 server on loopback that dials only addresses which it has judged (RFC 1928).

The browser hands over each connection with the host's *name*. The guard resolves it, judges the addresses by
``engine.addresses`` and dials the very address that it judged, so that a second, different DNS answer gains nothing.
One port per egress policy: what comes in on the strict port reaches public addresses alone. It works per connection,
so redirects, sub-resources, frames, popups and WebSockets all pass it.

Runs on the asyncio loop that started it; not thread-safe.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from ..engine.addresses import is_public
from .name_lookup import Address, look_up
from .socks import Reply, SocksError, read_request, send_reply

logger = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 10.0
LOOKUP_TIMEOUT_S = 10.0
DIAL_TIMEOUT_S = 10.0  # for each address
FLUSH_TIMEOUT_S = 10.0
MAX_CONNECTION_BYTES = 1_000_000_000  # from the far side; one that sends more has no end
CHUNK_BYTES = 65_536  # held per direction of a connection, besides what the transport buffers
REFUSALS_KEPT = 512

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LookUp = Callable[[str, int], Awaitable[Sequence[Address]]]


class Target(NamedTuple):
    """Where a connection was to go, and under which policy."""

    host: str
    port: int
    allow_private: bool


class RefusedError(Exception):
    """The connection was not made; carries the SOCKS reply and a word for programs."""

    def __init__(self, reply: Reply, reason: str) -> None:
        super().__init__(reason)
        self.reply = reply
        self.reason = reason


class Guard:
    """A loopback SOCKS5 server with one port per egress policy.

    *look_up_name* turns a host name into addresses; it raises ``OSError`` when there are none.
    """

    strict_port: int = 0  # public addresses only
    private_port: int = 0  # any address

    def __init__(self, look_up_name: LookUp = look_up) -> None:
        self._look_up = look_up_name
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._refusals: OrderedDict[Target, str] = OrderedDict()

    async def start(self) -> None:
        """Listen on two free ports of 127.0.0.1."""
        self.strict_port = await self._listen(allow_private=False)
        self.private_port = await self._listen(allow_private=True)

    async def stop(self) -> None:
        """Close the ports and every connection; no task of the guard is left on return."""
        for server in self._servers:
            server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports close in the loop's next round
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def why_refused(self, host: str, port: int, *, allow_private: bool) -> str | None:
        """Return why the latest connection there was not made (``egress``, ``dns``, ``refused``, ``network``), or None.

        Only the newest refusals are known; one that a later connection overcame is forgotten.
        """
        return self._refusals.get(Target(plain_host(host), port, allow_private))

    async def _listen(self, *, allow_private: bool) -> int:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve((reader, writer), allow_private=allow_private))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            task.add_done_callback(lambda _: writer.transport.abort())  # also when it was cancelled before its start

        server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=CHUNK_BYTES, start_serving=False)
        self._servers.append(server)  # first, or a stop during the start would leave its socket
        await server.start_serving()
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, client: Stream, *, allow_private: bool) -> None:
        try:
            await self._answer(client, allow_private=allow_private)
            await close(client[1])
        except (OSError, EOFError):  # TimeoutError among them
            logger.debug("connection through the guard ended early", exc_info=True)

    async def _answer(self, client: Stream, *, allow_private: bool) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                host, port = await read_request(*client)
        except SocksError as error:
            await send_reply(client[1], error.reply)
            return
        target = Target(plain_host(host), port, allow_private)
        try:
            upstream = await self._connect(target)
        except RefusedError as refusal:
            self._note(target, refusal.reason)
            await send_reply(client[1], refusal.reply)
            return
        self._refusals.pop(target, None)
        try:
            await send_reply(client[1], Reply.SUCCEEDED)
            await pipe_both_ways(client, upstream)
            await close(upstream[1])
        finally:
            upstream[1].transport.abort()

    async def _connect(self, target: Target) -> Stream:
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                addresses = await self._look_up(target.host, target.port)
        except (OSError, UnicodeError):
            raise RefusedError(Reply.HOST_UNREACHABLE, "dns") from None
        allowed = [address for address in addresses if target.allow_private or is_public(address)]
        if not allowed:
            raise RefusedError(Reply.NOT_ALLOWED, "egress")
        return await dial_first(allowed, target.port)

    def _note(self, target: Target, reason: str) -> None:
        self._refusals[target] = reason
        self._refusals.move_to_end(target)
        if len(self._refusals) > REFUSALS_KEPT:
            self._refusals.popitem(last=False)


def plain_host(host: str) -> str:
    """Return *host* in lower case, without the brackets of an IPv6 literal and the root's dot."""
    return host.removeprefix("[").removesuffix("]").lower().removesuffix(".")


async def dial_first(addresses: Sequence[Address], port: int) -> Stream:
    """Connect to the first of *addresses* that answers; raises ``RefusedError`` when none does."""
    refusal = RefusedError(Reply.NETWORK_UNREACHABLE, "network")
    for address in addresses:
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                return await asyncio.open_connection(str(address), port, limit=CHUNK_BYTES)
        except ConnectionRefusedError:
            refusal = RefusedError(Reply.CONNECTION_REFUSED, "refused")
        except OSError:  # TimeoutError among them
            logger.debug("the guard could not dial an address", exc_info=True)
    raise refusal


async def pipe_both_ways(one: Stream, other: Stream) -> None:
    """Copy bytes in both directions until both have ended.

    Raises ``OSError`` when one breaks or *other* has sent more than it may, which ends both.
    """
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(copy_until_end(one[0], other[1]))
            group.create_task(copy_until_end(other[0], one[1], at_most=MAX_CONNECTION_BYTES))
    except* OSError as broken:
        raise ConnectionResetError("one side of the connection broke") from broken


async def copy_until_end(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, at_most: float = math.inf
) -> None:
    """Copy until the reader's end and pass the end on, with the other direction left open (half-close).

    Raises ``ConnectionAbortedError`` once more than *at_most* bytes have come.
    """
    count = 0
    while chunk := await reader.read(CHUNK_BYTES):
        count += len(chunk)
        if count > at_most:
            raise ConnectionAbortedError("the far side sends without end")
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def close(writer: asyncio.StreamWriter) -> None:
    """Close once what was written has left, which a peer that does not read can put off for a while only."""
    writer.close()
    async with asyncio.timeout(FLUSH_TIMEOUT_S):
        await writer.wait_closed()
