"""The tabs that pages share: whatever one page does to its tab, the next is read without a trace of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from browser_rig import Rig
from loopback_site import Answer, Request, Serve, pages

from bequest.engine.errors import PageError

DEADLINE_S = 20.0
SHOW_NAME = "<body><script>document.body.append(`name=[${window.name}]`)</script>"


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig(tabs=2) as running:
        yield running


def test_many_pages_share_few_tabs(rig: Rig, serve: Serve) -> None:
    """More requests than tabs, and more pages than a tab lives for, are all answered, each with its own page."""
    site = serve(lambda request: Answer(f"<p>{request.path}</p>"))
    paths = [f"/page/{number}" for number in range(120)]

    futures = [rig.read_later(site.url(path), timeout_s=60.0) for path in paths]
    snapshots = [future.get(timeout=60.0) for future in futures]

    assert [f"<p>{path}</p>" in snapshot.html for path, snapshot in zip(paths, snapshots, strict=True)] == [True] * 120


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
