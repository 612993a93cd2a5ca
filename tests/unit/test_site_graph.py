"""A site without a browser answers as one would: redirects, logins, errors, and every spelling of a URL."""

from __future__ import annotations

import pytest

from bequest.engine.definitions import AuthPolicy
from bequest.engine.errors import PageError
from bequest.engine.outcomes import Verdict, judge
from bequest.engine.pages import PageRequest, PageSnapshot
from bequest.engine.records import SealedCredential
from bequest.testing.site_graph import SiteGraph, SitePage

HOST = "http://site.example"
GRAPH = SiteGraph(
    seeds=(f"{HOST}/1",),
    pages=(
        SitePage(url=f"{HOST}/1", links=("/2", 'x?a="<&'), title="<One>", text="a & b"),
        SitePage(url=f"{HOST}/2", redirects_to="1"),
        SitePage(url=f"{HOST}/3", needs_session=True, title="Mine"),
        SitePage(url=f"{HOST}/4", redirects_to="/4#again"),
        SitePage(url=f"{HOST}/5", redirects_to="http://["),
        SitePage(url=f"{HOST}/6", status=503),
    ),
)
SEALED = SealedCredential(
    auth_id="wiki", version=1, key_id="k", nonce=b"", ciphertext=b"", sites=("site.example",), updated_at=0.0
)


def ask(path: str, credential: SealedCredential | None = None) -> PageSnapshot:
    return GRAPH.answer(PageRequest(url=f"{HOST}{path}", credential=credential))


def test_site_graph_gives_a_page_in_any_spelling() -> None:
    """The page is found by its canonical URL, and what stands in it is escaped."""
    snapshot = ask("/x/../%31#part")

    assert (snapshot.status, snapshot.was_redirected, snapshot.cookies) == (200, False, None)
    assert "<title>&lt;One&gt;</title><p>a &amp; b</p>" in snapshot.html
    assert '<a href="x?a=&quot;&lt;&amp;">' in snapshot.html


def test_site_graph_follows_redirects() -> None:
    """The page at the end is given, with its URL."""
    snapshot = ask("/2")

    assert (snapshot.url, snapshot.was_redirected) == (f"{HOST}/1", True)


def test_site_graph_asks_for_a_session() -> None:
    """Without a credential it leads to a login page, which the engine takes for one, and with one to the page."""
    refused, shown = ask("/3"), ask("/3", SEALED)

    verdict = judge(refused, auth_policy=AuthPolicy.REQUIRE, auth_id="wiki").verdict
    assert (refused.url, verdict) == (f"{HOST}/login", Verdict.NEEDS_SESSION)
    assert "Mine" in shown.html
    assert shown.cookies is not None


@pytest.mark.parametrize(("path", "status"), [("/6", 503), ("/7", 404), ("/", 404)])
def test_site_graph_answers_with_errors(path: str, status: int) -> None:
    """A page has its status, and what is no page is not found."""
    assert ask(path).status == status


@pytest.mark.parametrize("path", ["/4", "/5"])
def test_site_graph_refuses_redirects_to_nowhere(path: str) -> None:
    """One without end, and one to what is no URL, is an error as a browser's, and not worth another try."""
    with pytest.raises(PageError) as raised:
        ask(path)

    assert not raised.value.is_transient
