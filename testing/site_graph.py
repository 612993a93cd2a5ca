"""Owns ``SiteGraph``: a site that is crawled without a browser and without a network; it needs no Hypothesis."""

from __future__ import annotations

import html
from urllib.parse import urljoin

from ..engine.errors import PageError, UrlError
from ..engine.pages import CookieReport, LoginFormFacts, PageRequest, PageSnapshot
from ..engine.records import Record
from ..engine.urls import canonical_url

MAX_REDIRECTS = 20  # as Chromium
LOGIN_PATH = "/login"
LOGIN_FORM = LoginFormFacts(password_fields=1, text_fields=1, has_user_field=True, has_login_word=True)


class SitePage(Record, frozen=True, kw_only=True):
    """One page: what it says, or where it leads at once."""

    url: str  # in any spelling
    links: tuple[str, ...] = ()  # as they stand in the page, absolute or relative
    title: str = ""
    text: str = ""
    status: int = 200
    redirects_to: str | None = None  # absolute or relative; the rest of the page is then seen by nobody
    needs_session: bool = False  # without a credential it leads to the login page of its host


class SiteGraph(Record, frozen=True, kw_only=True):
    """Pages with links between them; what is none of them is not found."""

    seeds: tuple[str, ...]
    pages: tuple[SitePage, ...]

    def answer(self, request: PageRequest) -> PageSnapshot:
        """Return what a browser would read there; raises ``PageError`` for a redirect without end and no URL."""
        url, is_redirected = request.url, False
        for _ in range(MAX_REDIRECTS + 1):
            page = self.page(url)
            if page is not None and page.needs_session and request.credential is None:
                return _login_page(urljoin(url, LOGIN_PATH))
            if page is None or page.redirects_to is None:
                return _snapshot(page or SitePage(url=url, title="Not found", status=404), url, request, is_redirected)
            url, is_redirected = _joined(url, page.redirects_to), True
        raise PageError("the page redirects without end", reason="network", is_transient=False)

    def page(self, url: str) -> SitePage | None:
        """Return the page that *url* names in any spelling, or None."""
        wanted = _canonical(url)
        return next((page for page in self.pages if _canonical(page.url) == wanted), None)


def _canonical(url: str) -> str:
    try:
        return canonical_url(url)
    except UrlError:
        raise PageError("the page leads to what is no URL", reason="network", is_transient=False) from None


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:  # a bracket left open
        return target


def _snapshot(page: SitePage, url: str, request: PageRequest, is_redirected: bool) -> PageSnapshot:
    links = "".join(f'<a href="{html.escape(link)}">{number}</a> ' for number, link in enumerate(page.links))
    return PageSnapshot(
        url=url,
        status=page.status,
        content_type="text/html",
        html=f"<title>{html.escape(page.title)}</title><p>{html.escape(page.text)}</p>{links}",
        was_redirected=is_redirected,
        login_form=None,
        cookies=None if request.credential is None else CookieReport(),
    )


def _login_page(url: str) -> PageSnapshot:
    return PageSnapshot(
        url=url,
        status=200,
        content_type="text/html",
        html="<title>Log in</title><form><input name=user><input type=password></form>",
        was_redirected=True,
        login_form=LOGIN_FORM,
        cookies=None,
    )
