"""Owns the questions about crawls with a browser: the same site, the same Chromium and flags, as many tabs."""

from __future__ import annotations

from peers import CRAWLEE, SCRAPY_PLAYWRIGHT
from question import SUBJECT, Contender, Question, Target
from questions.enqueueing import FULL

ONE_TAB, TABS = "bare Playwright, one tab", "bare Playwright, four tabs"
HEADER = "Bequest, a session of a header"


def bequest(function: str, name: str = SUBJECT) -> Contender:
    """Return an engine of default settings."""
    return Contender(
        name=name,
        call=f"contenders.bequest_crawl:{function}",
        durability=FULL,
        packages=("playwright", "apsw", "selectolax", "html-to-markdown"),
    )


def bare(name: str, function: str) -> Contender:
    """Return Playwright alone."""
    call = f"contenders.bare_playwright:{function}"
    return Contender(name=name, call=call, durability="none, all in memory", packages=("playwright",))


QUESTIONS = (
    Question(
        name="browser crawl",
        group="crawling",
        unit="pages/s",
        count=500,
        quick_count=15,
        contenders=(
            bequest("crawl"),
            bare(ONE_TAB, "crawl_in_one_tab"),
            bare(TABS, "crawl"),
            SCRAPY_PLAYWRIGHT.doing("crawl"),
            CRAWLEE.doing("crawl"),
        ),
        targets=(
            Target(over=ONE_TAB, at_least=0.95),
            Target(over=TABS, at_least=0.95),
            Target(over=SCRAPY_PLAYWRIGHT.name, at_least=3.0),
            Target(over=CRAWLEE.name, at_least=3.0),
        ),
        about=(
            "A site of small pages with a style, a script, a font and images, served to whoever has the session's"
            " cookie; links are followed from the pages. From the start of the browser to its end, with four pages at"
            " once. The bare loop reuses its tabs, runs one script a page and keeps what it finds in memory."
        ),
        timeout_s=1200.0,
    ),
    Question(
        name="browser crawl, server latency of 200 ms",
        group="crawling",
        unit="pages/s",
        count=200,
        quick_count=15,
        contenders=(
            bequest("crawl_slow_site"),
            bare(TABS, "crawl_slow_site"),
            SCRAPY_PLAYWRIGHT.doing("crawl_slow_site"),
        ),
        targets=(Target(over=TABS, at_least=0.9),),
        about="The same site, each of whose answers takes 200 ms longer.",
        timeout_s=600.0,
    ),
    Question(
        name="memory of a browser crawl",
        group="crawling",
        unit="MB",
        count=200,
        quick_count=15,
        contenders=(bequest("crawl"), bare(TABS, "crawl")),
        targets=(Target(figure="peak_mb", over=TABS, at_most_more=60.0),),
        about="The highest sum of the proportional set sizes of all processes, the browser's too.",
        figure="peak_mb",
        timeout_s=600.0,
    ),
    Question(
        name="browser crawl, headers of a session",
        group="crawling",
        unit="pages/s",
        count=200,
        quick_count=15,
        contenders=(bequest("crawl"), bequest("crawl_with_header", HEADER)),
        about="The site knows a session by its cookie or by a header, for which the browser asks back at each request.",
        timeout_s=600.0,
    ),
)
