"""Owns ``SessionCheck``: what a user knows of a site that tells a page with a session from one without."""

from __future__ import annotations

from collections.abc import Iterator

from .definition_rules import pattern_fault, table_faults, url_fault
from .records import Record

EXPECTED = {
    "expired_selector": "a CSS selector of what only a page without a session shows",
    "expired_text": "a text that only a page without a session shows",
    "expired_url": "a regular expression that only the URL of a page without a session matches",
    "valid_selector": "a CSS selector of what every page with a session shows",
    "canary_url": "an http or https URL",
}


class SessionCheck(Record, frozen=True, kw_only=True):
    """Each that is given must hold, beside what the engine finds by itself; made for sites that it does not know."""

    expired_selector: str | None = None  # CSS; a page that shows it has no session
    expired_text: str | None = None  # a page with it in its text has none, whatever the case of its letters
    expired_url: str | None = None  # a regular expression, searched in the URL that the page has in the end
    valid_selector: str | None = None  # CSS; a page that does not show it has none
    canary_url: str | None = None  # read with the session to tell one that has expired from a page that is not for it


def session_check_faults(key: str, value: object) -> Iterator[str]:
    """Yield what is wrong with a session check as a file holds it, each with the key that it stands under."""
    if value is None:
        return
    faults = list(table_faults(value, SessionCheck, EXPECTED))
    for name, fault in faults:
        yield f"{key}{name}: {fault}"
    if faults:
        return
    for name, fault_of in (("expired_url", pattern_fault), ("canary_url", url_fault)):
        text = value.get(name) if isinstance(value, dict) else getattr(value, name)
        if text is not None and (found := fault_of(text)):
            yield f"{key}.{name}: expected {EXPECTED[name]}, found {found}"
