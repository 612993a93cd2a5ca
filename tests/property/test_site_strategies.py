"""What users' property tests draw of the web: URLs, definitions and sites, each as an engine takes it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from bequest.engine.definition_rules import url_fault
from bequest.engine.definitions import Definition, canonical_json, check, definition_from
from bequest.engine.errors import PageError
from bequest.engine.extract import extract
from bequest.engine.pages import PageRequest
from bequest.engine.urls import canonical_url
from bequest.testing.site_graph import SiteGraph
from bequest.testing.strategies import definitions, hosts, site_graphs, urls

QUICK = settings(max_examples=3_000, derandomize=True)  # one search, and one way to the simplest, each time
UNSHRUNK = settings(QUICK, phases=[Phase.generate])


@given(urls())
def test_urls_are_what_a_crawl_takes(url: str) -> None:
    """Each can be crawled and can start one."""
    assert canonical_url(url).startswith("http")
    assert url_fault(url) is None


@pytest.mark.parametrize(
    "corner",
    [
        lambda url: "[" in url,
        lambda url: ":65535" in url,
        lambda url: not url.isascii(),
        lambda url: "/../" in url,
        lambda url: "%2f" in url and "%2F" in url,
        lambda url: url.count("&") == 2,
        lambda url: "#" in url,
        lambda url: "://127.1" in url,
    ],
)
def test_urls_reach_their_corners(corner: Callable[[str], bool]) -> None:
    """Addresses, ports, letters beyond ASCII, dot segments, encodings and queries are all drawn."""
    assert corner(find(urls(), corner, settings=UNSHRUNK))


def test_urls_shrink() -> None:
    """The simplest URL with a query has nothing else, and is at the first host."""
    assert find(urls(), lambda url: "?" in url, settings=QUICK) == "http://a.example/?"
    assert find(urls(at=st.just("b.example")), lambda _: True, settings=QUICK) == "http://b.example"


@given(hosts())
def test_hosts_are_hosts_of_urls(host: str) -> None:
    """Each can stand in a URL."""
    assert canonical_url(f"http://{host}/")


@settings(max_examples=40)
@given(definitions())
def test_definitions_are_valid(definition: Definition) -> None:
    """Each passes the check, and is the same when it was written and read."""
    check(definition)

    assert definition_from(json.loads(canonical_json(definition)), source="json") == definition


def test_definitions_have_every_field() -> None:
    """Among a hundred definitions each field is set to another value than its default."""
    plain = Definition.crawl("wiki", start_urls=["http://a.example"])
    met: set[str] = set()

    @settings(max_examples=100, phases=[Phase.generate], derandomize=True, database=None)
    @given(definitions())
    def draw(definition: Definition) -> None:
        met.update(
            name for name in set(Definition.__struct_fields__) if getattr(definition, name) != getattr(plain, name)
        )

    draw()

    assert met == set(Definition.__struct_fields__)


def test_definitions_begin_with_the_simplest() -> None:
    """What is drawn first is one crawl of one URL."""
    found = find(definitions(crawls_only=True), lambda _: True, settings=UNSHRUNK)

    assert found == Definition.crawl("wiki", start_urls=["http://a.example"])


@settings(max_examples=20)
@given(definitions(crawls_only=True))
def test_definitions_of_crawls_have_no_steps(definition: Definition) -> None:
    """Where crawls alone are asked for there are no steps before, in or after them."""
    assert definition.is_one_crawl


@given(site_graphs(), st.integers(1, 9), st.booleans())
def test_site_graphs_answer_as_a_browser_does(graph: SiteGraph, number: int, has_slash: bool) -> None:
    """Every page, there or not, is answered with a page that can be extracted, or leads round in a circle."""
    url = f"http://site.example/{'' if has_slash else './'}{number}"

    try:
        snapshot = graph.answer(PageRequest(url=url))
    except PageError as error:
        assert not error.is_transient  # noqa: PT017
        return

    page = graph.page(snapshot.url)
    assert (snapshot.login_form is not None) or snapshot.status == (404 if page is None else page.status)
    assert snapshot.was_redirected is (canonical_url(snapshot.url) != canonical_url(url))
    content = extract(snapshot.html, snapshot.url)
    assert page is None or snapshot.login_form is not None or content.title == page.title
    assert all(link.startswith("http") for link in content.links)


@pytest.mark.parametrize(
    "corner",
    [
        lambda graph: any(f"/{number}" in page.links for number, page in enumerate(graph.pages, 1)),
        lambda graph: len({link.rpartition("/")[2] for link in graph.pages[0].links}) < len(graph.pages[0].links),
        lambda graph: any(
            page.redirects_to and graph.page(f"http://site.example{page.redirects_to}") is page
            for page in graph.pages
            if (page.redirects_to or "").startswith("/")
        ),
        lambda graph: any(page.needs_session for page in graph.pages),
        lambda graph: {page.status for page in graph.pages} >= {200, 404, 503},
        lambda graph: len(graph.seeds) == 2,
        lambda graph: any("mailto:" in link for page in graph.pages for link in page.links),
    ],
)
def test_site_graphs_reach_their_corners(corner: Callable[[SiteGraph], bool]) -> None:
    """Circles, two spellings of one URL, redirects without end, logins, errors and ways out are all drawn."""
    assert corner(find(site_graphs(), corner, settings=UNSHRUNK))


def test_site_graphs_shrink() -> None:
    """The simplest site with a link has one page and that link."""
    found = find(site_graphs(), lambda graph: any(page.links for page in graph.pages), settings=QUICK)

    (page,) = found.pages
    assert (page.url, page.links, page.status) == ("http://site.example/1", ("http://site.example/1",), 200)
    assert (page.title, page.text, page.redirects_to, page.needs_session) == ("", "", None, False)
