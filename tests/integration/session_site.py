"""A site behind a login that replaces its token all the time, and ends sessions when it is told to."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from types import TracebackType
from urllib.parse import parse_qs

from loopback_site import Answer, Request, Site

from bequest import LoginStep
from bequest.engine.cookies import Cookie
from bequest.engine.secret import Secret

USER = "alice"
PASSWORD = "correct horse"
TOKEN = "token"
BRANCHES = 12  # links of a page
HTML = ("Content-Type", "text/html; charset=utf-8")
FORM = (
    "<title>Log in</title><form method=post action=/login><input name=username><input name=password type=password>"
    "<button>Log in</button></form>"
)


class SessionSite:
    """Pages ``/page/0`` to ``/page/{pages - 1}``, a tree; one session at a time, whose token it replaces.

    Every *rotate_every* pages the token is replaced; of the older ones the newest *accepts* still hold, as long as
    requests under way may have them. The session ends after as many pages as *expires_at* says, and at ``expire``.
    """

    def __init__(
        self,
        pages: int,
        *,
        rotate_every: int = 10,
        accepts: int = 8,
        expires_at: tuple[int, ...] = (),
        password: str = PASSWORD,
    ) -> None:
        self.logins = 0
        self.failed_logins = 0
        self.rotations = 0
        self.served: list[int] = []  # pages with a session, in order
        self.refused = 0  # requests for a page without one
        self.password = password
        self._pages = pages
        self._rotate_every = rotate_every
        self._expires_at = deque(expires_at)
        self._tokens: deque[str] = deque(maxlen=accepts)
        self._lock = threading.Lock()
        self._site = Site(self._answer)

    def __enter__(self) -> SessionSite:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._site.stop()

    def url(self, path: str = "/page/0") -> str:
        """Return the URL of a path."""
        return self._site.url(path)

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [request.path for request in self._site.requests]

    def steps(self) -> tuple[LoginStep, ...]:
        """Return the steps that a person takes to log in."""
        return (
            LoginStep(goto=self.url("/login")),
            LoginStep(fill="input[name=username]", text=USER),
            LoginStep(fill="input[name=password]", secret="password"),
            LoginStep(click="button"),
            LoginStep(wait_for="#account"),
        )

    def log_in(self) -> Cookie:
        """Begin a session and return its cookie."""
        with self._lock:
            return cookie_of(self._begin())

    def expire(self) -> None:
        """End the session."""
        with self._lock:
            self._tokens.clear()

    def accepts(self, cookies: tuple[Cookie, ...]) -> bool:
        """Return whether these cookies are the session."""
        with self._lock:
            return any(one.name == TOKEN and one.value.reveal() in self._tokens for one in cookies)

    def _begin(self) -> str:
        self._tokens.clear()
        self._tokens.append(secrets.token_hex(16))
        return self._tokens[-1]

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            path = request.path.partition("?")[0]
            if path == "/login":
                return self._log_in(request)
            if not path.startswith("/page/"):
                return Answer("nothing here", 404)
            return self._page(int(path.removeprefix("/page/")), request)

    def _log_in(self, request: Request) -> Answer:
        if request.method == "GET":
            return Answer(FORM)
        if parse_qs(request.body.decode()).get("password") != [self.password]:
            self.failed_logins += 1
            return Answer(f"{FORM}<p id=wrong>Wrong password")
        self.logins += 1
        return Answer("", 303, (("Location", "/page/0"), set_cookie(self._begin())))

    def _page(self, number: int, request: Request) -> Answer:
        if not any(f"{TOKEN}={token}" in request.cookies.split("; ") for token in self._tokens):
            self.refused += 1
            gone = ("Set-Cookie", f"{TOKEN}=; Path=/; Max-Age=0")
            return Answer("", 302, (("Location", f"/login?next=/page/{number}"), gone))
        self.served.append(number)
        headers = [HTML]
        if len(self.served) % self._rotate_every == 0:
            self._tokens.append(secrets.token_hex(16))
            self.rotations += 1
            headers.append(set_cookie(self._tokens[-1]))
        if self._expires_at and len(self.served) >= self._expires_at[0]:
            self._expires_at.popleft()
            self._tokens.clear()
        children = range(number * BRANCHES + 1, min((number + 1) * BRANCHES + 1, self._pages))
        links = "".join(f"<a href=/page/{child}>{child}</a> " for child in children)
        body = f"<title>Page {number}</title><p id=account>Page {number} of {USER}</p>{links}"
        return Answer(body, headers=tuple(headers))


def set_cookie(token: str) -> tuple[str, str]:
    """Return the header that gives the browser a token."""
    return "Set-Cookie", f"{TOKEN}={token}; Path=/; HttpOnly"


def cookie_of(token: str) -> Cookie:
    """Return the cookie that a browser has of it."""
    return Cookie(name=TOKEN, value=Secret(token), domain="127.0.0.1", host_only=True, http_only=True)
