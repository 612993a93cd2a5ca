"""What the tests of expired sessions share: a crawl that can log in, and a site that refuses older sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actor_rig import page
from crawl_rig import URL, CrawlRig

from bequest.actors.session_messages import RenewSession
from bequest.engine.cookies import Cookie
from bequest.engine.login_steps import LoginStep
from bequest.engine.pages import CookieReport, LoginFormFacts, PageRequest, PageSnapshot
from bequest.engine.records import Job
from bequest.engine.secret import Secret
from bequest.engine.session_checks import SessionCheck
from bequest.engine.sessions import OriginHeader, Session
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

SESSION = CookieReport(offered=1, injected=1, confirmed=1)
LOGIN_FORM = LoginFormFacts(password_fields=1, text_fields=1, has_user_field=True, has_login_word=True)
STEPS = (
    LoginStep(goto=f"{URL}login"),
    LoginStep(fill="#password", secret="password"),
    LoginStep(click="button"),
    LoginStep(wait_for="#account"),
)
SECRETS = {"password": Secret("canary-of-a-password")}
HEADER = OriginHeader.bearer("https://wiki.example", token="canary-of-a-token")
CANARY_URL = f"{URL}me"
WITH_CANARY = SessionCheck(canary_url=CANARY_URL)


def crawl_with_login(store: Store, clock: ManualClock) -> CrawlRig:
    """Return what crawls, with a credential that can log in."""
    made = CrawlRig(store, clock)
    made.put_credential(secrets=SECRETS, headers=(HEADER,))
    made.log_in = lambda _: session()
    return made


def session(value: str = "of a login", domain: str = "wiki.example") -> Session:
    """Return what a login leaves."""
    cookie = Cookie(name="sid", value=Secret(value), domain=domain, host_only=True)
    return Session(cookies=(cookie,), user_agent="Chromium")


def works_from(first: int, *, canary_from: int | None = None) -> Callable[[PageRequest], PageSnapshot]:
    """Return a site that refuses sessions older than that version, and at the canary perhaps others."""

    def answer(request: PageRequest) -> PageSnapshot:
        known = 0 if request.credential is None else request.credential.session
        needed = canary_from if canary_from is not None and request.url == CANARY_URL else first
        is_fine = known >= needed or request.is_trial
        return page(
            request.url,
            cookies=None if request.credential is None else SESSION,
            login_form=None if is_fine else LOGIN_FORM,
        )

    return answer


def make_run(rig: CrawlRig, *urls: str, **options: Any) -> int:
    """Make a run that can log in."""
    return rig.make_run(*urls, **{"auth_id": "wiki", "login": STEPS, **options})


def reason(job: Job) -> str | None:
    """Return the word for why it did not end well."""
    return None if job.error is None else job.error.type


def sent(rig: CrawlRig, kind: type[Any]) -> list[Any]:
    """Return what was sent of that kind."""
    return [message for message in rig.tape if isinstance(message, kind)]


def wanted(**fields: Any) -> RenewSession:
    """Return a question to the keeper."""
    given = {"steps": STEPS, "check": None, "allow_private": False, "refused_at": 0.0, **fields}
    return RenewSession(auth_id="wiki", session=1, **given)
