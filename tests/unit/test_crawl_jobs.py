"""How a definition becomes jobs: a parent that nobody claims, its metadata, seeds, and links within the rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bequest.engine.crawl_jobs import PageConfig, link_jobs, parent_job, parent_metadata, seed_jobs
from bequest.engine.definitions import Definition, definition_from
from bequest.engine.records import KeyScope, State
from bequest.engine.urls import url_key

SEEDS = ("http://wiki.example/", "http://wiki.example/b?x=1")


def definition(**options: Any) -> Definition:  # Any: the options of a definition
    return Definition.crawl("wiki", start_urls=SEEDS, **options)


def links(found: list[str], *, depth: int = 0, **options: Any) -> list[str]:
    """Return the URLs of the jobs that a page's links become."""
    page = PageConfig(url=SEEDS[0], depth=depth)
    return [job.config["url"] for job in link_jobs(found, page, 7, definition(**options), 3)]


def test_parent_waits_so_that_nothing_claims_it() -> None:
    """A run's parent is bound to its definition's limits, and holds the whole of it as its input (I6, I14)."""
    recipe = definition(max_pages=9, concurrency=2, auth_id="wiki")

    job = parent_job(recipe, key=None)

    assert (job.kind, job.state, job.child_limit, job.child_concurrency) == ("crawl", State.WAITING, 9, 2)
    assert definition_from(job.config, source="test") == recipe


def test_parent_with_a_key_is_one_while_it_is_unfinished() -> None:
    """The same command again finds the unfinished run, and makes a new one after that has ended (I11)."""
    keyed, free = (parent_job(definition(), key=key) for key in ("digest", None))

    assert (keyed.key, keyed.key_scope) == ("digest", KeyScope.UNFINISHED)
    assert (free.key, free.key_scope) == (None, KeyScope.FOREVER)


def test_metadata_of_a_run_is_all_that_its_pages_inherit() -> None:
    """Labels, the phase, the definition's id and the session's name; no session where none is named."""
    labels = {"team": "a", "phase": "mine", "job_definition_id": 1}

    named = parent_metadata(definition(auth_id="wiki", labels=labels), 3)
    anonymous = parent_metadata(definition(), 3)

    assert named == {"team": "a", "phase": "crawling", "job_definition_id": 3, "auth_id": "wiki"}
    assert anonymous == {"phase": "crawling", "job_definition_id": 3}


def test_seeds_are_the_pages_of_depth_0_in_their_order() -> None:
    """Each seed is a page with the key of its canonical form, its place and the definition's id in its column."""
    first, second = seed_jobs(definition(max_attempts=5), 3)

    assert (first.kind, first.config, first.key) == ("page", {"url": SEEDS[0], "depth": 0}, url_key(SEEDS[0]))
    assert (second.config, second.key) == ({"url": SEEDS[1], "depth": 0}, url_key(SEEDS[1]))
    assert (first.metadata, second.metadata["link_index"]) == ({"discovered_by": "definition", "link_index": 0}, 1)
    assert {(job.definition_id, job.max_attempts, job.state) for job in (first, second)} == {(3, 5, State.PENDING)}


def test_links_are_pages_one_deeper_that_say_who_found_them() -> None:
    """A link's job has its depth, its finder, and its place among all links of that page."""
    found = ["http://other.example/", "http://wiki.example/c"]
    page = PageConfig(url=SEEDS[0], depth=2)

    (job,) = link_jobs(found, page, 7, definition(max_attempts=5), None)

    assert msgspec.convert(job.config, PageConfig) == PageConfig(url=found[1], depth=3)
    assert (job.metadata, job.definition_id, job.max_attempts) == ({"discovered_by": 7, "link_index": 1}, None, 5)


@pytest.mark.parametrize(("depth", "count"), [(0, 1), (1, 1), (2, 0), (3, 0)])
def test_links_are_followed_to_the_definitions_depth(depth: int, count: int) -> None:
    """A page at the greatest depth finds no further pages."""
    assert len(links(["http://wiki.example/c"], depth=depth, max_depth=2)) == count


def test_links_that_lead_to_one_page_are_one_job() -> None:
    """The first of two spellings is followed (I15)."""
    found = ["http://wiki.example/c#a", "http://wiki.example:80/c#b", "http://WIKI.example/c", "http://wiki.example/d"]

    assert links(found) == [found[0], found[3]]


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://other.example/", {}),
        ("http://wiki.example/logout", {}),
        ("http://wiki.example/picture.png", {}),
        ("http://sub.wiki.example/", {"scope": "host"}),
        ("http://wiki.example/c", {"include": ["/articles/"]}),
        ("http://wiki.example/c", {"exclude": ["/c$"]}),
    ],
)
def test_links_outside_the_definitions_rules_are_not_followed(url: str, options: dict[str, Any]) -> None:
    """Other sites, ends of the session, files and what the patterns leave out make no job."""
    assert links([url], **options) == []


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://sub.wiki.example/", {}),
        ("http://other.example/", {"scope": "any"}),
        ("http://wiki.example/articles/c", {"include": ["/articles/"]}),
    ],
)
def test_links_within_the_definitions_rules_are_followed(url: str, options: dict[str, Any]) -> None:
    """The same rules admit what they are for."""
    assert links([url], **options) == [url]
