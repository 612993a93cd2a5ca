"""What a page may load: a bound on each document and on all of a page, counted as it is decoded."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from browser_rig import Rig
from loopback_site import listening

from bequest.actors.browser_size import MAX_DOCUMENT_BYTES, MAX_PAGE_BYTES
from bequest.engine.errors import PageError

TIMEOUT_S = 60.0  # that a test reaches it is the fault that it looks for
CHUNK = b"<p>" + b"a" * 65_533
BOMB = gzip.compress(b"<body><!--" + b"a" * 300_000_000, compresslevel=1)


STREAMING = b"""<p>streams<script>onload = async () => {
  const reader = (await fetch("/endless")).body.getReader();
  while (!(await reader.read()).done);
}</script>"""


class Flood(BaseHTTPRequestHandler):
    """Answers ``/endless`` until nobody reads any more, and with what holds such answers."""

    protocol_version = "HTTP/1.1"
    has_passed = threading.Event()
    has_ended = threading.Event()
    is_over = threading.Event()

    def do_GET(self) -> None:
        name = self.path.removeprefix("/").partition("?")[0]
        match name:
            case "endless" | "endless.js":
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if name == "endless" else "text/javascript")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for count in itertools.count():
                        self.wfile.write(CHUNK)
                        if count * len(CHUNK) > 2 * MAX_PAGE_BYTES:
                            self.has_passed.set()
                self.has_passed.set()
                self.has_ended.set()
                self.close_connection = True
            case "bomb":
                self._answer(BOMB, encoding="gzip")
            case "streaming":  # once it has been read it goes on
                self._answer(STREAMING)
            case "slow":  # until what streams has passed the bound of a page, or has ended
                self.has_passed.wait(TIMEOUT_S)
                self._answer(b"<p>slow but fine")
            case "script":
                self._answer(b"<script src='/endless.js'></script><p>never")
            case "announced":  # and never given
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(MAX_DOCUMENT_BYTES + 1))
                self.end_headers()
                self.wfile.write(CHUNK)
                self.is_over.wait(TIMEOUT_S)
                self.close_connection = True
            case "large":
                self._answer(b"<body>" + b"<p>a</p>\n" * 5_500_000)
            case _:
                self._answer(b"<p>fine")

    def _answer(self, content: bytes, encoding: str = "identity") -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def flood() -> Iterator[str]:
    with listening(Flood) as port:
        yield f"http://127.0.0.1:{port}"
        Flood.is_over.set()


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(tabs=2) as running:
        yield running


@pytest.mark.parametrize("name", ["endless", "bomb", "large", "announced"])
def test_document_without_end_is_too_large(rig: Rig, flood: str, name: str) -> None:
    """A document that streams for ever, that grows as it is unpacked, is or says that it is large ends in time."""
    with pytest.raises(PageError) as caught:
        rig.read(f"{flood}/{name}", timeout_s=TIMEOUT_S)

    assert (caught.value.reason, caught.value.is_transient) == ("too_large", False)


def test_browser_is_whole_after_large_documents(rig: Rig, flood: str) -> None:
    """Pages beside and after too large ones are read."""
    large = [rig.read_later(f"{flood}/endless?{number}", timeout_s=TIMEOUT_S) for number in range(4)]
    beside = rig.read(f"{flood}/page", timeout_s=TIMEOUT_S)
    for future in large:
        with pytest.raises(PageError, match="too large"):
            future.get(timeout=TIMEOUT_S)

    assert "fine" in beside.html
    assert "fine" in rig.read(f"{flood}/page").html
    assert rig.restarts == 0


def test_page_that_loads_without_end_is_too_large(rig: Rig, flood: str) -> None:
    """What a page loads beside its document counts too."""
    with pytest.raises(PageError, match="too large"):
        rig.read(f"{flood}/script", timeout_s=TIMEOUT_S)

    assert "fine" in rig.read(f"{flood}/page").html


def test_page_that_loads_on_once_it_was_read_is_ended(flood: str) -> None:
    """What a tab loads while no other page is read in it counts as well."""
    Flood.has_ended.clear()
    with Rig(tabs=1) as alone:
        alone.read(f"{flood}/streaming", timeout_s=TIMEOUT_S)

        assert Flood.has_ended.wait(TIMEOUT_S)


def test_page_is_not_blamed_for_what_the_last_one_in_its_tab_loads(flood: str) -> None:
    """What streams on while the next page is waited for does not make that one too large."""
    Flood.has_passed.clear()
    with Rig(tabs=1) as alone:
        alone.read(f"{flood}/streaming", timeout_s=TIMEOUT_S)

        slow = alone.read(f"{flood}/slow", timeout_s=TIMEOUT_S)

    assert "slow but fine" in slow.html
