"""The visible browser: a person logs in there, and the session is taken when they have (I17)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from loopback_site import Answer, Request, Serve, Site

from bequest.actors.browser_capture import Attendance, Capture, capture, visible
from bequest.actors.browser_install import find_chromium
from bequest.actors.loop_thread import LoopThread
from bequest.engine.errors import LoginFailedError
from bequest.engine.sessions import Session

T = TypeVar("T")
DEADLINE_S = 60.0
WITH_SESSION = (("Content-Type", "text/html"), ("Set-Cookie", "sid=canary; Path=/; HttpOnly"))
PAGES = {
    "/": Answer("<script>localStorage.local = 'kept'</script>Log in here."),
    "/popup": Answer("<script>window.open('/inside')</script>"),
    "/inside": Answer("<script>sessionStorage.tab = 'kept too'</script><a href=/out>Log out</a>", 200, WITH_SESSION),
}


class Windows:
    """A browser with windows on a loop of its own, and a hand in it."""

    def __init__(self, display: str) -> None:
        self._loop = LoopThread("windows")
        self._loop.start()
        self._visible = visible(find_chromium() or pytest.fail("no Chromium"))
        self.browser = self.run(self._visible.__aenter__())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the loop do it and wait."""
        return self._loop.submit(work).result(DEADLINE_S)

    def stop(self) -> None:
        """Close them all."""
        self.run(self._visible.__aexit__(None, None, None))
        self._loop.stop(DEADLINE_S)

    def log_in(self, order: Capture, *hands: Callable[[Person], Coroutine[Any, Any, None]]) -> Session:
        """Open the window, have the person do that, and return the session."""
        return self.run(attend(self.browser, order, *hands))


class Person:
    """Who sits before the window."""

    def __init__(self, context: Any) -> None:  # Any: only the browser's own modules name Playwright's types
        self.context = context
        self.said_so = asyncio.Event()

    async def reads(self, path: str) -> None:
        """Wait until the last window shows that page."""
        while not self.context.pages:
            await self.context.wait_for_event("page")
        await self.context.pages[-1].wait_for_url(f"**{path}")

    async def says_so(self) -> None:
        """Go inside and press Enter in the terminal."""
        await self.reads("/")
        await self.context.pages[0].goto(self.context.pages[0].url + "inside")
        self.said_so.set()

    async def closes(self) -> None:
        """Go inside and close the window."""
        await self.reads("/")
        await self.context.pages[0].goto(self.context.pages[0].url + "inside")
        await self.context.pages[0].close()


async def attend(browser: Any, order: Capture, *hands: Callable[[Person], Coroutine[Any, Any, None]]) -> Session:
    context = await browser.new_context()
    person = Person(context)
    waiting = asyncio.create_task(Attendance(browser, context, order, person.said_so).wait())
    for hand in hands:
        await hand(person)
    try:
        return await waiting
    finally:
        await context.close()


@pytest.fixture(scope="module")
def windows(display: str) -> Iterator[Windows]:
    """Give the browser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", display)
        made = Windows(display)
    yield made
    made.stop()


@pytest.fixture
def site(serve: Serve) -> Site:
    """Give a site."""

    def answer(request: Request) -> Answer:
        return PAGES.get(request.path, Answer("", 404))

    return serve(answer)


def parts(session: Session) -> list[str]:
    """Return what a session has, by name."""
    return [
        *(cookie.name for cookie in session.cookies),
        *(name for storage in session.storages for name in (*storage.local, *storage.session)),
    ]


@pytest.mark.parametrize(
    ("until", "until_url"), [("text=Log out", None), (None, "/inside$")], ids=["selector", "address"]
)
def test_condition_is_seen_in_a_popup(windows: Windows, site: Site, until: str | None, until_url: str | None) -> None:
    """Whichever window the login ends in, the session is taken there by itself, with the storage of its tab."""
    session = windows.log_in(Capture(url=site.url("/popup"), until=until, until_url=until_url))

    assert parts(session) == ["sid", "tab"]
    assert session.user_agent is not None
    assert "Headless" not in session.user_agent


def test_person_who_says_so_is_logged_in(windows: Windows, site: Site) -> None:
    """Without a condition the session is taken when they say so, of every origin that was visited."""
    session = windows.log_in(Capture(url=site.url("/")), Person.says_so)

    assert parts(session) == ["sid", "local", "tab"]


def test_window_that_is_closed_is_the_end(windows: Windows, site: Site) -> None:
    """Cookies and localStorage are still had then; with a condition that never held it is a failure."""
    session = windows.log_in(Capture(url=site.url("/")), Person.closes)

    with pytest.raises(LoginFailedError, match="window was closed before the login was done; nothing was stored"):
        windows.log_in(Capture(url=site.url("/"), until="#never"), Person.closes)

    assert parts(session) == ["sid", "local"]


def test_order_that_cannot_be_kept_is_told(windows: Windows, closed_port: int) -> None:
    """A selector that is none, and a site that is not there, end it at once."""
    with pytest.raises(LoginFailedError, match=r"'\[\[', which is no selector; nothing was stored"):
        windows.log_in(Capture(url="http://127.0.0.1/", until="[["))
    with pytest.raises(LoginFailedError, match=r"open 127\.0\.0\.1/here, found ERR_CONNECTION_REFUSED; nothing"):
        windows.log_in(Capture(url=f"http://127.0.0.1:{closed_port}/here?token=x"))


def test_capture_has_an_end(display: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who never comes is waited for so long and no longer."""
    monkeypatch.setenv("DISPLAY", display)
    order = Capture(url=site.url("/"), until="#never", timeout_s=0.5)

    with pytest.raises(LoginFailedError, match=r"within 0\.5 s, found none; nothing was stored"):
        asyncio.run(capture(find_chromium() or pytest.fail("no Chromium"), order, asyncio.Event()))


def test_browser_that_is_ended_is_told(windows: Windows, site: Site) -> None:
    """Whoever ends the whole browser has no session stored."""

    async def ends(person: Person) -> None:
        await person.reads("/")
        await windows.browser.close()

    with pytest.raises(LoginFailedError, match="before the login was done; nothing was stored"):
        windows.log_in(Capture(url=site.url("/")), ends)
