"""Owns how things are put into words for people: counts, times, places, and text that comes from outside.

What a site, a file or an argument says is never printed as it is: a title can hold the sequences that steer a terminal.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from ..engine.outcomes import place
from ..engine.records import Counts, Job, State
from ..engine.run_status import RunStatus

SHOWN_URLS = 3
STEERING = re.compile(  # C0, DEL and C1, line separators, what reverses the text after it, half pairs
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return *text* with every character that steers a terminal written out, as Python writes it."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def counted(count: int, noun: str) -> str:
    """Return *count* with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def moment(at: float) -> str:
    """Return a time for people, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def standing(status: RunStatus) -> str:
    """Return where a run stands, in a few words."""
    pages = status.pages
    if status.has_steps:
        return standing_of_steps(pages)
    parts = [f"{pages.completed} of {counted(pages.total, 'page')} stored"]
    for name, count in (
        ("running", pages.running),
        ("pending", pages.pending),
        ("waiting for a session", pages.waiting),
        ("failed", pages.failed),
        ("cancelled", pages.cancelled),
    ):
        if count:
            parts.append(f"{count} {name}")
    return ", ".join(parts)


def standing_of_steps(steps: Counts) -> str:
    """Return where a run with steps stands; one that waits for its pages is under way."""
    parts = [f"{counted(steps.completed, 'step')} completed"]
    for name, count in (("under way", steps.unfinished), ("failed", steps.failed), ("cancelled", steps.cancelled)):
        if count:
            parts.append(f"{count} {name}")
    return ", ".join(parts)


def by_state(counts: Counts) -> dict[str, int]:
    """Return how many children there are in each state."""
    return {str(state): getattr(counts, state) for state in State}


def what(shown: Job) -> str:
    """Return what a job is about: hosts and paths, without any query."""
    config: Any = shown.config
    if not isinstance(config, dict):
        return ""
    urls = [url for url in config.get("start_urls") or [config.get("url", "")] if url]
    more = len(urls) - SHOWN_URLS
    return ", ".join(map(place, urls[:SHOWN_URLS])) + (f" and {more} more" if more > 0 else "")
