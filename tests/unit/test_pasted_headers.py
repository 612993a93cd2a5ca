"""Request headers that were pasted: whose they are, what of them is a session, and what is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bequest.engine.errors import CredentialFormatError
from bequest.engine.session_files import read_session
from bequest.engine.session_reading import Reading

RAW = "GET /a?b HTTP/1.1\r\nHost: wiki.example\r\nUser-Agent: Mine/1\r\nAccept: */*\r\nCookie: sid=canary; b=2\r\n\r\n"


def read(text: str, sites: Sequence[str] = (), host: str | None = None) -> Reading:
    return read_session(text, source="f", sites=sites, host=host)


@pytest.mark.parametrize(
    "text",
    [
        "Cookie: sid=canary; b=2",
        "cookie:sid=canary;b=2\n",
        "sid=canary; b=2",
        "  sid=canary; b=2;  \n",
        "\ufeffCookie: sid=canary\nCookie: b=2\n",
    ],
)
def test_cookie_header_is_for_the_host_of_each_site(text: str) -> None:
    """A header says no domain: each site gets the cookies for its own host alone, and over https alone."""
    reading = read(text, sites=["wiki.example", "10.0.0.1"])

    assert [(one.name, one.value.reveal(), one.domain) for one in reading.cookies if one.name == "sid"] == [
        ("sid", "canary", "wiki.example"),
        ("sid", "canary", "10.0.0.1"),
    ]
    assert all(one.host_only and one.secure and one.path == "/" and one.expires is None for one in reading.cookies)
    assert len(reading.cookies) == 4


def test_cookie_header_is_for_the_host_that_is_named() -> None:
    """Beside a host the sites are the scope, and not where the cookies are from."""
    reading = read("Cookie: sid=canary", sites=["wiki.example"], host="www.wiki.example")

    assert [one.domain for one in reading.cookies] == ["www.wiki.example"]


@pytest.mark.parametrize("text", ["Cookie: sid=canary", "sid=canary", "Authorization: Bearer canary"])
def test_header_of_nobody_asks_for_the_site(text: str) -> None:
    """Without a site nobody knows where it may go, and it is not guessed (I17)."""
    with pytest.raises(CredentialFormatError, match="name the host, with --site on the command line") as caught:
        read(text)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "text", [RAW, RAW.replace("Host", ":authority"), RAW.replace("wiki.example", "WIKI.example:8443")]
)
def test_header_block_says_its_host(text: str) -> None:
    """A whole request names its host; its port is no cookie's."""
    reading = read(text, sites=["example.com"])

    assert [(one.name, one.domain) for one in reading.cookies] == [("sid", "wiki.example"), ("b", "wiki.example")]
    assert (reading.user_agent, reading.sites, reading.skipped) == ("Mine/1", ("wiki.example",), ())


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("wiki.example", "https://wiki.example"),
        ("wiki.example:443", "https://wiki.example"),
        ("wiki.example:8443", "https://wiki.example:8443"),
        ("[::1]:81", "https://[::1]:81"),
        ("[::1]", "https://[::1]"),
    ],
)
def test_header_that_logs_in_is_for_one_origin(host: str, origin: str) -> None:
    """A login by header goes to the origin of its request, over https."""
    reading = read(f"Host: {host}\nAuthorization: Bearer canary\nPrivate-Token: canary")

    assert [(one.origin, one.name) for one in reading.headers] == [(origin, "Authorization"), (origin, "Private-Token")]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Cookie: sid=1\ncanary canary", "f, line 2: expected a header"),
        ("Host: wiki.example\nGET /canary", "f, line 2: expected a header"),
        ("Host: canary canary\nCookie: sid=1", "f: expected a host in its Host header"),
        ("Host: canary:99999999\nCookie: sid=1", "f: expected a host in its Host header"),
        ("Host: wiki.example\nAccept: canary", "f: expected cookies.txt"),
        ("https://canary/", "f, line 1: expected cookies.txt"),
    ],
)
def test_headers_that_cannot_be_read_are_named(text: str, place: str) -> None:
    """The line or the header is named, and nothing of it is shown (I16)."""
    with pytest.raises(CredentialFormatError) as caught:
        read(text)

    assert str(caught.value).startswith(place)
    assert "canary" not in str(caught.value)
