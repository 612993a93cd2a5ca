"""Owns ``LoginSite``: a small wiki behind a login, served on loopback for the demo and for tests.

Whoever is not logged in is sent to the login form, whatever they ask for; after the password it may ask for the code
of an authenticator app. The site writes down each request that it
saw, so that a test can ask the server, not the crawler, whether the session was there. Following the logout link
ends the session, as it does elsewhere.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
from types import TracebackType
from urllib.parse import parse_qs, urlencode, urlsplit

from ..engine.clock import Clock, SystemClock
from ..engine.records import Record
from ..engine.secret import Secret
from ..engine.totp import Totp
from . import login_site_pages as html
from .login_site_server import Answer, Asked, SiteServer

SESSION_COOKIE = "handbook_session"
HALFWAY_COOKIE = "handbook_halfway"  # of whoever knew the password, and not yet the code
FLAKY_FAILURES = 2  # what /flaky answers with 503 in one session before it works


class RequestSeen(Record, frozen=True, kw_only=True):
    """One request as the server saw it."""

    path: str  # with its query
    has_session: bool  # whether it carried the cookie of a session that was alive
    at: float  # seconds since the epoch


class LoginSite:
    """A wiki of *pages* articles behind a login; serves while the ``with`` block runs, leaves no thread behind.

    *has_flaky_page* adds a page that answers 503 twice in each session before it works; with *asks_for_code* a login
    needs a code of ``totp_seed`` too, each of which works once.
    """

    def __init__(
        self, *, pages: int = 12, has_flaky_page: bool = False, asks_for_code: bool = False, clock: Clock | None = None
    ) -> None:
        self.totp_seed = base64.b32encode(secrets.token_bytes(20)).decode()
        self._asks_for_code = asks_for_code
        self._halfway: set[str] = set()
        self._used_codes: set[str] = set()
        self.username = "keeper"
        self.password = secrets.token_urlsafe(12)
        self.article_paths = tuple(f"/articles/{number}" for number in range(1, pages + 1))
        self._wiki = html.Wiki(username=self.username, articles=pages, has_flaky_page=has_flaky_page)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()  # guards the two below; each request has a thread of its own
        self._requests: list[RequestSeen] = []
        self._failures_left: dict[str, int] = {}  # by live session: what the flaky page will still refuse

    def __enter__(self) -> LoginSite:
        self._server = SiteServer(self._answer)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """The address of the list of articles, with a slash at the end; there is one inside the ``with`` block."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    @property
    def requests(self) -> tuple[RequestSeen, ...]:
        """Every request seen so far, in order."""
        with self._lock:
            return tuple(self._requests)

    def new_session(self) -> str:
        """Start a session without the form; return the value of its ``SESSION_COOKIE``."""
        session = secrets.token_urlsafe(24)
        with self._lock:
            self._failures_left[session] = FLAKY_FAILURES
        return session

    def sessions_expire(self) -> None:
        """End all sessions; their cookies are worth nothing from here on."""
        with self._lock:
            self._failures_left.clear()

    def _answer(self, asked: Asked) -> Answer:
        target = urlsplit(asked.target)
        session = self._noted_session(asked)
        if target.path == "/style.css":
            return Answer(body=html.STYLE, content_type="text/css", cache_control="max-age=3600")
        if target.path == "/login":
            return self._log_in(asked) if asked.method == "POST" else _login_form(target.query)
        if target.path == "/login/code":
            return self._take_code(asked) if asked.method == "POST" else Answer(body=html.code_page(is_refused=False))
        if session is None:
            return Answer(status=302, location="/login?" + urlencode({"next": asked.target}))
        if asked.method == "POST":
            return Answer(status=405, body=self._wiki.not_found())
        if target.path == "/logout":
            return self._log_out(session)
        if target.path == "/flaky" and self._wiki.has_flaky_page:
            return self._flaky(session)
        return self._content(target.path, target.query)

    def _noted_session(self, asked: Asked) -> str | None:
        """Write the request down; return its session where that is alive."""
        session = asked.cookies.get(SESSION_COOKIE)
        with self._lock:
            alive = session if session in self._failures_left else None
            self._requests.append(RequestSeen(path=asked.target, has_session=alive is not None, at=self._clock.now()))
        return alive

    def _log_in(self, asked: Asked) -> Answer:
        form = parse_qs(asked.body)
        given = [form.get(name, [""])[0] for name in ("username", "password", "next")]
        is_right = hmac.compare_digest(given[0].encode(), self.username.encode())
        is_right &= hmac.compare_digest(given[1].encode(), self.password.encode())
        if not is_right:
            return Answer(body=html.login_page(next_target=_local(given[2]), is_refused=True))
        if self._asks_for_code:
            halfway = secrets.token_urlsafe(24)
            self._halfway.add(halfway)
            cookie = f"{HALFWAY_COOKIE}={halfway}; Path=/login; HttpOnly; SameSite=Lax"
            return Answer(status=303, location="/login/code", set_cookie=cookie)
        return self._let_in(_local(given[2]))

    def _take_code(self, asked: Asked) -> Answer:
        halfway = asked.cookies.get(HALFWAY_COOKIE, "")
        given = parse_qs(asked.body).get("code", [""])[0]
        with self._lock:
            if halfway not in self._halfway:
                return Answer(status=303, location="/login")
            is_right = Totp.read(Secret(self.totp_seed)).code(self._clock.now()) == Secret(given)
            if not is_right or given in self._used_codes:
                return Answer(body=html.code_page(is_refused=True))
            self._used_codes.add(given)
            self._halfway.discard(halfway)
        return self._let_in("/")

    def _let_in(self, target: str) -> Answer:
        cookie = f"{SESSION_COOKIE}={self.new_session()}; Path=/; HttpOnly; SameSite=Lax"
        return Answer(status=303, location=target, set_cookie=cookie)

    def _log_out(self, session: str) -> Answer:
        with self._lock:
            self._failures_left.pop(session, None)
        gone = f"{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        return Answer(status=302, location="/login", set_cookie=gone)

    def _flaky(self, session: str) -> Answer:
        with self._lock:
            left = self._failures_left.get(session, 0)
            if left:  # else nothing is written, or a session that just expired would come back
                self._failures_left[session] = left - 1
        return Answer(status=503, body=self._wiki.unavailable()) if left else Answer(body=self._wiki.flaky())

    def _content(self, path: str, query: str) -> Answer:
        wiki = self._wiki
        fixed = {"/about": wiki.about, "/account/password": wiki.change_password, "/users/add": wiki.add_user}
        if path in fixed:
            return Answer(body=fixed[path]())
        if path in self.article_paths:
            return Answer(body=wiki.article(int(path.removeprefix("/articles/"))))
        page = parse_qs(query).get("page", ["1"])[0]
        if path == "/" and page in (str(number) for number in range(1, wiki.last_index + 1)):
            return Answer(body=wiki.index(int(page)))
        return Answer(status=404, body=wiki.not_found())


def _login_form(query: str) -> Answer:
    wanted = parse_qs(query).get("next", ["/"])[0]
    return Answer(body=html.login_page(next_target=_local(wanted), is_refused=False))


def _local(target: str) -> str:
    """Return *target* where it stays on this site, else the list of articles: no open redirect."""
    stays = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if stays else "/"
