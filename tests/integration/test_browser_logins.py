"""Scripted logins in a real browser: what they leave, where they type, and how they fail."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest
from browser_rig import Rig
from loopback_site import Answer, Serve

from bequest.actors.browser_messages import BrowserStep, Click, Fill, Goto, WaitFor
from bequest.engine.errors import LoginFailedError
from bequest.engine.pages import CookieReport
from bequest.engine.secret import Secret
from bequest.testing.login_site import SESSION_COOKIE, LoginSite

CANARY = "canary-of-this-test"
LOGIN_BUTTON = "button[type=submit]"


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


def test_login_leaves_cookies_that_work(rig: Rig) -> None:
    """Through the real form, the cookies of a login are a session; nothing of it stays for anonymous pages."""
    with LoginSite() as wiki:
        cookies = rig.log_in(*steps(wiki, wiki.password)).cookies
        sealed = rig.seal(*cookies, auth_id="logged in", sites=["127.0.0.1"])
        article = wiki.url + "articles/1"

        inside = rig.read(article, credential=sealed)
        outside = rig.read(article)

        session = [seen.has_session for seen in wiki.requests if seen.path == "/articles/1"]
    assert [cookie.name for cookie in cookies] == [SESSION_COOKIE]
    assert (inside.url, inside.status) == (article, 200)
    assert inside.cookies == CookieReport(offered=1, injected=1, confirmed=1)
    assert outside.was_redirected
    assert session == [True, False]


def test_login_leaves_storages_and_the_user_agent(rig: Rig, serve: Serve) -> None:
    """What scripts kept is read of every origin, what is of the tab only of the page that the login ends on."""
    script = """<script>
        localStorage.local = 'a'; sessionStorage.tab = 'b';
        const opening = indexedDB.open('base', 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore('store').put('c', 'key');
        opening.onsuccess = () => { document.body.innerHTML = '<b>done</b>' };
    </script>"""
    site = serve(lambda _: Answer(f"<body>{script}"))
    first, last = site.url("/", "sso.example"), site.url("/", "wiki.example")

    session = rig.log_in(Goto(url=first), WaitFor(selector="b"), Goto(url=last), WaitFor(selector="b"))

    found = {one.origin: one for one in session.storages}
    assert set(found) == {first.rstrip("/"), last.rstrip("/")}
    assert all(one.local == {"local": Secret("a")} for one in found.values())
    assert [one.session for one in found.values() if one.session] == [{"tab": Secret("b")}]
    assert found[last.rstrip("/")].session
    assert all(one.indexed_db is not None and "base" in one.indexed_db.reveal() for one in found.values())
    assert "Mozilla" in (session.user_agent or "")


ALL_STEPS_S = 10.0  # the deadline of a whole login: a slow machine must reach the step that fails before it ends


def test_login_that_fails_names_the_step_and_no_value(rig: Rig) -> None:
    """The error of a failed login says which step, and shows neither what was typed nor a query (I16)."""
    with LoginSite() as wiki:
        good = steps(wiki, CANARY)
        failing: dict[str, tuple[BrowserStep, ...]] = {
            "step 5, wait for 'a[href=\"/logout\"]'": good,
            "step 2, fill '#nowhere'": (good[0], Fill(selector="#nowhere", value=Secret(CANARY)), *good[2:]),
            "step 2, fill 'h1'": (good[0], Fill(selector="h1", value=Secret(CANARY)), *good[2:]),
            "step 1, fill 'input'": (Fill(selector="input", value=Secret(CANARY)),),
            "step 4, click '#nowhere'": (*good[:3], Click(selector="#nowhere")),
            "step 1, goto no-such-name.invalid/login": (Goto(url=f"http://no-such-name.invalid/login?t={CANARY}"),),
            "step 2, goto (no host)/etc/passwd": (good[0], Goto(url="file:///etc/passwd")),
        }

        for place, taken in failing.items():
            with pytest.raises(LoginFailedError) as caught:
                rig.log_in(*taken, timeout_s=ALL_STEPS_S)

            shown = "".join(traceback.format_exception(caught.value))
            assert f"login {place}:" in str(caught.value)
            assert CANARY not in shown
            assert caught.value.__cause__ is None


def test_login_that_reaches_nobody_says_so(rig: Rig, closed_port: int) -> None:
    """In the words that pages have for it; trying again can help as long as nothing was typed."""
    with LoginSite() as wiki:
        nobody = Goto(url=f"http://127.0.0.1:{closed_port}/login")
        with pytest.raises(LoginFailedError, match=r"step 1, goto 127\.0\.0\.1/login: found that nothing") as first:
            rig.log_in(nobody)
        with pytest.raises(LoginFailedError, match=r"step 5, goto 127\.0\.0\.1/login: found that nothing") as typed:
            rig.log_in(*steps(wiki, CANARY)[:4], nobody)
        with pytest.raises(LoginFailedError, match="found an address that is not public") as refused:
            rig.log_in(*steps(wiki, CANARY), allow_private=False)

    assert [one.value.is_transient for one in (first, typed, refused)] == [True, False, False]


def test_login_obeys_the_egress_policy(rig: Rig) -> None:
    """Without ``allow_private`` a login reaches nothing on this machine."""
    with LoginSite() as wiki:
        with pytest.raises(LoginFailedError, match=r"step 1, goto 127\.0\.0\.1/"):
            rig.log_in(*steps(wiki, wiki.password), allow_private=False)

        assert wiki.requests == ()


def steps(wiki: LoginSite, password: str) -> tuple[BrowserStep, ...]:
    """Return the steps that a person takes to log in."""
    return (
        Goto(url=wiki.url),
        Fill(selector="input[name=username]", value=Secret(wiki.username)),
        Fill(selector="input[name=password]", value=Secret(password)),
        Click(selector=LOGIN_BUTTON),
        WaitFor(selector='a[href="/logout"]'),
    )


def test_login_types_nothing_on_a_host_outside_the_sites(rig: Rig, serve: Serve) -> None:
    """A login page that sends its visitors elsewhere gets nothing typed there, and the error names the host (I17)."""
    form = Answer("<input name=password oninput=\"fetch('/typed').then(() => document.body.append('all done'))\">")
    other = serve(lambda _: form)
    place = other.url("/login", "other.example")
    site = serve(lambda _: Answer("", 302, (("Location", place),)))
    typed = (Goto(url=site.url("/login", "wiki.example")), Fill(selector="[name=password]", value=Secret("canary")))

    with pytest.raises(
        LoginFailedError, match=r"login step 2, fill .* a page of other\.example, which is none"
    ) as caught:
        rig.log_in(*typed, sites=("wiki.example",))
    rig.log_in(*typed, WaitFor(selector="text=all done"), sites=("wiki.example", "other.example"))

    assert "canary" not in str(caught.value)
    assert [request.path for request in other.requests].count("/typed") == 1
