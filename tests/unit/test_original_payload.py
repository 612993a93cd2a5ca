"""The payload that a browser extension posts: cookies, tokens, user agent, base URL and time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bequest.engine.errors import CredentialFormatError
from bequest.engine.session_files import read_session
from bequest.engine.session_reading import Reading

COOKIE = {"name": "sid", "value": "canary", "domain": ".wiki.example", "hostOnly": False, "path": "/", "session": True}
ORIGIN = "https://www.wiki.example:8443"


def read(**parts: Any) -> Reading:  # Any: JSON
    payload = {"cookies": [COOKIE], "baseUrl": f"{ORIGIN}/app?x=1", "userAgent": "Mine/1", "tokens": {}, **parts}
    return read_session(json.dumps(payload), source="f")


def test_payload_has_cookies_and_user_agent() -> None:
    """Cookies are as an extension gets them, and the base URL says whom it is for."""
    reading = read()

    assert [(one.name, one.domain, one.host_only) for one in reading.cookies] == [("sid", "wiki.example", False)]
    assert (reading.user_agent, reading.sites) == ("Mine/1", ("www.wiki.example",))


@pytest.mark.parametrize("domain", [{}, {"domain": None}, {"domain": ""}])
def test_payload_cookie_without_domain_is_of_the_base_url(domain: dict[str, Any]) -> None:  # Any: JSON
    """It goes to the host of the base URL alone, not to whatever host is visited."""
    reading = read(cookies=[{"name": "sid", "value": "canary", "hostOnly": False, **domain}])

    assert [(one.domain, one.host_only) for one in reading.cookies] == [("www.wiki.example", True)]


@pytest.mark.parametrize(
    "tokens",
    [
        "canary",
        {"accessToken": "canary"},
        {"access_token": "Bearer canary", "token": "second"},
        {"Authorization": {"value": "bearer canary"}, "csrf": None},
        {"jwt": {"value": "canary", "source": "header"}},
        [{"type": "bearer", "value": "canary"}],
        [{"name": "x", "type": "Bearer-Token", "value": " canary "}],
    ],
)
def test_payload_token_becomes_the_bearer_of_the_origin(tokens: Any) -> None:  # Any: JSON
    """A token that says that it is one goes as bearer header to the base URL's origin, and the first of them alone."""
    reading = read(tokens=tokens)

    assert [(one.origin, one.name, one.value.reveal()) for one in reading.headers] == [
        (ORIGIN, "Authorization", "Bearer canary")
    ]


@pytest.mark.parametrize(
    "tokens",
    [
        {"localStorage": {"jwt": "canary"}},
        {"jwt": {"value": "canary", "source": "localStorage"}},
        [{"key": "jwt", "storage": "local", "value": "canary"}],
        [{"name": "jwt", "type": "local_storage", "value": "canary"}],
    ],
)
def test_payload_token_of_a_storage_goes_back_there(tokens: Any) -> None:  # Any: JSON
    """A token that says that it was in localStorage is put there and into no header."""
    reading = read(tokens=tokens)

    (storage,) = reading.storages
    assert reading.headers == ()
    assert (storage.origin, storage.local["jwt"].reveal(), storage.session) == (ORIGIN, "canary", {})


def test_payload_token_of_the_tab_goes_into_session_storage() -> None:
    """What was in sessionStorage is kept apart."""
    (storage,) = read(tokens={"sessionStorage": {"a": "1"}, "b": {"value": "2", "from": "session"}}).storages

    assert (storage.local, sorted(storage.session)) == ({}, ["a", "b"])


def test_payload_token_that_says_nothing_is_skipped() -> None:
    """Refresh and CSRF tokens, a second bearer and what no header holds are named with the reason."""
    reading = read(
        tokens=[
            {"name": "refresh_token", "value": "canary"},
            {"value": "canary"},
            {"name": "token", "value": "canary\n1"},
            {"name": "jwt", "value": "canary"},
            {"name": "id_token", "value": "canary"},
        ]
    )

    assert [(one.name, one.reason) for one in reading.skipped] == [
        ("refresh_token", "not said to be a bearer token"),
        ("f, token 2", "not said to be a bearer token"),
        ("token", "characters that a header cannot have"),
        ("id_token", "another token is the bearer already"),
    ]


def test_payload_without_base_url_keeps_its_cookies() -> None:
    """Cookies know their domain; tokens without an origin are for nobody."""
    reading = read(baseUrl=None, userAgent=None, tokens={"jwt": "canary"})

    assert (reading.sites, reading.headers, reading.user_agent) == ((), (), None)
    assert [(one.name, one.reason) for one in reading.skipped] == [("jwt", "no baseUrl that it is for")]


def test_payload_without_base_url_is_for_the_site_that_is_given() -> None:
    """A cookie without a domain is of the host that is given, else of the first site."""
    text = json.dumps({"cookies": [{"name": "sid", "value": "canary"}], "timestamp": 1})

    assert read_session(text, source="f", sites=["wiki.example"]).cookies[0].domain == "wiki.example"
    assert read_session(text, source="f", sites=["b.example"], host="a.example").cookies[0].domain == "a.example"
    with pytest.raises(CredentialFormatError, match="a text under 'domain'"):
        read_session(text, source="f")


@pytest.mark.parametrize(
    ("timestamp", "captured_at"),
    [
        (1767225600, 1767225600.0),
        (1767225600000, 1767225600.0),
        ("1767225600000", 1767225600.0),
        ("2026-01-01T00:00:00.000Z", 1767225600.0),
        (None, None),
    ],
)
def test_payload_timestamp_is_in_any_unit(timestamp: Any, captured_at: float | None) -> None:  # Any: JSON
    """Seconds, milliseconds and ISO 8601 are one moment."""
    assert read(timestamp=timestamp).captured_at == captured_at


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ({"baseUrl": "canary"}, "f: expected an http or https URL under 'baseUrl'"),
        ({"baseUrl": 1}, "f: expected an http or https URL under 'baseUrl'"),
        ({"timestamp": "canary"}, "f: its timestamp: expected seconds"),
        ({"tokens": 1}, "f: expected a list of tokens, found a int"),
        ({"tokens": ["canary"]}, "f, token 1: expected an object"),
        ({"tokens": {"canary": 1}}, "f, token 1: expected a text under 'value'"),
        ({"tokens": {"localStorage": {"canary": 1}}}, "f, token 1: expected a text under 'value'"),
        ({"tokens": [{"name": "canary"}]}, "f, token 1: expected a text under 'value'"),
        ({"cookies": {"canary": 1}}, "f: expected a list of cookies"),
        ({"cookies": ["canary"]}, "f, cookie 1: expected an object"),
    ],
)
def test_payload_that_cannot_be_read_names_the_place(parts: dict[str, Any], place: str) -> None:  # Any: JSON
    """The part is named, and nothing of it shown (I16)."""
    with pytest.raises(CredentialFormatError) as caught:
        read(**parts)

    assert str(caught.value).startswith(place)
    assert "canary" not in str(caught.value)
