"""Owns the HTTP side of the login site: one loopback server, a thread a connection, keep-alive."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from ..engine.records import Record

MAX_BODY = 65_536  # bytes; a login form needs a few hundred


class Asked(Record, frozen=True, kw_only=True):
    """What a request asks for."""

    method: str  # GET or POST
    target: str  # path and query, as sent
    cookies: Mapping[str, str]
    body: str


class Answer(Record, frozen=True, kw_only=True):
    """What the site answers."""

    status: int = 200
    body: str = ""
    content_type: str = "text/html"
    location: str | None = None
    set_cookie: str | None = None
    cache_control: str = "no-store"


class SiteServer(ThreadingHTTPServer):
    """Serves what *answer* returns on a free port of 127.0.0.1, from ``start`` to ``stop`` (each once)."""

    daemon_threads = False  # so that server_close() joins them
    request_queue_size = 128

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="login-site")

    def start(self) -> None:
        """Serve; the port is bound already."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, close the connections that are kept alive and join every thread."""
        self.shutdown()
        self._thread.join()
        for connection in tuple(self._open):
            _hang_up(connection)
        self.server_close()

    def server_bind(self) -> None:
        """Bind without looking the host's name up, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.socket.getsockname()[1])

    def process_request(self, request: Any, client_address: Any) -> None:  # Any: as socketserver declares them
        """Serve a connection in its own thread, and remember it for ``stop``."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is served."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up; report all else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "LoginSite"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body leave in one packet

    def do_GET(self) -> None:
        self._send(self._site.answer(self._asked("")))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._send(Answer(status=413, body="The form is too long."))
            return
        self._send(self._site.answer(self._asked(self.rfile.read(int(length)).decode("utf-8", "replace"))))

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: ``LoginSite.requests`` is the log."""

    @property
    def _site(self) -> SiteServer:
        return cast(SiteServer, self.server)

    def _asked(self, body: str) -> Asked:
        pairs = (part.strip().partition("=") for part in self.headers.get("Cookie", "").split(";"))
        cookies = {name: value for name, _, value in pairs}
        return Asked(method=self.command, target=self.path, cookies=cookies, body=body)

    def _send(self, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", f"{answer.content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", answer.cache_control)
        if answer.location is not None:
            self.send_header("Location", answer.location)
        if answer.set_cookie is not None:
            self.send_header("Set-Cookie", answer.set_cookie)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the client was first
        return
