"""A site of numbered pages behind a login, in the browser's place: it knows who came without the session."""

from __future__ import annotations

from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.pages import CookieReport, PageRequest, PageSnapshot
from bequest.engine.secret import Secret

HOST = "site.example"
SEED = f"http://{HOST}/1"
AUTH_ID = "wiki"


def credential() -> Credential:
    """Return a session of the site."""
    cookie = Cookie(name="sid", value=Secret("let-me-in"), domain=HOST, host_only=True)
    return Credential(auth_id=AUTH_ID, sites=(HOST,), cookies=(cookie,))


class NumberedSite:
    """Each page links to its two children, to the first, and to itself in another spelling."""

    def __init__(self) -> None:
        self.anonymous: list[str] = []

    def answer(self, request: PageRequest) -> PageSnapshot:
        """Return the page; who comes without a session gets one that says so."""
        number = int(request.url.rpartition("/")[2])
        if request.credential is None:
            self.anonymous.append(request.url)
        hrefs = (f"/{2 * number}", f"/{2 * number + 1}", "/1", f"http://{HOST}:80/{number}")
        links = "".join(f'<a href="{href}">{href}</a>' for href in hrefs)
        return PageSnapshot(
            url=request.url,
            status=200,
            content_type="text/html",
            html=f"<title>Page {number}</title><p>The page with the number {number}.</p>{links}",
            was_redirected=False,
            login_form=None,
            cookies=None if request.credential is None else CookieReport(offered=1, injected=1, confirmed=1),
        )
