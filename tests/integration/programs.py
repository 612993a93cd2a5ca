"""Real programs for the integration tests: the command line, an application behind a proxy, and a site on command."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from loopback_site import Answer, Request

DEADLINE_S = 120
BEQUEST = Path(sys.executable).with_name("bequest")
CHROMIUMS_OWN = {".cache", "chromium", "Crash Reports"}
DATASETTE = Path(sys.executable).with_name("datasette")


class Ended(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


class Running:
    """A command that goes on, in a session of its own as a terminal gives it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal to the whole process group, as a terminal does."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """End it at once, as when the machine is short of memory."""
        os.kill(self.pid, signal.SIGKILL)

    def finish(self) -> Ended:
        """Wait for its end."""
        out, err = self._process.communicate(timeout=DEADLINE_S)
        return Ended(self._process.returncode, out, err)


class CommandLine:
    """Runs ``bequest`` in a folder of its own, with an empty home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        self.program: list[str | Path] = [BEQUEST]
        self.folder.mkdir()
        self.home.mkdir()
        self.environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            **{name: value for name, value in os.environ.items() if name.startswith("PLAYWRIGHT_")},
        }

    def __call__(self, *arguments: str | Path, **environment: str) -> Ended:
        """Run one command to its end."""
        return self.start(*arguments, **environment).finish()

    def start(self, *arguments: str | Path, **environment: str) -> Running:
        """Start one command."""
        return Running(
            subprocess.Popen(
                [*self.program, *arguments],
                cwd=self.folder,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )

    def json(self, *arguments: str | Path) -> list[Any]:  # Any: what JSON can hold
        """Run one command with --json and return its values, which are all that it prints."""
        return [json.loads(line) for line in self(*arguments, "--json").out.splitlines()]

    def write_cookies(self, name: str, value: str, cookie: str = "sid", expires: int = 0) -> None:
        """Write a cookies.txt with one cookie of 127.0.0.1."""
        line = f"127.0.0.1\tFALSE\t/\tFALSE\t{expires}\t{cookie}\t{value}"
        (self.folder / name).write_text(f"# Netscape HTTP Cookie File\n{line}\n")

    def files(self) -> dict[str, bytes]:
        """Return every file of the folder and the home with its content, but those that a Chromium makes for itself."""
        roots = (self.folder, self.home)
        found = (path for root in roots for path in root.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in found if not CHROMIUMS_OWN & set(path.parts)}


class NumberedPages:
    """The handler of a site of numbered pages, each with links to two more; it may be held back.

    Of a page that was asked for, *paths* has its path; *cookies* its header.
    """

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self._changed = threading.Condition()
        self._allowed: int | None = None  # None is all
        self._answered = 0
        self.paths: list[str] = []
        self.cookies: list[str] = []

    def __call__(self, request: Request) -> Answer:
        """Answer with a page, once that is allowed; what the browser itself asks for is not counted."""
        if request.path == "/favicon.ico":
            return Answer(status=404)
        with self._changed:
            self.paths.append(request.path)
            self.cookies.append(request.cookies)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._allowed is None or self._answered < self._allowed, DEADLINE_S)
            self._answered += 1
        number = int(request.path.strip("/") or 1)
        links = "".join(f'<a href="/{one}">{one}</a>' for one in (2 * number, 2 * number + 1) if one <= self._pages)
        return Answer(f"<title>Page {number}</title><p>The page with the number {number}.</p>{links}")

    def hold_after(self, answers: int | None) -> None:
        """Answer so many requests more and hold all others back; None: answer all."""
        with self._changed:
            self._allowed = None if answers is None else self._answered + answers
            self._changed.notify_all()

    def wait_for_requests(self, count: int) -> None:
        """Wait until so many have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.paths) >= count, DEADLINE_S)


class Asked(NamedTuple):
    """A request as the server saw it."""

    path: str
    cookie: str
    status: int


class Datasette:
    """Datasette as its own process, open to its root user alone, behind a proxy that writes down what it is asked."""

    def __init__(self, folder: Path, rows: int = 300) -> None:
        database = folder / "library.db"
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT, author TEXT)")
            books = [(f"Book {number}", f"Author {number % 17}") for number in range(rows)]
            connection.executemany("INSERT INTO book (title, author) VALUES (?, ?)", books)
        connection.close()
        metadata = folder / "metadata.json"
        metadata.write_text('{"allow": {"id": "root"}}')
        self._process = subprocess.Popen(
            [DATASETTE, "serve", database, "--root", "--port", "0", "--metadata", metadata, "--secret", "kept"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.asked: list[Asked] = []
        login = self._read_until(r"auth-token\?token=(\S+)")
        self._port = int(self._read_until(r"running on http://127\.0\.0\.1:(\d+)"))
        self._drain = threading.Thread(target=self._read_to_end)
        self._drain.start()
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), self._recording_handler())
        self._proxy.daemon_threads = True
        self._proxy.block_on_close = False
        self._serving = threading.Thread(target=self._proxy.serve_forever, kwargs={"poll_interval": 0.02})
        self._serving.start()
        self.url = f"http://127.0.0.1:{self._proxy.server_port}/"
        self.cookie = self._log_in(f"/-/auth-token?token={login}")

    def stop(self) -> None:
        """End the proxy and the process."""
        self._proxy.shutdown()
        self._proxy.server_close()
        self._serving.join()
        self._process.terminate()
        self._process.wait(DEADLINE_S)
        self._drain.join()

    def _read_until(self, pattern: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = re.search(pattern, line)
            if found:
                return found.group(1)
        raise AssertionError("datasette ended before it listened")

    def _read_to_end(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.read()
        self._process.stdout.close()

    def _log_in(self, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        connection.close()
        found = re.search("ds_actor=([^;]+)", answer.getheader("Set-Cookie") or "")
        assert found is not None
        return found.group(1)

    def _recording_handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                connection = http.client.HTTPConnection("127.0.0.1", outer._port, timeout=DEADLINE_S)
                headers = {name: self.headers[name] for name in ("Host", "Cookie") if self.headers[name]}
                connection.request("GET", self.path, headers=headers)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                outer.asked.append(Asked(self.path, self.headers["Cookie"] or "", answer.status))
                self.send_response(answer.status)
                for name in ("Content-Type", "Location"):
                    if answer.getheader(name):
                        self.send_header(name, answer.getheader(name) or "")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
