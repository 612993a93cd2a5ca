"""The headers of credentials in a real browser: on every request to their origin, of their own context alone (I17)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from browser_rig import Rig
from loopback_site import Answer, Request, Serve

from bequest.actors.browser_headers import BrowserHeaders
from bequest.actors.browser_install import find_chromium
from bequest.actors.browser_launch import Chromium
from bequest.actors.guard import Guard
from bequest.actors.name_lookup import look_up
from bequest.engine.credentials import Credential
from bequest.engine.pages import CookieReport
from bequest.engine.records import SealedCredential
from bequest.engine.secret import Secret
from bequest.engine.sessions import OriginHeader

HOST = "wiki.localhost"
OTHER = "third.localhost"
ANSWER_S = 10.0
HTML = ("Content-Type", "text/html; charset=utf-8")
OPEN = ("Access-Control-Allow-Origin", "*")

NO_ICON = "<link rel=icon href=data:,>"  # or the browser asks for one, some time later

# Everything that a page makes the browser ask for: what it holds, and at which paths of its site.
OWN_REQUESTS = {
    "<iframe src=/frame></iframe>": ["/frame", "/of-frame", "/frame-below"],
    "<iframe srcdoc=\"<script>fetch('/of-srcdoc')</script>\"></iframe>": ["/of-srcdoc"],
    "<link rel=stylesheet href=/style.css>": ["/style.css", "/imported.css"],
    "<script>fetch('/sent', {method: 'POST', body: 'own'})</script>": ["/sent"],
    "<script>fetch('/moved')</script>": ["/moved", "/moved-to"],
    "<script>fetch('@OTHER/back')</script>": ["/moved-back"],
    "<script>navigator.sendBeacon('/beacon', 'own')</script>": ["/beacon"],
    "<script>new Worker('/worker.js?fetch=/of-worker')</script>": ["/worker.js?fetch=/of-worker", "/of-worker"],
    "<script>new SharedWorker('/worker.js?fetch=/of-shared')</script>": ["/worker.js?fetch=/of-shared", "/of-shared"],
    "<link rel=prefetch href=/prefetched>": ["/prefetched"],
    "<link rel=preload as=script href=/preloaded>": ["/preloaded"],
    "<script>window.open('/popup')</script>": ["/popup"],
    "<iframe src=/download></iframe>": ["/download"],
}
BODIES = {
    "/frame": "<script>fetch('/of-frame')</script><iframe src=/frame-below></iframe>",
    "/style.css": "@import url('/imported.css');",
}
TYPES = {"css": "text/css", "js": "text/javascript"}


class Wiki:
    """A site that keeps the Authorization header of each request, by path, and knows how to wait for one."""

    def __init__(self, serve: Serve) -> None:
        self.sent: dict[str, list[str]] = {}
        self.page = ""
        self._changed = threading.Condition()
        self.site = serve(self._answer)
        self.origin = self.site.url("", HOST)

    def wait(self, path: str) -> list[str]:
        """Return what the requests for *path* had, once there is one."""
        with self._changed:
            assert self._changed.wait_for(lambda: path in self.sent, ANSWER_S), path
            return self.sent[path]

    def _answer(self, request: Request) -> Answer:
        path = urlsplit(request.path).path
        if request.host == HOST:
            with self._changed:
                self.sent.setdefault(request.path, []).append(request.headers.get("Authorization", ""))
                self._changed.notify_all()
        moved = {"/moved": "/moved-to", "/back": f"{self.origin}/moved-back"}
        if path in moved:
            return Answer("", 302, (("Location", moved[path]), OPEN))
        if path == "/worker.js":
            return Answer(f"fetch('{request.path.partition('=')[2]}')", headers=(("Content-Type", TYPES["js"]),))
        kind = TYPES.get(path.rpartition(".")[2], "text/html")
        more = (("Content-Disposition", "attachment"),) if path == "/download" else ()
        body = self.page if path == "/page" else BODIES.get(path, NO_ICON)
        return Answer(body, headers=(("Content-Type", kind), OPEN, *more))


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


@pytest.fixture
def wiki(serve: Serve) -> Wiki:
    return Wiki(serve)


def bearer(rig: Rig, origin: str, token: str, *, auth_id: str = "wiki") -> SealedCredential:
    """Return a sealed credential that is a bearer token and no more."""
    header = OriginHeader.bearer(origin, token=token)
    site = urlsplit(origin).hostname or ""
    return rig.vault.seal(Credential(auth_id=auth_id, sites=(site,), headers=(header,)), version=1, now=0.0)


@pytest.mark.parametrize("part", OWN_REQUESTS)
def test_header_goes_with_every_request_to_its_origin(rig: Rig, wiki: Wiki, part: str) -> None:
    """Frames, workers, popups, redirects home and downloads have it as the page itself has."""
    wiki.page = part.replace("@OTHER", wiki.site.url("", OTHER))

    report = rig.read(f"{wiki.origin}/page", credential=bearer(rig, wiki.origin, "t", auth_id=part[:150])).cookies

    assert report == CookieReport(headers=1)
    assert {path: wiki.wait(path) for path in ["/page", *OWN_REQUESTS[part]]} == {
        path: ["Bearer t"] for path in ["/page", *OWN_REQUESTS[part]]
    }


def test_credentials_of_one_origin_do_not_meet(rig: Rig, wiki: Wiki) -> None:
    """Two at once, and pages without any: each request has the header of its own context or none."""
    wiki.page = "<iframe src=/frame></iframe><script>fetch('/own')</script>"
    sessions = {f"Bearer {name}": bearer(rig, wiki.origin, name, auth_id=name) for name in ("one", "two")}
    both: list[tuple[str, SealedCredential | None]] = [*sessions.items(), ("", None)]

    def read(query: str, credential: SealedCredential | None) -> None:
        for _ in range(4):
            rig.read(f"{wiki.origin}/page?{query}", credential=credential, timeout_s=60)

    readers = [threading.Thread(target=read, args=(name.replace(" ", "+"), found)) for name, found in both]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert {path: set(found) for path, found in wiki.sent.items() if path.startswith("/page")} == {
        f"/page?{name.replace(' ', '+')}": {name} for name, _ in both
    }
    assert set(wiki.sent["/frame"]) == set(wiki.sent["/own"]) == {"Bearer one", "Bearer two", ""}


def test_redirect_to_the_origin_of_another_credential_takes_no_header_along(rig: Rig, serve: Serve) -> None:
    """Requests to there are paused too, for another context: what was added for the first hop is not sent on."""
    end = serve(lambda _: Answer("the end"))
    there = end.url("", OTHER)
    start = serve(lambda _: Answer("", 302, (("Location", f"{there}/landed"),)))
    here = start.url("", HOST)
    key = OriginHeader(origin=here, name="X-Key", value=Secret("t"))
    both = Credential(auth_id="both", sites=(HOST,), headers=(OriginHeader.bearer(here, token="t"), key))
    rig.read(f"{there}/page", credential=bearer(rig, there, "other", auth_id="other"))

    rig.read(f"{here}/", credential=rig.vault.seal(both, version=1, now=0.0))

    first, landed = start.requests[0], [seen for seen in end.requests if seen.path == "/landed"]
    assert (first.headers["Authorization"], first.headers["X-Key"]) == ("Bearer t", "t")
    assert [{"Authorization", "X-Key"} & seen.headers.keys() for seen in landed] == [set()]


@pytest.mark.parametrize("body", ["who are you?", ""])
def test_challenge_does_not_hang(rig: Rig, serve: Serve, body: str) -> None:
    """A site that asks for HTTP's login gets an answer or the page its 401, with the header and without."""
    right = OriginHeader.basic("http://x.example", user="me", password="pw").value.reveal()

    def challenge(request: Request) -> Answer:
        if request.headers.get("Authorization") == right:
            return Answer("inside")
        return Answer(body, 401, (HTML, ("WWW-Authenticate", 'Basic realm="x"')))

    site = serve(challenge)
    origin = site.url("", HOST)
    good = Credential(
        auth_id=f"good{body}", sites=(HOST,), headers=(OriginHeader.basic(origin, user="me", password="pw"),)
    )

    inside = rig.read(f"{origin}/", credential=rig.vault.seal(good, version=1, now=0.0))
    statuses = [rig.read(f"{origin}/", credential=bearer(rig, origin, "wrong", auth_id=f"bad{body}")).status]
    statuses.append(rig.read(f"{origin}/").status)

    assert (inside.status, "inside" in inside.html) == (200, True)
    assert statuses == [401, 401]


@pytest.mark.parametrize("by_way_of", ["", OTHER, "fourth.localhost"])
def test_script_of_another_site_reads_nothing_with_the_header(rig: Rig, serve: Serve, by_way_of: str) -> None:
    """A site whose answers any origin may read does not give a frame of another site what only its session shows."""
    told = threading.Event()
    bodies: list[bytes] = []

    def answer(request: Request) -> Answer:
        match request.path:
            case "/page":
                return Answer(f"<iframe src='{site.url('/frame', OTHER)}'></iframe><script src=/hold></script>")
            case "/hold":
                told.wait(ANSWER_S)
            case "/frame":
                to = site.url("/go", by_way_of) if by_way_of else site.url("/open", HOST)
                return Answer(
                    f"<script>fetch('{to}').then(answer => answer.text())"
                    ".then(body => fetch('/told', {method: 'POST', body}))</script>"
                )
            case "/go":
                return Answer("", 302, (("Location", site.url("/open", HOST)), OPEN))
            case "/open":
                return Answer(f"with {request.headers.get('Authorization', 'nothing')}", headers=(HTML, OPEN))
            case "/told":
                bodies.append(request.body)
                told.set()
        return Answer(NO_ICON)

    site = serve(answer)
    origin = site.url("", HOST)

    rig.read(f"{origin}/page", credential=bearer(rig, origin, "t", auth_id=f"by {by_way_of or HOST}"))

    assert bodies == [b"with nothing"]


class Recorder:
    """A browser whose DevTools session writes down what it is told; Any is Playwright's, which tests do not import."""

    def __init__(self, browser: Any) -> None:
        self.sent: list[str] = []
        self._browser = browser

    def take(self) -> list[str]:
        """Return what was told since the last time."""
        sent, self.sent[:] = self.sent[:], []
        return sent

    async def new_browser_cdp_session(self) -> Recorded:
        """Open a session."""
        return Recorded(await self._browser.new_browser_cdp_session(), self.sent)


class Recorded:
    """A session of a ``Recorder``."""

    def __init__(self, session: Any, sent: list[str]) -> None:
        self.on = session.on
        self._session = session
        self._sent = sent

    async def send(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Write the method down and send it."""
        self._sent.append(method)
        return await self._session.send(method, params)

    async def detach(self) -> None:
        """End the session."""
        self._sent.append("detach")
        await self._session.detach()


def test_requests_are_paused_only_while_a_context_has_headers(wiki: Wiki) -> None:
    """Before the first such context and after the last, the browser is told nothing and pauses nothing."""
    executable = find_chromium()
    assert executable is not None

    before, during, after = asyncio.run(take_turns(executable, wiki.origin))

    assert before == []
    assert during[:2] == ["Target.setDiscoverTargets", "Fetch.enable"]
    assert set(during[2:]) == {"Fetch.continueRequest"}
    assert after == ["Fetch.disable", "detach"]
    assert {path: wiki.sent[path] for path in ("/before", "/during", "/beside", "/after")} == {
        "/before": [""],
        "/during": ["Bearer t"],
        "/beside": [""],
        "/after": [""],
    }


async def take_turns(executable: Path, origin: str) -> list[list[str]]:
    """Read pages before, while and after a context has a header; return what the browser was told in each turn."""
    guard = Guard(look_up)
    await guard.start()
    chromium = await Chromium.launch(executable, guard)
    try:
        plain = await (await chromium.new_context(allow_private=True)).new_page()
        context = await chromium.new_context(allow_private=True)
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        recorder = Recorder(context.browser)
        headers = BrowserHeaders(cast(Any, recorder))
        await plain.goto(f"{origin}/before")
        turns = [recorder.take()]
        context_id = await headers.admit(session, [OriginHeader.bearer(origin, token="t")], sites=(HOST,))
        await page.goto(f"{origin}/during")
        await plain.goto(f"{origin}/beside")
        turns.append(recorder.take())
        await context.close()
        await headers.drop(context_id)
        await plain.goto(f"{origin}/after")
        return [*turns, recorder.take()]
    finally:
        await chromium.close()
        await guard.stop()
