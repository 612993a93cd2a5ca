"""Owns the strategy for definitions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from ..engine.definition_rules import MAX_CONCURRENCY, MAX_INTEGER, MAX_PAGE_TIMEOUT_S
from ..engine.definitions import AuthPolicy, Definition
from .hypothesis_strategies import st
from .job_strategies import json_texts, metadata
from .url_strategies import urls

PATTERNS = ("", "/a", r"\d+$", "(?i)log", "^https://", "[^?]*", "a|b", r"\.png\Z")
SELECTORS = ("#me", "a[href='/me']", "form input[type=password]")
KINDS = ("prepare", "index", "a b")
LOGIN: tuple[dict[str, str], ...] = (
    {"fill": "#user", "text": "ada"},
    {"fill": "#password", "secret": "password"},
    {"fill": "#code", "totp": "seed"},
    {"click": "text=Log in"},
)

Fields = dict[str, Any]  # Any: the options of Definition.crawl


def definitions(
    *, start_urls: st.SearchStrategy[list[str]] | None = None, crawls_only: bool = False
) -> st.SearchStrategy[Definition]:
    """Return valid definitions, with every field set in some of them.

    With *crawls_only* each is one crawl of *start_urls*; else some have steps in their place.
    """
    seeds = st.lists(urls(), min_size=1, max_size=3) if start_urls is None else start_urls
    return _definitions(seeds, _steps(seeds), crawls_only)


@st.composite
def _definitions(
    draw: st.DrawFn,
    seeds: st.SearchStrategy[list[str]],
    steps: st.SearchStrategy[Mapping[str, Any]],
    crawls_only: bool,
) -> Definition:
    fields: Fields = draw(_options())
    fields |= draw(_sessions())
    if crawls_only or draw(st.booleans()):
        fields["start_urls"] = draw(seeds)
    else:
        fields["steps"] = draw(st.lists(steps, min_size=1, max_size=3))
    if not crawls_only:
        around = dict.fromkeys(("pre_jobs", "post_jobs"), st.lists(steps, max_size=2))
        fields |= draw(st.fixed_dictionaries({}, optional=around))
    return Definition.crawl(draw(_names()), **fields)


@cache
def _options() -> st.SearchStrategy[Fields]:
    numbers = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
    labels = st.dictionaries(json_texts(), st.none() | st.booleans() | numbers | json_texts(), max_size=3)
    patterns = st.lists(st.sampled_from(PATTERNS), max_size=2)
    checks = st.fixed_dictionaries(
        {},
        optional={
            "expired_selector": st.sampled_from(SELECTORS),
            "expired_text": st.just("Log in"),
            "expired_url": st.sampled_from(PATTERNS[1:]),
            "valid_selector": st.sampled_from(SELECTORS),
            "canary_url": urls(),
        },
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "session_check": st.none() | checks,
            "max_pages": st.integers(1, MAX_INTEGER),
            "max_depth": st.integers(0, MAX_INTEGER),
            "include": patterns,
            "exclude": patterns,
            "scope": st.sampled_from(("site", "host", "any")),
            "concurrency": st.integers(1, MAX_CONCURRENCY),
            "allow_private": st.booleans(),
            "error_tolerance": st.floats(0, 1),
            "page_timeout_s": st.floats(0, MAX_PAGE_TIMEOUT_S, exclude_min=True),
            "max_attempts": st.integers(1, MAX_INTEGER),
            "labels": labels,
            "timeout_s": st.none() | st.floats(0, 1e9, exclude_min=True),
        },
    )


@cache
@st.composite
def _sessions(draw: st.DrawFn) -> Fields:
    """Return an auth_id with what goes beside it, or what goes without one."""
    if not draw(st.booleans()):
        return draw(st.fixed_dictionaries({}, optional={"auth_policy": st.none() | st.just("degrade")}))
    between = draw(st.lists(st.sampled_from(LOGIN), max_size=3))
    login = [{"goto": draw(_urls())}, *between, {"wait_for": draw(st.sampled_from(SELECTORS))}]
    policies = st.none() | st.sampled_from(AuthPolicy)
    return {
        "auth_id": draw(_names()),
        **draw(st.fixed_dictionaries({}, optional={"auth_policy": policies, "login": st.just(login)})),
    }


@st.composite
def _steps(draw: st.DrawFn, seeds: st.SearchStrategy[list[str]]) -> Mapping[str, Any]:
    ends: st.SearchStrategy[Fields] = st.sampled_from(
        ({}, {"on_error": "continue"}, {"on_error": "retry", "retries": 3})
    )
    if draw(st.booleans()):
        return {"kind": draw(st.sampled_from(KINDS)), "config": draw(metadata()), **draw(ends)}
    return {
        "kind": "crawl",
        "config": {"start_urls": draw(seeds), "max_pages": draw(st.integers(1, 100))},
        **draw(ends),
    }


@cache
def _urls() -> st.SearchStrategy[str]:
    return urls()


@cache
def _names() -> st.SearchStrategy[str]:
    names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
    return st.sampled_from(("wiki", "a b", "\u00fc")) | names.filter(str.isprintable)
