"""Owns ``SessionCheck``: what a user knows of a site that tells a page with a session from one without.

What of it is in the page is looked for there, by one script; what that found, and the URL, are judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .definition_rules import pattern_fault, table_faults, url_fault
from .records import Record

EXPECTED = {
    "expired_selector": "a CSS selector of what only a page without a session shows",
    "expired_text": "a text that only a page without a session shows",
    "expired_url": "a regular expression that only the URL of a page without a session matches",
    "valid_selector": "a CSS selector of what every page with a session shows",
    "canary_url": "an http or https URL",
}

SELECTORS = ("expired_selector", "valid_selector")
_CLOSED_BY = {"(": ")", "[": "]"}


class SessionCheck(Record, frozen=True, kw_only=True):
    """Each that is given must hold, beside what the engine finds by itself; made for sites that it does not know."""

    expired_selector: str | None = None  # CSS; a page that shows it has no session
    expired_text: str | None = None  # a page with it in its text has none, whatever the case of its letters
    expired_url: str | None = None  # a regular expression, searched in the URL that the page has in the end
    valid_selector: str | None = None  # CSS; a page that does not show it has none
    canary_url: str | None = None  # read with the session to tell one that has expired from a page that is not for it


def expired_sign(check: SessionCheck, signs: Sequence[str], *, url: str, status: int) -> str | None:
    """Return which field of the check says that a page has no session, or None.

    *signs* is what its script found. A page that is an error shows nothing of what every page with a session does.
    """
    if check.expired_url is not None and re.search(check.expired_url, url):
        return "expired_url"
    return next((sign for sign in signs if sign != "valid_selector" or status < 400), None)


def session_check_faults(key: str, value: object) -> Iterator[str]:
    """Yield what is wrong with a session check as a file holds it, each with the key that it stands under."""
    if value is None:
        return
    faults = list(table_faults(value, SessionCheck, EXPECTED))
    for name, fault in faults:
        yield f"{key}{name}: {fault}"
    if faults:
        return
    rules = (
        ("expired_url", pattern_fault),
        ("canary_url", url_fault),
        *((name, selector_fault) for name in SELECTORS),
    )
    for name, fault_of in rules:
        text = value.get(name) if isinstance(value, dict) else getattr(value, name)
        if text is not None and (found := fault_of(text)):
            yield f"{key}.{name}: expected {EXPECTED[name]}, found {found}"


def selector_fault(selector: str) -> str | None:
    """Return why *selector* cannot be CSS, as far as can be seen without a browser, or None.

    A browser may still refuse what passes here: which pseudo-classes there are is its own to know.
    """
    open_brackets: list[str] = []
    quote = ""
    escaped = False
    for character in selector:
        if escaped or character == "\\":
            escaped = not escaped
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in _CLOSED_BY:
            open_brackets.append(_CLOSED_BY[character])
        elif character in ")]" and (not open_brackets or open_brackets.pop() != character):
            return f"one with a {character} too many"
    if quote or open_brackets:
        return f"one without its closing {quote or open_brackets[-1]}"
    if selector.strip()[0] in ",>+~" or selector.strip()[-1] in ",>+~":
        return "one that begins or ends with a comma or a combinator"
    return None


# The text is looked for in what is shown; the arguments are a person's, so they are never part of the script.
SESSION_SIGNS_JS = r"""(check) => {
  const signs = [], bad = [];
  const found = (name) => {
    if (!check[name]) return null;
    try { return document.querySelector(check[name]) !== null } catch { bad.push(name); return null }
  };
  const says = (text) => text && ((document.body || document.documentElement).innerText || "")
    .replace(/\s+/g, " ").toLowerCase().includes(text.replace(/\s+/g, " ").trim().toLowerCase());
  if (found("expired_selector") === true) signs.push("expired_selector");
  if (says(check.expired_text)) signs.push("expired_text");
  if (found("valid_selector") === false) signs.push("valid_selector");
  return {signs, bad};
}"""
