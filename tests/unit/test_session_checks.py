"""What a user knows of a site: which of it speaks against a page, and which texts are no selectors."""

from __future__ import annotations

import pytest

from bequest.engine.definitions import Definition, definition_from
from bequest.engine.errors import DefinitionError
from bequest.engine.session_checks import SessionCheck, expired_sign, selector_fault, session_check_faults

GOOD = [
    "#login",
    "form[action='/login'] input",
    'a[title="say \\"hi(\\""]',
    "div:not(.a, .b) > p + q ~ r",
    "a\\(b",
    ":has(> img)",
    "[data-x='it\\'s']",
]
BAD = {
    "form[action": "without its closing ]",
    "a:not(b": r"without its closing \)",
    "a)": r"a \) too many",
    "a[b)]": r"a \) too many",
    "a[b='c]": "without its closing '",
    "a,": "begins or ends",
    "> b": "begins or ends",
    "a >": "begins or ends",
}


@pytest.mark.parametrize("selector", GOOD)
def test_selector_is_taken(selector: str) -> None:
    """What may be CSS is left to the browser."""
    assert selector_fault(selector) is None


@pytest.mark.parametrize("selector", BAD)
@pytest.mark.parametrize("field", ["expired_selector", "valid_selector"])
def test_selector_that_is_none_is_refused_with_the_definition(field: str, selector: str) -> None:
    """The error names the field and what is wrong."""
    with pytest.raises(DefinitionError, match=rf"session_check\.{field}: expected a CSS selector .* {BAD[selector]}"):
        crawl(session_check={field: selector})


@pytest.mark.parametrize(
    ("signs", "url", "status", "found"),
    [
        ((), "https://wiki.example/", 200, None),
        ((), "https://wiki.example/?timeout=1", 200, "expired_url"),
        (("expired_text",), "https://wiki.example/?timeout=1", 500, "expired_url"),
        (("expired_text",), "https://wiki.example/", 404, "expired_text"),
        (("valid_selector",), "https://wiki.example/", 200, "valid_selector"),
        (("valid_selector",), "https://wiki.example/", 404, None),
    ],
)
def test_first_sign_that_speaks_against_the_session_is_named(
    signs: tuple[str, ...], url: str, status: int, found: str | None
) -> None:
    """The URL first, and what every page with a session shows not of an error."""
    assert expired_sign(SessionCheck(expired_url="timeout"), signs, url=url, status=status) == found


def test_check_without_a_pattern_looks_at_no_url() -> None:
    """An empty check says nothing."""
    assert expired_sign(SessionCheck(), (), url="https://wiki.example/", status=200) is None


def crawl(**fields: object) -> Definition:
    """Return a definition with those fields."""
    return definition_from({"name": "wiki", "start_urls": ["https://wiki.example/"], **fields}, source="test")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("#login", "session_check: expected a table"),
        ({"expired_selectr": "#login"}, r"session_check\.expired_selectr: unknown key; did you mean expired_selector"),
        ({"expired_text": " "}, r"session_check\.expired_text: expected a text .*, found an empty text"),
        ({"expired_url": "("}, r"session_check\.expired_url: expected a regular expression"),
        ({"canary_url": "me"}, r"session_check\.canary_url: expected an http or https URL"),
    ],
)
def test_check_that_is_none_is_refused_with_the_definition(given: object, said: str) -> None:
    """Each fault names its key."""
    with pytest.raises(DefinitionError, match=said):
        crawl(session_check=given)


def test_every_fault_of_the_table_is_named() -> None:
    """What is no table of texts is not looked at any further, but all of it is said."""
    faults = list(session_check_faults("check", {"expired_text": "", "canary_url": 3, "expired_url": "("}))

    assert [fault.partition(":")[0] for fault in faults] == ["check.expired_text", "check.canary_url"]
