"""A small real server on loopback, whose pages a test writes as a function."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit


class Request(NamedTuple):
    """What the server was asked."""

    method: str
    path: str  # with the query
    host: str  # of the Host header, without the port
    cookies: str  # the Cookie header, empty when there was none
    body: bytes
    headers: dict[str, str]  # as they came


class Answer(NamedTuple):
    """What a handler answers; the content length is added."""

    body: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html; charset=utf-8"),)


def pages(**by_name: str | Answer) -> Callable[[Request], Answer]:
    """Return a handler that answers ``/name`` with that page."""

    def handle(request: Request) -> Answer:
        answer = by_name.get(urlsplit(request.path).path.removeprefix("/"), Answer("nothing here", 404))
        return answer if isinstance(answer, Answer) else Answer(answer)

    return handle


def moved(to: str, status: int = 302) -> Answer:
    """Return a redirect."""
    return Answer("", status, (("Location", to),))


class Site:
    """A running server; *requests* grows as it is asked."""

    def __init__(self, handler: Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_class(handler, self.requests))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._server.server_port

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """Return the URL of *path*; any name that resolves to 127.0.0.1 may be the *host*."""
        return f"http://{host}:{self.port}{path}"

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def handler_class(handler: Callable[[Request], Answer], requests: list[Request]) -> type[BaseHTTPRequestHandler]:
    """Return the handler class that ``http.server`` wants."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            host = (self.headers.get("Host") or "").partition(":")[0]
            cookies = self.headers.get("Cookie") or ""
            request = Request(self.command, self.path, host, cookies, body, dict(self.headers))
            requests.append(request)
            answer = handler(request)
            content = answer.body.encode()
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_OPTIONS = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1") -> Iterator[int]:
    """Serve with *handler* on a free port of *host*; what it still answers at the end is not waited for."""
    server = ThreadingHTTPServer((host, 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


Serve = Callable[[Callable[[Request], Answer]], Site]  # the type of the fixture ``serve``
