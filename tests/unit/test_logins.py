"""A login through ``engine.credentials``: what it types, what of it is stored, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from crawl_rig import CrawlRig

from bequest import LoginStep
from bequest.actors.browser_messages import Fill, Goto, Login, WaitFor
from bequest.actors.handles import Credentials
from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.errors import CredentialError, CredentialNotFoundError, DefinitionError, LoginFailedError
from bequest.engine.keys import Key
from bequest.engine.renewals import LoginReport
from bequest.engine.secret import Secret
from bequest.engine.sessions import Session
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

STEPS = (
    LoginStep(goto="https://wiki.example/"),
    LoginStep(fill="#p", secret="password"),
    LoginStep(wait_for="text=Log out"),
)
WIKI = Credential(auth_id="wiki", sites=("wiki.example",), secrets={"password": Secret("canary")})


def left(*hosts: str) -> Session:
    return Session(
        cookies=tuple(Cookie(name="sid", value=Secret(host), domain=host, host_only=True) for host in hosts),
        user_agent="agent",
    )


class Browser:
    """A browser in which every login goes well, or fails; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Login] = []
        self.answer: Session | LoginFailedError = left("wiki.example", "sso.example")

    def log_in(self, message: Login) -> Session:
        """Answer."""
        self.asked.append(message)
        if isinstance(self.answer, LoginFailedError):
            raise self.answer
        return self.answer


@pytest.fixture
def browser() -> Browser:
    """Give the browser."""
    return Browser()


@pytest.fixture
def credentials(store: Store, clock: ManualClock, browser: Browser) -> Iterator[Credentials]:
    """Give the credentials of a database."""
    rig = CrawlRig(store, clock)
    key = Key(b"k" * 32)
    yield Credentials(rig.manager.address, lambda: key, clock, "the database of this test", browser.log_in)
    rig.stop()


def stored(credentials: Credentials) -> Credential:
    found = credentials.get("wiki")
    assert found is not None
    return found


def test_login_stores_the_session_beside_the_secrets(credentials: Credentials, browser: Browser) -> None:
    """The secrets are typed, the session of the sites is stored, the rest is named, and the secrets stay."""
    credentials.put(WIKI)

    report = credentials.log_in("wiki", STEPS, allow_private=True, timeout_s=5.0)

    typed = (
        Goto(url="https://wiki.example/"),
        Fill(selector="#p", value=Secret("canary")),
        WaitFor(selector="text=Log out"),
    )
    assert browser.asked == [Login(steps=typed, sites=("wiki.example",), allow_private=True, timeout_s=5.0)]
    assert report == LoginReport(
        sites=("wiki.example",),
        cookies=1,
        storages=0,
        skipped=(("sid", "outside the credential's sites"),),
        woken=0,
    )
    assert stored(credentials).cookies == left("wiki.example").cookies
    assert (stored(credentials).secrets, stored(credentials).user_agent) == (WIKI.secrets, "agent")


@pytest.mark.parametrize(
    "answer", [LoginFailedError("step 3"), left("sso.example"), Session()], ids=["failed", "elsewhere", "nothing"]
)
def test_login_that_fails_leaves_what_was_stored(
    credentials: Credentials, browser: Browser, answer: Session | LoginFailedError
) -> None:
    """A session that may still work is not given up for a login that brought none."""
    credentials.put(WIKI)
    credentials.renew("wiki", left("wiki.example"))
    browser.answer = answer

    with pytest.raises(LoginFailedError):
        credentials.log_in("wiki", STEPS)

    assert stored(credentials).cookies == left("wiki.example").cookies


CALLS: Mapping[str, tuple[Any, type[Exception], str]] = {
    "unknown": (lambda held: held.log_in("other", STEPS), CredentialNotFoundError, "'other', found none"),
    "faulty": (lambda held: held.log_in("wiki", STEPS[1:]), DefinitionError, r"steps\[0\]: expected goto"),
    "no site": (lambda held: held.renew("other", left("x.example")), CredentialNotFoundError, "name the sites"),
    "bad site": (lambda held: held.renew("other", left("x.example"), sites=["com"]), CredentialError, "public suffix"),
}


@pytest.mark.parametrize(("call", "error", "said"), CALLS.values(), ids=CALLS)
def test_login_that_cannot_be_is_refused(
    credentials: Credentials, browser: Browser, call: Any, error: type[Exception], said: str
) -> None:
    """What is wrong with it is said before a browser is asked for anything."""
    credentials.put(WIKI)

    with pytest.raises(error, match=said):
        call(credentials)

    assert browser.asked == []
    assert [entry.version for entry in credentials.list()] == [1]


def test_session_of_a_new_name_needs_its_sites_alone(credentials: Credentials) -> None:
    """A captured session is stored under a name that was not there; sites that are named replace others."""
    first = credentials.renew("wiki", left("wiki.example"), sites=["wiki.example", "wiki.example"])
    second = credentials.renew("wiki", left("wiki.example", "sso.example"), sites=["sso.example", "wiki.example"])

    assert (first.sites, first.cookies) == (("wiki.example",), 1)
    assert (second.sites, second.cookies, second.skipped) == (("sso.example", "wiki.example"), 2, ())
    assert stored(credentials).sites == second.sites
