"""What the browser reads of one URL, from real servers on loopback through a real Chromium."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from browser_rig import Rig
from loopback_site import Answer, Request, Serve

from bequest.engine.errors import PageError
from bequest.engine.pages import PageSnapshot

DEADLINE_S = 20.0
SHOW_NAME = "<body><script>document.body.append(`name=[${window.name}]`)</script>"
FAVICON = "/favicon.ico"  # Chromium itself asks for it, once for each site
HTML = ("Content-Type", "text/html; charset=utf-8")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(tabs=2) as running:
        yield running


def pages(**by_name: str | Answer) -> Callable[[Request], Answer]:
    """Return a handler that answers ``/name`` with that page."""

    def handle(request: Request) -> Answer:
        answer = by_name.get(urlsplit(request.path).path.removeprefix("/"), Answer("nothing here", 404))
        return answer if isinstance(answer, Answer) else Answer(answer)

    return handle


def moved(to: str, status: int = 302) -> Answer:
    """Return a redirect."""
    return Answer("", status, (("Location", to),))


def refusal(rig: Rig, url: str, *, allow_private: bool = True, timeout_s: float = 20.0) -> PageError:
    """Read what cannot be read and return the error."""
    with pytest.raises(PageError) as caught:
        rig.read(url, allow_private=allow_private, timeout_s=timeout_s)
    return caught.value


def test_page_is_read_after_its_scripts_ran(rig: Rig, serve: Serve) -> None:
    """A snapshot holds the document as its scripts left it, with status, type and URL."""
    site = serve(
        pages(page="<title>A</title><main></main><script>document.querySelector('main').append('made')</script>")
    )

    snapshot = rig.read(site.url("/page?q=1#part"))

    assert "<main>made</main>" in snapshot.html
    assert snapshot.url == site.url("/page?q=1")
    assert (snapshot.status, snapshot.content_type) == (200, "text/html")
    assert not snapshot.was_redirected
    assert snapshot.login_form is None
    assert snapshot.cookies is None


def test_page_waits_for_what_it_loads(rig: Rig, serve: Serve) -> None:
    """What a script adds when the page has loaded is read."""
    script = "addEventListener('load', () => document.body.append('late'))"
    site = serve(pages(page=f"<link rel=stylesheet href=/style.css><body><script>{script}</script>"))

    snapshot = rig.read(site.url("/page"))

    assert "late" in snapshot.html


def test_page_with_a_login_form_says_so(rig: Rig, serve: Serve) -> None:
    """The facts of a login form come with the snapshot."""
    site = serve(pages(page="<form>User <input name=user> <input type=password name=pw><button>Log in</button></form>"))

    form = rig.read(site.url("/page")).login_form

    assert form is not None
    assert (form.password_fields, form.has_user_field, form.has_login_word) == (1, True, True)


@pytest.mark.parametrize(
    "first",
    [
        moved("/second"),
        moved("/second", 301),
        moved("/second", 307),
        "<script>location.replace('/second')</script>first",
        "<meta http-equiv=refresh content='0;url=/second'>first",
        "<body onload='document.forms[0].submit()'><form action=/second></form>first",
        "<body>first<script>onload = () => setTimeout(() => location.assign('/second'))</script>",
        "<script>location.replace('/first-but-one')</script>first",
    ],
    ids=["302", "301", "307", "script", "refresh", "form", "after load", "twice"],
)
def test_page_that_leads_on_is_read_where_it_ends(rig: Rig, serve: Serve, first: str | Answer) -> None:
    """After a redirect, by the server or by the page itself, URL and document are those of the end."""
    more = "<meta http-equiv=refresh content='0.5;url=/second'>and on"
    site = serve(pages(first=first, **{"first-but-one": more}, second="the end"))

    snapshot = rig.read(site.url("/first"))

    assert urlsplit(snapshot.url).path == "/second"
    assert "the end" in snapshot.html
    assert (snapshot.status, snapshot.was_redirected) == (200, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "other.example"])
@pytest.mark.parametrize("by_script", [False, True])
def test_page_that_leads_to_an_error_has_its_status(rig: Rig, serve: Serve, by_script: bool, host: str) -> None:
    """The status is that of the last document, not of the one that led to it."""
    ends = serve(pages())
    to = ends.url("/missing", host)
    site = serve(pages(first=f"<script>location.replace('{to}')</script>" if by_script else moved(to)))

    snapshot = rig.read(site.url("/first"))

    assert (snapshot.url, snapshot.status, snapshot.was_redirected) == (to, 404, True)


@pytest.mark.parametrize(
    "page",
    [
        "<meta http-equiv=refresh content='60;url=/second'>here",
        "<body>here<script>location.hash = 'part'</script>",
        "<body>here<script>onload = () => { location.href = 'mailto:keeper@wiki.example' }</script>",
        "<body>here<iframe src=/second></iframe>",
    ],
    ids=["later", "hash", "mail", "frame"],
)
def test_page_that_stays_is_read_where_it_is(rig: Rig, serve: Serve, page: str) -> None:
    """A refresh a minute away, a jump within the page, a mail address or a frame lead nowhere."""
    site = serve(pages(page=page, second="<p>the end"))

    snapshot = rig.read(site.url("/page"))

    assert "here" in snapshot.html
    assert (urlsplit(snapshot.url).path, snapshot.status, snapshot.was_redirected) == ("/page", 200, False)


def test_page_that_only_changes_its_address_was_not_redirected(rig: Rig, serve: Serve) -> None:
    """``history.replaceState`` changes the URL of a document that was not left."""
    site = serve(pages(page="<script>history.replaceState(null, '', '/other')</script>here"))

    snapshot = rig.read(site.url("/page"))

    assert urlsplit(snapshot.url).path == "/other"
    assert (snapshot.status, snapshot.was_redirected) == (200, False)


@pytest.mark.parametrize("body", ["<p>sorry</p>", ""])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
def test_page_has_the_status_of_its_answer(rig: Rig, serve: Serve, status: int, body: str) -> None:
    """An error's status is in the snapshot, also when it has no body, which Chromium reports as a failure."""
    site = serve(pages(page=Answer(body, status), first=moved("/page")))

    direct = rig.read(site.url("/page"))
    redirected = rig.read(site.url("/first"))

    assert (direct.status, direct.was_redirected) == (status, False)
    assert (redirected.status, redirected.was_redirected) == (status, True)
    assert urlsplit(redirected.url).path == "/page"
    assert body in direct.html


def test_page_that_asks_for_a_password_over_http_has_its_status(rig: Rig, serve: Serve) -> None:
    """A 401 with a challenge is a 401, with no window that waits for a password."""
    challenge = ("WWW-Authenticate", 'Basic realm="x"')
    site = serve(pages(full=Answer("<p>no</p>", 401, (HTML, challenge)), empty=Answer("", 401, (challenge,))))

    statuses = [rig.read(site.url(path)).status for path in ("/full", "/empty")]

    assert statuses == [401, 401]


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
    site = serve(pages(page="<body><script>document.body.append('a'.repeat(20_000_001))</script>"))

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


@pytest.mark.parametrize(
    "script",
    [
        "while (true) {}",
        "while (true) alert('again')",
        "addEventListener('load', () => { while (true) {} })",
        "location.reload()",
    ],
    ids=["spins", "alerts", "spins when loaded", "reloads"],
)
def test_page_that_never_rests_gives_its_tab_back(rig: Rig, serve: Serve, script: str) -> None:
    """A page that hangs is a timeout, and with every tab of the pool taken so, the next pages are read."""
    site = serve(pages(bad=f"<script>{script}</script>", good="fine"))

    hung = [rig.read_later(site.url(f"/bad?{number}"), timeout_s=1.5) for number in range(4)]
    errors = [error_of(future.get, timeout=DEADLINE_S) for future in hung]
    read = [rig.read(site.url("/good")).html for _ in range(4)]

    assert {(error.reason, error.is_transient) for error in errors} <= {("timeout", True), ("network", True)}
    assert all("fine" in html for html in read)


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


def test_sub_resource_that_never_comes_does_not_cost_the_page(rig: Rig, serve: Serve) -> None:
    """A page is read a few seconds after its document is complete, whatever it still loads."""
    going_on = threading.Event()

    def handle(request: Request) -> Answer:
        if request.path == "/slow.css":
            going_on.wait(DEADLINE_S)
        return Answer("<p>content</p><iframe src=/slow.css></iframe>")

    site = serve(handle)

    snapshot = rig.read(site.url("/page"))
    going_on.set()

    assert "content" in snapshot.html


def test_popups_are_closed(rig: Rig, serve: Serve) -> None:
    """A window that a page opens is closed at once, which the page can see while it is read."""
    closed = threading.Event()
    script = """const popup = window.open('/popup');
        setInterval(() => { if (popup && popup.closed) fetch('/closed') }, 20)"""

    def handle(request: Request) -> Answer:
        if request.path == "/closed":
            closed.set()
        if request.path == "/after.js":
            closed.wait(DEADLINE_S)
        opener = f"<script>{script}</script><script src=/after.js></script>opener"
        return Answer(opener if request.path == "/page" else "")

    site = serve(handle)

    assert "opener" in rig.read(site.url("/page")).html
    assert closed.is_set()


def test_tab_whose_page_opened_a_window_is_not_used_again(rig: Rig, serve: Serve) -> None:
    """The window shares the tab's renderer, and what spins there would hold up an innocent page after it."""
    script = "window.name = 'first'; window.open('/popup')"
    site = serve(pages(page=f"<script>{script}</script>", popup="popup", next=SHOW_NAME))

    rig.read(site.url("/page"))

    assert "name=[]" in rig.read(site.url("/next")).html


def test_tab_whose_page_opens_a_window_when_it_is_read_already_is_not_used_again(rig: Rig, serve: Serve) -> None:
    """What a page does while its tab waits for the next URL counts too."""
    closed = threading.Event()
    script = """window.name = 'first';
        setTimeout(() => { window.popup = window.open('/popup') }, 500);
        setInterval(() => { if (window.popup && window.popup.closed) fetch('/closed') }, 20)"""

    def handle(request: Request) -> Answer:
        if request.path == "/closed":
            closed.set()
        return Answer(f"<script>{script}</script>" if request.path == "/page" else SHOW_NAME)

    site = serve(handle)

    rig.read(site.url("/page"))
    assert closed.wait(DEADLINE_S)

    assert "name=[]" in rig.read(site.url("/next")).html


def test_popup_that_spins_does_not_hold_up_its_opener(rig: Rig, serve: Serve) -> None:
    """A popup in an endless loop, which shares the process of its opener, is closed and the opener's host read on."""
    site = serve(pages(page="<script>window.open('/popup')</script>opener", popup="<script>while (true) {}</script>"))

    read = [outcome(rig, site.url("/page"), timeout_s=4.0) for _ in range(2)]
    other = rig.read(site.url("/missing", "other.example"))

    assert set(read) <= {"read", "timeout"}
    assert other.status == 404


def test_dialogs_are_dismissed(rig: Rig, serve: Serve) -> None:
    """Nobody answers a dialog: alerts go away, a question is answered with no, and a page cannot keep its tab."""
    script = """alert('x'); document.title = `${confirm('y')} ${prompt('z', 'd')}`;
        addEventListener('beforeunload', (event) => { event.preventDefault(); event.returnValue = 'stay' })"""
    site = serve(pages(page=f"<title>-</title><script>{script}</script>", next="went on"))

    snapshot = rig.read(site.url("/page"))
    following = [rig.read(site.url("/next")).html for _ in range(2)]

    assert "<title>false null</title>" in snapshot.html
    assert all("went on" in html for html in following)


def test_images_and_fonts_are_not_loaded(rig: Rig, serve: Serve) -> None:
    """A page works with its scripts and styles; images and fonts are never asked for, and it is told so."""
    style = "@font-face { font-family: f; src: url(/font.woff2) } body { font-family: f; background: url(/back.png) }"
    site = serve(
        pages(
            page="<link rel=stylesheet href=/style.css><body>text<img src=/image.png><script src=/script.js></script>",
            **{
                "style.css": Answer(style, headers=(("Content-Type", "text/css"),)),
                "script.js": Answer(
                    "const loaded = new Image(); loaded.src = '/made.png';"
                    "document.body.dataset.margin = getComputedStyle(document.body).fontFamily",
                    headers=(("Content-Type", "text/javascript"),),
                ),
            },
        )
    )

    snapshot = rig.read(site.url("/page"))

    assert 'data-margin="f"' in snapshot.html
    assert '<img src="/image.png">' in snapshot.html
    assert {request.path for request in site.requests} - {FAVICON} == {"/page", "/script.js", "/style.css"}


def test_tab_carries_nothing_to_another_host(rig: Rig, serve: Serve) -> None:
    """``window.name`` outlives a navigation in one tab, so a page of another host gets a tab of its own."""
    site = serve(
        pages(
            writes="<script>window.name = 'carried'</script>",
            reads=SHOW_NAME,
        )
    )

    rig.read(site.url("/writes", "one.example"))
    found = [rig.read(site.url("/reads", "two.example")).html for _ in range(3)]

    assert all("name=[]" in html for html in found)


def test_same_address_with_another_fragment_is_fetched_again(rig: Rig, serve: Serve) -> None:
    """A second read of a URL is a request of its own, though only the fragment differs."""
    site = serve(pages(page="here"))

    for fragment in ("", "#one", "#two"):
        rig.read(site.url(f"/page{fragment}"))

    assert [request.path for request in site.requests if request.path != FAVICON] == ["/page"] * 3


def test_many_pages_share_few_tabs(rig: Rig, serve: Serve) -> None:
    """More requests than tabs, and more pages than a tab lives for, are all answered, each with its own page."""
    site = serve(lambda request: Answer(f"<p>{request.path}</p>"))
    paths = [f"/page/{number}" for number in range(120)]

    futures = [rig.read_later(site.url(path), timeout_s=60.0) for path in paths]
    snapshots = [future.get(timeout=60.0) for future in futures]

    assert [f"<p>{path}</p>" in snapshot.html for path, snapshot in zip(paths, snapshots, strict=True)] == [True] * 120


def outcome(rig: Rig, url: str, *, timeout_s: float) -> str:
    """Return ``read``, or the reason why *url* could not be read."""
    try:
        rig.read(url, timeout_s=timeout_s)
    except PageError as error:
        return error.reason
    return "read"


def error_of(get: Callable[..., object], *, timeout: float) -> PageError:
    """Return the error that a future holds."""
    with pytest.raises(PageError) as caught:
        get(timeout=timeout)
    return caught.value


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
