"""What the browser does not read, and the error that says why: no page, no way there, no leave to go."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from browser_rig import Rig
from loopback_site import Answer, Request, Serve, moved, pages

from bequest.engine.errors import PageError
from bequest.engine.pages import PageSnapshot

DEADLINE_S = 20.0
HTML = ("Content-Type", "text/html; charset=utf-8")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(tabs=2) as running:
        yield running


def refusal(rig: Rig, url: str, *, allow_private: bool = True, timeout_s: float = 20.0) -> PageError:
    """Read what cannot be read and return the error."""
    with pytest.raises(PageError) as caught:
        rig.read(url, allow_private=allow_private, timeout_s=timeout_s)
    return caught.value


@pytest.mark.parametrize(
    "answer",
    [
        Answer("{}", headers=(("Content-Type", "application/json"),)),
        Answer("text", headers=(("Content-Type", "text/plain"),)),
        Answer("%PDF-1.4", headers=(("Content-Type", "application/pdf"),)),
        Answer("<svg xmlns='http://www.w3.org/2000/svg'/>", headers=(("Content-Type", "image/svg+xml"),)),
        Answer("bytes", headers=(("Content-Type", "application/octet-stream"),)),
        Answer("<p>x", headers=(HTML, ("Content-Disposition", "attachment; filename=x.html"))),
        Answer("", 204, ()),
    ],
    ids=["json", "text", "pdf", "svg", "bytes", "attachment", "no content"],
)
def test_what_is_no_page_is_refused_for_good(rig: Rig, serve: Serve, answer: Answer) -> None:
    """Downloads and other types are an error that trying again cannot help, and leave nothing of the page before."""
    site = serve(pages(page="a page", file=answer))
    rig.read(site.url("/page"))

    error = refusal(rig, site.url("/file"))

    assert (error.reason, error.is_transient) == ("not_html", False)
    assert "a page" in rig.read(site.url("/page")).html


def test_page_that_is_too_large_is_refused(rig: Rig, serve: Serve) -> None:
    """A document of more than twenty million characters does not leave the browser."""
    site = serve(pages(page="<body><script>document.body.append(new Comment('a'.repeat(20_000_001)))</script>"))

    error = refusal(rig, site.url("/page"))

    assert (error.reason, error.is_transient) == ("too_large", False)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "view-source:file:///etc/passwd",
        "chrome://version/",
        "about:blank",
        "data:text/html,x",
        "javascript:document.write(1)",
        "blob:http://127.0.0.1/x",
        "ftp://127.0.0.1/",
        "http://",
        "http://[::1/",
        "http://127.0.0.1:99999/",
        "",
    ],
)
def test_only_http_is_fetched(rig: Rig, url: str) -> None:
    """What is not http or https with a host never reaches the browser."""
    error = refusal(rig, url)

    assert (error.reason, error.is_transient) == ("network", False)
    assert "http and https" in str(error)


@pytest.mark.parametrize(
    "page",
    [
        moved("file:///etc/hostname"),
        "<script>location.href = 'file:///etc/hostname'</script>kept",
        "<meta http-equiv=refresh content='0;url=file:///etc/hostname'>kept",
    ],
    ids=["redirect", "script", "refresh"],
)
def test_page_cannot_lead_to_a_file(rig: Rig, serve: Serve, page: str | Answer) -> None:
    """No redirect makes the browser read a file: it stays on the page, or there is an error."""
    site = serve(pages(page=page))

    try:
        read: PageSnapshot | None = rig.read(site.url("/page"))
    except PageError:
        read = None

    assert read is None or (urlsplit(read.url).path == "/page" and "kept" in read.html)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "wiki.example"])
def test_loopback_is_refused_unless_private_networks_are_allowed(rig: Rig, serve: Serve, host: str) -> None:
    """Under the strict policy no request reaches this machine, however it is named; with ``allow_private`` it does."""
    site = serve(pages(page="inside"))

    error = refusal(rig, site.url("/page", host), allow_private=False)
    seen_under_strict = list(site.requests)
    snapshot = rig.read(site.url("/page", host))

    assert (error.reason, error.is_transient) == ("egress", False)
    assert seen_under_strict == []
    assert "inside" in snapshot.html


def test_unreachable_hosts_say_why(rig: Rig, serve: Serve) -> None:
    """An unknown name, a closed port and a server that hangs up have each their own reason; all may be tried again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    site = serve(pages(first=moved(f"http://127.0.0.1:{closed}/")))
    with hanging_up() as rude_port:
        urls = {
            "dns": "http://no-such-name.invalid/page?token=secret",
            "refused": f"http://127.0.0.1:{closed}/page?token=secret",
            "network": f"http://127.0.0.1:{rude_port}/page?token=secret",
        }

        errors = {reason: refusal(rig, url) for reason, url in urls.items()}
        redirected = refusal(rig, site.url("/first"))

    assert {reason: error.reason for reason, error in errors.items()} == {reason: reason for reason in urls}
    assert all(error.is_transient for error in errors.values())
    assert not any("secret" in str(error) for error in errors.values())
    assert "no-such-name.invalid/page" in str(errors["dns"])
    assert redirected.reason == "refused"


def test_server_without_tls_is_no_https(rig: Rig, serve: Serve) -> None:
    """A TLS failure is its own reason, and trying again does not help."""
    site = serve(pages(page="plain"))

    error = refusal(rig, site.url("/page").replace("http:", "https:"))

    assert (error.reason, error.is_transient) == ("tls", False)


def test_server_that_never_answers_is_a_timeout(rig: Rig, serve: Serve) -> None:
    """The deadline of a request holds also when nothing comes."""
    going_on = threading.Event()

    def handle(_request: Request) -> Answer:
        going_on.wait(DEADLINE_S)
        return Answer("late")

    site = serve(handle)

    error = refusal(rig, site.url("/page?token=secret"), timeout_s=1.0)
    going_on.set()

    assert (error.reason, error.is_transient) == ("timeout", True)
    assert "secret" not in str(error)


@contextlib.contextmanager
def hanging_up() -> Iterator[int]:
    """Give the port of a server that ends each connection without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                connection = server.accept()[0]
                with connection:
                    if connection.recv(65_536) == b"stop":
                        return

        thread = threading.Thread(target=hang_up)
        thread.start()
        port = server.getsockname()[1]
        yield port
        with socket.create_connection(("127.0.0.1", port)) as last:
            last.sendall(b"stop")
        thread.join(DEADLINE_S)
