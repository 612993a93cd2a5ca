"""Credentials in a real browser: their cookies reach the sites that they are for, and nothing else (I17)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from browser_rig import Rig
from loopback_site import Answer, Request, Serve, Site

from bequest.actors.browser_messages import FetchPage
from bequest.actors.browser_service import MAX_CONTEXTS
from bequest.engine.clock import SystemClock
from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.errors import SealError
from bequest.engine.keys import Key
from bequest.engine.pages import CookieReport, PageRequest, PageSnapshot
from bequest.engine.secret import Secret
from bequest.engine.vault import Vault
from bequest.testing.manual_clock import ManualClock

CANARY = "canary-of-this-test"
PATIENCE_S = 60.0
FAR_FUTURE = 4_000_000_000.0
CORS = ("Access-Control-Allow-Origin", "*")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


def cookie(name: str, value: str = "v", domain: str = "wiki.example", **more: Any) -> Cookie:
    """Return a cookie, of one host unless more is said."""
    return Cookie(name=name, value=Secret(value), domain=domain, host_only=more.pop("host_only", True), **more)


def sent(site: Site, path: str) -> list[set[str]]:
    """Return the cookies of each request for *path*, in order."""
    return [set(filter(None, seen.cookies.split("; "))) for seen in site.requests if seen.path == path]


def test_cookies_reach_the_server_and_are_accounted_for(rig: Rig, serve: Serve) -> None:
    """What can be used is sent with the page and its parts; each cookie that cannot has its reason."""
    site = serve(lambda _: Answer("<link rel=stylesheet href=/style.css>content"))
    sealed = rig.seal(
        cookie("session", CANARY, http_only=True),
        cookie("lasting", "2", expires=FAR_FUTURE, same_site="Strict"),
        cookie("old", "3", expires=1.0),
        cookie("foreign", "4", domain="other.example"),
        cookie("insecure", "5", same_site="None"),
        auth_id="accounted",
        sites=["wiki.example"],
    )

    first = rig.read(site.url("/page", "wiki.example"), credential=sealed)
    second = rig.read(site.url("/page", "wiki.example"), credential=sealed)

    assert first.cookies == CookieReport(
        offered=5,
        injected=2,
        confirmed=2,
        skipped=(
            ("old", "expired"),
            ("foreign", "outside the credential's sites"),
            ("insecure", "SameSite=None without Secure"),
        ),
    )
    assert second.cookies == first.cookies
    assert CANARY not in repr(first)
    assert sent(site, "/page") == [{f"session={CANARY}", "lasting=2"}] * 2
    assert sent(site, "/style.css")[0] == {f"session={CANARY}", "lasting=2"}


def test_narrowed_cookie_that_the_site_replaces_is_gone(rig: Rig, serve: Serve) -> None:
    """A site that renews a cookie of its parent domain is sent the new value alone, and all else as before."""
    html = ("Content-Type", "text/html")
    renewed = ("Set-Cookie", "session=2; Domain=wiki.example")
    changed = ("Set-Cookie", "changed=2; Domain=app.wiki.example")
    site = serve(
        lambda request: Answer("content", headers=(html, renewed, changed) if request.path == "/first" else (html,))
    )
    sealed = rig.seal(
        *(cookie(name, "1", host_only=False) for name in ("session", "changed", "kept")),
        auth_id="renewed",
        sites=["app.wiki.example"],
    )

    for path in ("/first", "/second"):
        rig.read(site.url(path, "app.wiki.example"), credential=sealed)

    assert sent(site, "/first") == [{"session=1", "changed=1", "kept=1"}]
    assert sent(site, "/second") == [{"session=2", "changed=2", "kept=1"}]


def test_more_sessions_than_contexts_are_kept_are_read_at_once(rig: Rig, serve: Serve) -> None:
    """A context beyond those that are kept is not closed before its page is read."""
    met = threading.Barrier(MAX_CONTEXTS + 1, timeout=40.0)

    def answer(request: Request) -> Answer:
        if request.path == "/page":
            met.wait()
        return Answer("content")

    site = serve(answer)
    sealed = [rig.seal(cookie("session"), auth_id=f"{n} at once", sites=["wiki.example"]) for n in range(met.parties)]
    url = site.url("/page", "wiki.example")

    with ThreadPoolExecutor(met.parties) as readers:
        pages = readers.map(lambda one: rig.read(url, credential=one, timeout_s=50.0), sealed)

    assert ["content" in page.html for page in pages] == [True] * met.parties


def test_cookies_that_the_browser_does_not_take_cost_only_themselves(serve: Serve) -> None:
    """One that is refused makes the batch fail, one is dropped in silence; both are named and the others are there."""
    site = serve(lambda _: Answer("content"))
    with Rig(clock=ManualClock()) as late:  # its clock has not seen yet that the second has expired
        sealed = late.seal(
            cookie("before", "1"),
            cookie("dropped", "2", expires=ManualClock().now() + 3600),
            cookie("__Http-refused", secure=True),
            cookie("after", "3"),
            sites=["wiki.example"],
        )
        report = late.read(site.url("/page", "wiki.example"), credential=sealed).cookies

    assert report is not None
    assert (report.offered, report.injected, report.confirmed) == (4, 3, 2)
    assert dict(report.skipped) == {"__Http-refused": "refused by the browser", "dropped": "not stored by the browser"}
    assert sent(site, "/page") == [{"before=1", "after=3"}]


def test_cookie_of_one_host_stays_off_its_subdomains(rig: Rig, serve: Serve) -> None:
    """A host-only cookie goes to its host alone, a domain's cookie under it too."""
    site = serve(lambda _: Answer("content"))
    sealed = rig.seal(
        cookie("host", "1"), cookie("domain", "2", host_only=False), auth_id="hosts", sites=["wiki.example"]
    )

    rig.read(site.url("/top", "wiki.example"), credential=sealed)
    rig.read(site.url("/under", "en.wiki.example"), credential=sealed)

    assert sent(site, "/top") == [{"host=1", "domain=2"}]
    assert sent(site, "/under") == [{"domain=2"}]


def test_sessions_do_not_meet(rig: Rig, serve: Serve) -> None:
    """Neither a credential's cookies nor those that a page sets show up under another credential or anonymously."""
    script = "if (!document.cookie) document.cookie = 'visitor=anonymous'"
    site = serve(lambda _: Answer(f"<script>{script}</script>"))
    one = rig.seal(cookie("user", "one"), auth_id="one", sites=["wiki.example"])
    two = rig.seal(cookie("user", "two"), auth_id="two", sites=["wiki.example"])
    replaced = rig.seal(cookie("member", "one again"), auth_id="one", sites=["wiki.example"], version=2)
    url = site.url("/page", "wiki.example")

    for credential in (one, None, two, None, one, replaced):
        rig.read(url, credential=credential)

    assert sent(site, "/page") == [
        {"user=one"},
        set(),
        {"user=two"},
        {"visitor=anonymous"},
        {"user=one"},
        {"member=one again"},
    ]


def test_sessions_of_the_two_egress_policies_do_not_meet(rig: Rig, serve: Serve) -> None:
    """A credential opened under ``allow_private`` lends its way out to no page that is read without."""
    site = serve(lambda _: Answer("content"))
    sealed = rig.seal(cookie("user", "one"), auth_id="policies", sites=["wiki.example"])
    url = site.url("/page", "wiki.example")
    rig.read(url, credential=sealed)

    with pytest.raises(Exception, match="not public"):
        rig.read(url, credential=sealed, allow_private=False)

    assert len(sent(site, "/page")) == 1


def test_credential_is_not_used_where_it_does_not_cover_the_host(rig: Rig, serve: Serve) -> None:
    """On another host the page is read anonymously, and the snapshot says so."""
    site = serve(lambda _: Answer("content"))
    sealed = rig.seal(cookie("user", "one", host_only=False), auth_id="covers", sites=["wiki.example"])

    snapshots = {
        host: rig.read(site.url(f"/{host}", host), credential=sealed)
        for host in ("other.example", "wiki.example", "notwiki.example", "127.0.0.1")
    }

    assert {host for host, snapshot in snapshots.items() if snapshot.cookies is not None} == {"wiki.example"}
    assert [sent(site, f"/{host}") for host in snapshots] == [[set()], [{"user=one"}], [set()], [set()]]


def test_cookies_do_not_follow_to_another_host(rig: Rig, serve: Serve) -> None:
    """A redirect, a frame, a script and a form that lead from a covered host to another carry nothing there."""
    other = serve(lambda _: Answer("elsewhere", headers=(("Content-Type", "text/html"), CORS)))
    away = other.url("/away", "other.example")
    pages = {
        "/redirect": Answer("", 302, (("Location", away),)),
        "/frame": Answer(f"<iframe src='{away}'></iframe>"),
        "/script": Answer(f"<script src='{away}'></script><script>fetch('{away}').then(() => 0)</script>"),
        "/form": Answer(f"<form action='{away}'></form><script>document.forms[0].submit()</script>"),
    }
    site = serve(lambda request: pages.get(request.path, Answer("", 404)))
    sealed = rig.seal(cookie("user", "one", host_only=False), auth_id="follow", sites=["wiki.example"])

    for path in pages:
        rig.read(site.url(path, "wiki.example"), credential=sealed)

    assert [sent(site, path) for path in pages] == [[{"user=one"}]] * len(pages)
    assert len(other.requests) >= len(pages)
    assert {request.cookies for request in other.requests} == {""}


def test_credential_that_does_not_open_is_the_answer(rig: Rig, serve: Serve) -> None:
    """A credential that another key sealed is an error of its own, and no page is asked for."""
    site = serve(lambda _: Answer("content"))
    sealed = rig.seal(cookie("user", "one"), auth_id="sealed", sites=["wiki.example"])
    rig.vault, own = Vault(Key.generate(), "another database"), rig.vault
    foreign = rig.seal(cookie("user", "one"), auth_id="foreign", sites=["wiki.example"])
    rig.vault = own

    with pytest.raises(SealError, match="foreign"):
        rig.read(site.url("/page", "wiki.example"), credential=foreign)

    assert site.requests == []
    assert rig.read(site.url("/page", "wiki.example"), credential=sealed).status == 200


def test_many_pages_at_once_share_one_context_of_a_credential(rig: Rig, serve: Serve) -> None:
    """Crawlers that ask at the same time for the first time find one session: what one page sets, the others have."""
    site = serve(lambda _: Answer("<script>document.cookie = `n=${Math.random()}`</script>"))
    sealed = rig.seal(cookie("user", "one"), auth_id="shared", sites=["wiki.example"])
    url = site.url("/page", "wiki.example")
    crawlers = [threading.Thread(target=rig.read, args=(url,), kwargs={"credential": sealed}) for _ in range(4)]

    for crawler in crawlers:
        crawler.start()
    for crawler in crawlers:
        crawler.join()
    last = [rig.read(url, credential=sealed) for _ in range(2)]

    assert all("user=one" in cookies for cookies in sent(site, "/page"))
    assert all(len(cookies) == 2 for cookies in sent(site, "/page")[-len(last) :])


def test_trial_reads_with_its_own_session(rig: Rig, serve: Serve) -> None:
    """Also where a context of the credential is open, of whatever version; the cookies that it left come along."""
    site = serve(lambda _: Answer("content", headers=(("Content-Type", "text/html"), ("Set-Cookie", "seen=1"))))
    url = site.url("/page", "wiki.example")
    rig.read(url, credential=rig.seal(cookie("sid", "old"), auth_id="tried", sites=["wiki.example"]))
    made = rig.seal(cookie("sid", "new"), auth_id="tried", sites=["wiki.example"])
    request = PageRequest(url=url, credential=made, allow_private=True, timeout_s=20.0, is_trial=True)

    found: PageSnapshot = rig.browser.ask(FetchPage(request=request), timeout_s=PATIENCE_S)

    assert sent(site, "/page") == [{"sid=old"}, {"sid=new"}]
    assert {(one.name, one.value.reveal()) for one in found.left} == {("sid", "new"), ("seen", "1")}


def test_session_that_its_site_prolongs_outlasts_what_was_stored(serve: Serve) -> None:
    """A credential that could log in is not without a session because the cookie that was put would have expired."""
    clock = ManualClock(SystemClock().now())
    site = serve(
        lambda _: Answer("content", headers=(("Content-Type", "text/html"), ("Set-Cookie", "sid=2; Max-Age=86400")))
    )
    credential = Credential(
        auth_id="prolonged",
        sites=("wiki.example",),
        cookies=(cookie("sid", "1", expires=clock.now() + 600.0),),
        secrets={"password": Secret(CANARY)},
    )
    with Rig(clock=clock) as rig:
        sealed = rig.vault.seal(credential, version=1, now=0.0)

        rig.read(site.url("/page", "wiki.example"), credential=sealed)
        clock.advance(3600.0)
        rig.read(site.url("/page", "wiki.example"), credential=sealed)

    assert sent(site, "/page") == [{"sid=1"}, {"sid=2"}]
