"""Owns the strategy for sites to crawl without a browser."""

from __future__ import annotations

from collections.abc import Callable

from .hypothesis_strategies import st
from .site_graph import SiteGraph, SitePage

HOST = "http://site.example"
SPELLINGS: tuple[Callable[[int], str], ...] = (  # of one page
    lambda number: f"{HOST}/{number}",
    lambda number: f"/{number}",
    lambda number: f"{HOST}/{number}#part",
    lambda number: f"HTTP://SITE.example:80/{number}",
    lambda number: f"/x/../{number}",
    lambda number: f"/%{ord(str(number)[0]):x}{str(number)[1:]}",
)
ELSEWHERE = ("http://other.example/", "mailto:a@site.example", "/a.png", "/logout", "http://[", "")
STATUSES = (200, 200, 200, 404, 403, 410, 500, 503)


def site_graphs(*, max_pages: int = 8, with_sessions: bool = True) -> st.SearchStrategy[SiteGraph]:
    """Return sites of ``http://site.example`` with at most *max_pages* pages; the simplest is one page without links.

    Links go in circles, to the page itself, to what is not there and out of the site, and spell one URL in many ways;
    pages redirect, also without end, and answer with errors. *with_sessions* lets some need a credential.
    """
    return _site_graphs(max_pages, with_sessions)


@st.composite
def _site_graphs(draw: st.DrawFn, max_pages: int, with_sessions: bool) -> SiteGraph:
    count = draw(st.integers(1, max_pages))
    numbers = st.integers(1, count)
    inside = st.builds(lambda spell, number: spell(number), st.sampled_from(SPELLINGS), numbers)
    links = inside | st.sampled_from(ELSEWHERE) | st.just(f"/{count + 1}")
    pages = tuple(
        SitePage(
            url=f"{HOST}/{number}",
            links=tuple(draw(st.lists(links, max_size=4))),
            title=draw(st.sampled_from(("", f"Page {number}", "<&> \u00e9"))),
            text=draw(st.sampled_from(("", "words", "* [ ] _ `"))),
            status=draw(st.sampled_from(STATUSES)),
            redirects_to=draw(st.none() | inside),
            needs_session=with_sessions and draw(st.booleans()),
        )
        for number in range(1, count + 1)
    )
    seeds = draw(st.lists(numbers, min_size=1, max_size=2, unique=True))
    return SiteGraph(seeds=tuple(f"{HOST}/{number}" for number in seeds), pages=pages)
