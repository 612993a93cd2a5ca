"""A site of numbered pages behind a login, in the browser's place: it knows who came without the session.

It hands out sessions as a browser does, and notes which host would get what is not for it (I17).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from bequest.actors.browser_messages import Fill, Login
from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.errors import LoginFailedError
from bequest.engine.login_steps import LoginStep
from bequest.engine.pages import CookieReport, LoginFormFacts, PageRequest, PageSnapshot
from bequest.engine.records import SealedCredential
from bequest.engine.secret import Secret
from bequest.engine.sessions import Session

HOST = "site.example"
ELSEWHERE = "elsewhere.example"  # where the site links to, and where a login leaves a cookie too
SEED = f"http://{HOST}/1"
AUTH_ID = "wiki"
SECRETS = ("let-me-in", "let-me-in-again", "tracked-by-another", "open-sesame")
SID, NEXT_SID, STRAY, PASSWORD = map(Secret, SECRETS)
LOGIN = (
    LoginStep(goto=f"http://{HOST}/login"),
    LoginStep(fill="#password", secret="password"),
    LoginStep(click="button"),
    LoginStep(wait_for="#account"),
)
FORM = LoginFormFacts(password_fields=1, text_fields=1, has_user_field=True, has_login_word=True)


def cookie(value: Secret, domain: str = HOST) -> Cookie:
    """Return the cookie of a session."""
    return Cookie(name="sid", value=value, domain=domain, host_only=True)


def credential() -> Credential:
    """Return a session of the site, and what another one takes."""
    return Credential(auth_id=AUTH_ID, sites=(HOST,), cookies=(cookie(SID),), secrets={"password": PASSWORD})


class NumberedSite:
    """Each page links to its two children, to the first, to itself in another spelling, and to another host.

    Its first session is refused after *expires_after* pages, None is never.
    """

    def __init__(self, expires_after: int | None = None) -> None:
        self.anonymous: list[str] = []
        self.strays: list[str] = []  # what of a session would go where it must not
        self.logins = 0
        self.open: Callable[[SealedCredential], Credential] | None = None  # by the engine's key, once it has one
        self._expires_after = expires_after
        self._answered = 0

    def answer(self, request: PageRequest) -> PageSnapshot:
        """Return the page; who comes without a session gets one that says so."""
        number = int(request.url.rpartition("/")[2])
        host = urlsplit(request.url).hostname or ""
        has_session = request.credential is not None and self._injects(request.credential, host)
        if request.credential is None:
            self.anonymous.append(request.url)
        self._answered += host == HOST
        hrefs = (
            f"http://{ELSEWHERE}/{number}",
            f"/{2 * number}",
            f"/{2 * number + 1}",
            "/1",
            f"http://{HOST}:80/{number}",
        )
        links = "".join(f'<a href="{href}">{href}</a>' for href in (hrefs if host == HOST else (SEED,)))
        return PageSnapshot(
            url=request.url,
            status=200,
            content_type="text/html",
            html=f"<title>Page {number}</title><p>The page with the number {number}.</p>{links}",
            was_redirected=False,
            login_form=FORM if has_session and self._has_expired(request.credential) else None,
            cookies=CookieReport(offered=1, injected=1, confirmed=1) if has_session else None,
        )

    def log_in(self, login: Login) -> Session:
        """Return a session for the password, with a cookie of another host beside it."""
        self.logins += 1
        if login.sites != (HOST,):
            self.strays.append(f"a password that may be typed at {login.sites}")
        if [step.value.reveal() for step in login.steps if isinstance(step, Fill)] != [PASSWORD.reveal()]:
            raise LoginFailedError("the site took no such password")
        return Session(cookies=(cookie(NEXT_SID), cookie(STRAY, ELSEWHERE)))

    def _injects(self, sealed: SealedCredential, host: str) -> bool:
        """Whether a browser reads pages of *host* with that session; note what that would hand to whom."""
        if self.open is None:
            return True
        opened = self.open(sealed)
        if not opened.covers(host):
            return False
        domains = {one.domain for one in opened.examined(0.0).cookies}
        if host != HOST or domains != {HOST}:
            self.strays.append(f"cookies of {sorted(domains)} at {host}")
        return True

    def _has_expired(self, sealed: SealedCredential | None) -> bool:
        is_first = sealed is not None and sealed.session == 1
        return is_first and self._expires_after is not None and self._answered > self._expires_after
