"""Hundreds of ways to a private address, tried with a real Chromium: none arrives unless the run allows it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pykka
import pytest
from browser_rig import Rig, descendants
from egress_corpus import AROUND, LOOPBACK, REDIRECTS, WAYS, direct_urls, leading_page
from loopback_site import listening

from bequest.actors import guard
from bequest.actors.name_lookup import Address, look_up
from bequest.engine.addresses import is_public
from bequest.engine.errors import PageError
from bequest.engine.pages import PageSnapshot

PUBLIC = "127.0.0.77"  # stands for a public address here, so that a page on it may be read under the strict policy
PUBLIC_HOST = "public.example"
ANSWERS = {
    PUBLIC_HOST: [PUBLIC],
    "loop.example": ["127.0.0.1"],
    "private.example": ["10.0.0.1", "192.168.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "metadata.example": ["169.254.169.254", "fd00:ec2::254"],
    "mixed.example": ["127.0.0.1", "::1", PUBLIC],
}


NOBODY = ("00000000:0000", "00000000000000000000000000000000:0000")  # the far end of a socket that has none, in /proc
TIMEOUT_S = 60.0  # that a test reaches it is a failure
HOLD_S = 30.0  # for WebRTC to have found what it can


class Trap:
    """Listens where nothing may arrive, on both loopbacks and for datagrams too, and counts what does."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.connections = 0
        self.changed = threading.Condition()
        trap = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                with trap.changed:
                    trap.connections += 1
                    trap.changed.notify_all()
                super().setup()

            def do_GET(self) -> None:
                trap.paths.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<p>inside")

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._servers, self.datagrams = listening_everywhere(Handler)
        self.port: int = self._servers[0].server_port
        self._threads = [threading.Thread(target=server.serve_forever) for server in self._servers]
        for thread in self._threads:
            thread.start()
        self.datagrams.setblocking(False)

    def is_reached_after(self, connections: int) -> bool:
        """Wait until there are more *connections* than that and return whether it came to it."""
        with self.changed:
            return self.changed.wait_for(lambda: self.connections > connections, TIMEOUT_S)

    def received_datagrams(self) -> int:
        """Return how many datagrams have arrived since the last call."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while self.datagrams.recv(2048):
                count += 1
        return count

    def stop(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        self.datagrams.close()


class SixServer(ThreadingHTTPServer):
    """A server on the other loopback."""

    address_family = socket.AF_INET6


def listening_everywhere(
    handler: type[BaseHTTPRequestHandler],
) -> tuple[tuple[ThreadingHTTPServer, ThreadingHTTPServer], socket.socket]:
    """Listen at one port on both loopbacks and for datagrams: the first that nobody has in any of the three."""
    while True:
        with contextlib.ExitStack() as opened:
            four = opened.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            try:
                six = opened.enter_context(SixServer(("::1", four.server_port), handler))
                datagrams = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                datagrams.bind(("127.0.0.1", four.server_port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                opened.pop_all()
                return (four, six), datagrams


class LeadingSite(BaseHTTPRequestHandler):
    """Answers ``/way/NAME/TARGET`` with such a page, ``/moved/STATUS/TARGET`` with a redirect, all else with a page."""

    released = threading.Event()

    def do_GET(self) -> None:
        verb, _, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
        name, _, target = rest.partition("/")
        if verb == "moved":
            self.send_response(int(name))
            self.send_header("Location", unquote(target))
            self.end_headers()
            return
        body = "<p>fine"
        if verb == "way":
            body = leading_page(unquote(name), unquote(target))
        elif verb == "around":
            self.released.clear()
            body = AROUND.replace("PLACE", unquote(name))
        elif verb == "release":
            self.released.set()
        elif verb == "hold":
            self.released.wait(HOLD_S)
            body = "0"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Alt-Svc", f'h3=":{self.connection.getsockname()[1]}"; ma=600')
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    opened = Trap()
    yield opened
    opened.stop()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with listening(LeadingSite, PUBLIC) as port:
        yield f"http://{PUBLIC_HOST}:{port}"


@pytest.fixture(scope="module")
def dialled() -> Iterator[list[Address]]:
    """Give the addresses that the guard dials from now on, and let PUBLIC pass for public."""
    seen: list[Address] = []
    dial_first = guard.dial_first

    async def recording(addresses: Sequence[Address], port: int) -> guard.Stream:
        seen.extend(addresses)
        return await dial_first(addresses, port)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "dial_first", recording)
        patch.setattr(guard, "is_public", passes)
        yield seen


@pytest.fixture(scope="module")
def rig(dialled: list[Address]) -> Iterator[Rig]:
    lookups: list[str] = []

    async def answer(host: str, port: int) -> list[Address]:
        lookups.append(host)
        if host == "rebind.example":  # the first answer is harmless, every later one is not
            return [ip_address(PUBLIC if lookups.count(host) == 1 else "127.0.0.1")]
        known = ANSWERS.get(host)
        return await look_up(host, port) if known is None else [ip_address(text) for text in known]

    with Rig(tabs=4, look_up_name=answer) as running:
        yield running


def passes(address: Address) -> bool:
    return str(address) == PUBLIC or is_public(address)


def read_all(rig: Rig, urls: Sequence[str], *, allow_private: bool = False) -> dict[str, str]:
    """Read all *urls*, some at once, and return for each the reason why not, or its document."""
    results: dict[str, str] = {}
    for start in range(0, len(urls), 8):
        futures = {
            url: rig.read_later(url, allow_private=allow_private, timeout_s=TIMEOUT_S)
            for url in urls[start : start + 8]
        }
        for url, future in futures.items():
            try:
                results[url] = future.get(timeout=2 * TIMEOUT_S).html
            except PageError as error:
                results[url] = error.reason
    return results


def datagram_sockets_until(future: pykka.Future[PageSnapshot]) -> set[str]:
    """Return the far ends of all UDP sockets that the browser has had until it answered (Linux)."""
    seen: set[str] = set()
    while True:
        seen |= datagram_sockets()
        with contextlib.suppress(pykka.Timeout):
            future.get(timeout=0.001)
            return seen


def datagram_sockets() -> set[str]:
    """Return the far ends of the UDP sockets that the browser has now."""
    inodes: set[str] = set()
    for process in descendants(os.getpid()):
        for descriptor in Path(f"/proc/{process.pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    lines = [line.split() for name in ("udp", "udp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {fields[2] for fields in lines if fields[9] in inodes and fields[2] not in NOBODY}


def test_no_url_of_a_private_host_is_opened(rig: Rig, trap: Trap, dialled: list[Address]) -> None:
    """Whatever the spelling of the host, nothing that is not public is dialled and nothing is read."""
    urls = direct_urls(trap.port)
    before = trap.connections, len(dialled)

    results = read_all(rig, urls)

    assert len(results) >= 250
    assert {url: found for url, found in results.items() if found not in ("egress", "dns", "network")} == {}
    assert (trap.connections, len(dialled)) == before


@pytest.mark.parametrize("way", WAYS)
def test_no_page_leads_to_a_private_host(rig: Rig, trap: Trap, site: str, dialled: list[Address], way: str) -> None:
    """A page on a public host that leads on in this way reaches nothing that is not public."""
    before = trap.connections
    targets = [f"http://{host}:{trap.port}/{quote(way)}" for host in LOOPBACK]

    results = read_all(rig, [f"{site}/way/{quote(way)}/{quote(target, safe='')}" for target in targets])

    assert trap.connections == before
    assert [address for address in dialled if not passes(address)] == []
    assert not any("inside" in found for found in results.values())


def test_no_redirect_leads_to_a_private_host(rig: Rig, trap: Trap, site: str) -> None:
    """Each kind of redirect to each kind of host is refused, and so is a chain of two."""
    before = trap.connections
    targets = [f"http://{host}:{trap.port}/moved" for host in LOOPBACK]
    urls = [f"{site}/moved/{status}/{quote(target, safe='')}" for status in REDIRECTS for target in targets]
    urls += [f"{site}/moved/302/{quote(url, safe='')}" for url in urls[:7]]

    results = read_all(rig, urls)

    assert trap.connections == before
    assert {found for found in results.values() if found not in ("egress", "network", "refused")} == set()


def test_host_with_public_and_private_addresses_is_dialled_at_the_public_one(
    rig: Rig, site: str, dialled: list[Address]
) -> None:
    """Of a name's addresses those that are not public are left out."""
    port = urlsplit(site).port
    del dialled[:]

    found = rig.read(f"http://mixed.example:{port}/page", allow_private=False)

    assert "fine" in found.html
    assert {str(address) for address in dialled} == {PUBLIC}


def test_trap_is_reached_where_private_hosts_are_allowed(rig: Rig, trap: Trap, site: str) -> None:
    """With ``allow_private`` the same ways arrive, so the trap can tell."""
    reached = {}
    for way in ("frame", "fetch", "form", "refresh", "script element", "websocket", "worker"):
        before = trap.connections
        target = f"http://127.0.0.1:{trap.port}/allowed"
        read_all(rig, [f"{site}/way/{quote(way)}/{quote(target, safe='')}"], allow_private=True)
        reached[way] = trap.is_reached_after(before)

    assert all(reached.values()), reached


def test_browser_does_not_go_around_the_guard(rig: Rig, trap: Trap, site: str) -> None:
    """WebRTC, names to look up ahead and an offer of QUIC lead to no datagram and to no socket but the guard's."""
    before = trap.connections
    place = f"127.0.0.1:{trap.port}"

    future = rig.read_later(f"{site}/around/{quote(place, safe='')}", allow_private=False, timeout_s=TIMEOUT_S)
    seen = datagram_sockets_until(future)

    assert "gathered: []" in future.get(timeout=1.0).html
    assert seen == set()
    assert (trap.received_datagrams(), trap.connections) == (0, before)
