"""Owns the site that crawls are measured on: pages that link to each other, from a process of its own on loopback.

It belongs to no contender's tree of processes, so what it costs is nobody's; it ends when whoever started it has closed
its end of the pipe or has ended. A page is given to whoever has the session's cookie, or the same as a bearer token,
and is refused to all others.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

COOKIE = "session"
VALUE = "of-the-keeper"
LATENCY_S = 0.2  # of the slow site, before each answer
BRANCHES = 6  # links of a page to pages further down
PARAGRAPH = "<p>The lamp is lit at dusk and put out at dawn, and the keeper writes both down in the book.</p>"
STYLE = (
    "@font-face { font-family: Book; src: url(/book.woff2) }\n"
    "body { font-family: Book, serif; margin: 2em } nav a { margin-right: 1em }"
)
SCRIPT = "document.body.dataset.ready = 'yes';"
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="60"><circle cx="30" cy="30" r="25" fill="teal"/></svg>'
)
FONT = bytes(2_000)  # no browser here loads it
KINDS = {
    "/style.css": ("text/css", STYLE.encode()),
    "/script.js": ("text/javascript", SCRIPT.encode()),
    "/book.woff2": ("font/woff2", FONT),
    "/a.svg": ("image/svg+xml", PICTURE.encode()),
    "/b.svg": ("image/svg+xml", PICTURE.encode()),
}


class LinkedSite(NamedTuple):
    """A site that is being served."""

    url: str
    pages: int

    def check(self, texts: dict[str, str]) -> None:
        """Raise ``ValueError`` unless *texts*, by URL, are what stands on all its pages."""
        numbers = {int(url.rpartition("/")[2] or 0) for url in texts}
        if numbers != set(range(self.pages)):
            raise ValueError(f"asked for {self.pages} pages, found {len(numbers)}")
        for url, text in texts.items():
            if f"Page {int(url.rpartition('/')[2] or 0)} of the book" not in text:
                raise ValueError(f"asked for {url}, found another page")


@contextmanager
def linked_site(pages: int, *, latency_s: float = 0.0) -> Iterator[LinkedSite]:
    """Serve that many pages, each answered after *latency_s*."""
    command = (sys.executable, __file__, "--pages", str(pages), "--latency", str(latency_s))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield LinkedSite(process.stdout.readline().strip(), pages)
        finally:
            process.stdin.close()


def page(number: int, pages: int) -> bytes:
    """Return the HTML of one page."""
    below = range(number * BRANCHES + 1, min(pages, (number + 1) * BRANCHES + 1))
    near = {0, (number - 1) % pages, (number + 1) % pages}
    links = "".join(f'<li><a href="/page/{one}">Page {one}</a></li>' for one in below)
    navigation = "".join(f'<a href="{"/" if one == 0 else f"/page/{one}"}">Page {one}</a>' for one in sorted(near))
    return (
        f"<!doctype html><html lang=en><head><title>Page {number}</title><link rel=stylesheet href=/style.css></head>"
        f"<body><nav>{navigation}</nav><h1>Page {number} of the book</h1><img src=/a.svg alt=A><img src=/b.svg alt=B>"
        f"{PARAGRAPH * 20}<ul>{links}</ul><script src=/script.js></script></body></html>"
    ).encode()


class Server:
    """Answers GET requests over connections that stay open."""

    def __init__(self, pages: int, latency_s: float) -> None:
        self._pages = pages
        self._latency_s = latency_s

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what one connection asks, until it ends."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await asyncio.sleep(self._latency_s)
                writer.write(self._answer(head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, head: str) -> bytes:
        path = head.split(" ", 2)[1]
        if path in KINDS:
            return answer(200, *KINDS[path], keep="max-age=3600")
        if f"{COOKIE}={VALUE}" not in head and f"Bearer {VALUE}" not in head:
            return answer(403, "text/html", b"<!doctype html><title>Login</title><h1>Who are you?</h1>")
        number = path.removeprefix("/page/")
        if path == "/":
            return answer(200, "text/html", page(0, self._pages))
        if number.isdecimal() and 0 < int(number) < self._pages:
            return answer(200, "text/html", page(int(number), self._pages))
        return answer(404, "text/html", b"<!doctype html><title>Not found</title><h1>No such page</h1>")


def answer(status: int, kind: str, body: bytes, *, keep: str = "no-store") -> bytes:
    """Return a whole answer."""
    head = (
        f"HTTP/1.1 {status} -\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: {keep}\r\n\r\n"
    )
    return head.encode() + body


async def serve(pages: int, latency_s: float) -> None:
    """Serve until standard input ends."""
    server = await asyncio.start_server(Server(pages, latency_s).serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> None:
    """Leave the tree of whoever asked, and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    chosen = parser.parse_args()
    if os.fork() == 0:
        asyncio.run(serve(chosen.pages, chosen.latency))


if __name__ == "__main__":
    main()
