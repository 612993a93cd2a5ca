"""The egress guard, spoken to over real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from bequest.actors import guard as guard_module
from bequest.actors.guard import Guard, LookUp
from bequest.actors.name_lookup import Address, look_up

DEADLINE_S = 20.0
OPEN_FILES = Path("/dev/fd")  # of this process, sockets too
SPELLINGS_OF_LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "LOCALHOST.",
    "www.localhost",
    "127.0.0.1.",
    "0",
]
V6_SPELLINGS_OF_LOOPBACK = ["::1", "[::1]", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]", "::ffff:7f00:1"]


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run *main* under the deadline and check that no task is left behind."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


async def ask(port: int, host: str, target_port: int) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask the guard at *port* for a connection by name; return its reply code and the stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    name = host.encode()
    writer.write(b"\x05\x01\x00" + b"\x05\x01\x00\x03" + bytes([len(name)]) + name + target_port.to_bytes(2, "big"))
    assert await reader.readexactly(2) == b"\x05\x00"
    reply = await reader.readexactly(10)
    assert reply[0] == 5
    return reply[1], reader, writer


@contextlib.asynccontextmanager
async def guarded(look_up_name: LookUp = look_up) -> AsyncIterator[tuple[Guard, int]]:
    """Give a started guard and the port of a server that reads to the client's end and answers in capitals."""
    answering: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            writer.write((await reader.read(-1)).upper())
            await writer.drain()
        writer.close()

    guard = Guard(look_up_name)
    await guard.start()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield guard, server.sockets[0].getsockname()[1]
    await guard.stop()
    server.close()
    await asyncio.gather(*(task for task in answering if task))


@pytest.mark.parametrize("host", SPELLINGS_OF_LOOPBACK + V6_SPELLINGS_OF_LOOPBACK)
def test_guard_refuses_loopback_on_the_strict_port_however_it_is_spelled(host: str) -> None:
    """No spelling of a loopback address passes the strict port, and the guard says why."""

    async def main() -> None:
        async with guarded() as (guard, target):
            code, _, writer = await ask(guard.strict_port, host, target)

            assert code == 2
            assert guard.why_refused(host, target, allow_private=False) == "egress"
            assert guard.why_refused(host, target, allow_private=True) is None
            writer.close()

    run(main)


@pytest.mark.parametrize("host", SPELLINGS_OF_LOOPBACK)
def test_guard_passes_loopback_on_the_private_port_with_half_close(host: str) -> None:
    """On the private port bytes go both ways, and an answer still comes after the client has ended its half."""

    async def main() -> None:
        async with guarded() as (guard, target):
            code, reader, writer = await ask(guard.private_port, host, target)
            writer.write(b"hello" * 100_000)
            writer.write_eof()
            answer = await reader.read(-1)

            assert code == 0
            assert answer == b"HELLO" * 100_000
            writer.close()

    run(main)


def test_guard_ends_a_connection_whose_far_side_sends_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many bytes from the far side the connection is ended; what the client sends is not counted."""
    monkeypatch.setattr(guard_module, "MAX_CONNECTION_BYTES", 300_000)

    async def main() -> None:
        async with guarded() as (guard, target):
            received = {}
            for sent in (300_000, 300_001):
                _, reader, writer = await ask(guard.private_port, "127.0.0.1", target)
                writer.write(b"a" * sent)
                writer.write_eof()
                with contextlib.suppress(ConnectionError):
                    received[sent] = len(await reader.read(-1))
                writer.close()

            assert received[300_000] == 300_000
            assert received.get(300_001, 0) < 300_001

    run(main)


def test_guard_reports_each_failure_with_its_own_code(closed_port: int) -> None:
    """A name that does not resolve gives 4 and "dns"; a port that nobody listens on gives 5 and "refused"."""

    async def main() -> None:
        async with guarded() as (guard, _):
            unknown, _, one = await ask(guard.private_port, "no-such-name.invalid", 80)
            refused, _, other = await ask(guard.private_port, "127.0.0.1", closed_port)

            assert (unknown, refused) == (4, 5)
            assert guard.why_refused("no-such-name.invalid", 80, allow_private=True) == "dns"
            assert guard.why_refused("127.0.0.1", closed_port, allow_private=True) == "refused"
            one.close()
            other.close()

    run(main)


def test_guard_forgets_a_refusal_once_a_connection_succeeds() -> None:
    """A refusal that was overcome is not reported any more."""

    async def main() -> None:
        async with guarded() as (guard, _):
            bound = socket.socket()
            bound.bind(("127.0.0.1", 0))  # and nobody listens yet
            port = bound.getsockname()[1]
            _, _, first = await ask(guard.private_port, "127.0.0.1", port)

            server = await asyncio.start_server(lambda _reader, writer: writer.close(), sock=bound)
            code, _, second = await ask(guard.private_port, "127.0.0.1", port)

            assert code == 0
            assert guard.why_refused("127.0.0.1", port, allow_private=True) is None
            first.close()
            second.close()
            server.close()

    run(main)


def test_guard_looks_a_name_up_once_and_judges_what_it_dials() -> None:
    """A name that changes its answer is judged by the answer at hand, and looked up once."""
    answers: list[list[Address]] = [[ip_address("10.0.0.1"), ip_address("::1")], [ip_address("127.0.0.1")]]

    async def rebinding(_host: str, _port: int) -> list[Address]:
        return answers.pop(0)

    async def main() -> None:
        async with guarded(rebinding) as (guard, target):
            strict, _, one = await ask(guard.strict_port, "rebind.example", target)
            private, _, other = await ask(guard.private_port, "rebind.example", target)

            assert (strict, private) == (2, 0)
            assert answers == []
            one.close()
            other.close()

    run(main)


def test_guard_tries_the_next_address_when_the_first_refuses() -> None:
    """A name with a dead address first still connects."""

    async def two_addresses(_host: str, _port: int) -> list[Address]:
        return [ip_address("127.0.0.2"), ip_address("127.0.0.1")]

    async def main() -> None:
        async with guarded(two_addresses) as (guard, target):
            code, _, writer = await ask(guard.private_port, "two.example", target)

            assert code == 0
            writer.close()

    run(main)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b""),
        (b"\x05\x01\x02", b"\x05\xff"),
        (b"\x05\x00", b"\x05\xff"),
        (b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x07\x00\x01" + bytes(6)),
        (b"\x05\x01\x00\x05\x01\x00\x09\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x08\x00\x01" + bytes(6)),
        (b"\x05\x01\x00\x05\x01\x00\x03\x03\xff\xfe\xfd\x00\x50", b"\x05\x00\x05\x04\x00\x01" + bytes(6)),
        (b"\x05\x01\x00\x05\x01\x00\x03\x00\x00\x50", b"\x05\x00\x05\x04\x00\x01" + bytes(6)),
        (b"\x05\x01\x00\x05\x01\x00\x03\xff" + b"a" * 255 + b"\x00\x50", b"\x05\x00\x05\x04\x00\x01" + bytes(6)),
        (b"\x05\x01\x00\x05\x01\x00\x03\x03a\x00b\x00\x50", b"\x05\x00\x05\x04\x00\x01" + bytes(6)),
        (b"\x05\x01\x00\x05\x01\x00\x01\x7f", b"\x05\x00"),
        (b"\x05\x01\x00\x07", b"\x05\x00"),
    ],
)
def test_guard_survives_what_is_not_a_socks_request(sent: bytes, expected: bytes) -> None:
    """Malformed input gets its reply or none, ends its own connection, and the next one is served."""

    async def main() -> None:
        async with guarded() as (guard, target):
            reader, writer = await asyncio.open_connection("127.0.0.1", guard.strict_port)
            writer.write(sent)
            writer.write_eof()
            answer = await reader.read(-1)
            code, _, second = await ask(guard.private_port, "127.0.0.1", target)

            assert answer == expected
            assert code == 0
            writer.close()
            second.close()

    run(main)


def test_guard_stop_ends_open_connections_and_frees_the_ports() -> None:
    """After stop a connection in use has ended and nobody listens on either port."""

    async def main() -> None:
        async with guarded() as (guard, target):
            _, reader, writer = await ask(guard.private_port, "127.0.0.1", target)

            await guard.stop()

            assert await reader.read(-1) == b""
            for port in (guard.strict_port, guard.private_port):
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
            writer.close()

    run(main)


@pytest.mark.parametrize("rounds", range(8))
def test_guard_whose_start_is_cut_off_frees_the_ports(rounds: int) -> None:
    """After each round of the loop a start can be cancelled, and the stop then leaves no open socket."""

    async def main() -> None:
        guard = Guard(look_up)
        before = len(list(OPEN_FILES.iterdir()))
        starting = asyncio.create_task(guard.start())
        for _ in range(rounds):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

        await guard.stop()

        assert len(list(OPEN_FILES.iterdir())) == before

    run(main)


def test_guard_lookup_leaves_no_thread_of_its_own() -> None:
    """A name lookup ends its thread."""

    async def main() -> None:
        async with guarded() as (guard, _):
            _, _, writer = await ask(guard.private_port, "no-such-name.invalid", 80)
            writer.close()

    run(main)

    lookups = [thread for thread in threading.enumerate() if thread.name == "bequest-lookup"]
    for thread in lookups:
        thread.join(DEADLINE_S)
    assert not any(thread.is_alive() for thread in lookups)
