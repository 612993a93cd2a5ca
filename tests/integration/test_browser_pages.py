"""What the browser reads of one URL, from real servers on loopback through a real Chromium."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from browser_rig import Rig
from loopback_site import Answer, Request, Serve, moved, pages

DEADLINE_S = 20.0
FAVICON = "/favicon.ico"  # Chromium itself asks for it, once for each site
HTML = ("Content-Type", "text/html; charset=utf-8")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(tabs=2) as running:
        yield running


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


@pytest.mark.parametrize("to", ["/file", "/nothing", "mailto:keeper@wiki.example"], ids=["download", "204", "mail"])
def test_page_that_leads_nowhere_while_it_is_parsed_is_read_as_far_as_it_came(rig: Rig, serve: Serve, to: str) -> None:
    """Chromium ends such a document where its script leads on, whatever comes of that, and never says that it has."""
    file = Answer("bytes", headers=(("Content-Type", "application/zip"), ("Content-Disposition", "attachment")))
    page = f"<body>here<script>location = '{to}'</script>" + "<p>and more</p>" * 10_000
    site = serve(pages(page=page, file=file, nothing=Answer("", 204, ()), second="the end"))

    snapshot = rig.read(site.url("/page"))

    assert "here" in snapshot.html
    assert (urlsplit(snapshot.url).path, snapshot.status, snapshot.was_redirected) == ("/page", 200, False)
    assert "the end" in rig.read(site.url("/second")).html


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


def test_same_address_with_another_fragment_is_fetched_again(rig: Rig, serve: Serve) -> None:
    """A second read of a URL is a request of its own, though only the fragment differs."""
    site = serve(pages(page="here"))

    for fragment in ("", "#one", "#two"):
        rig.read(site.url(f"/page{fragment}"))

    assert [request.path for request in site.requests if request.path != FAVICON] == ["/page"] * 3
