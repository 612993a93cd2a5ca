"""What an origin is, in one spelling, and that no error quotes more of a URL than its host."""

from __future__ import annotations

import pytest

from bequest.engine.errors import CredentialError
from bequest.engine.origins import checked_origin, host_of_origin, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://wiki.example", "https://wiki.example"),
        ("HTTPS://Wiki.Example.:443/a?b#c", "https://wiki.example"),
        ("http://wiki.example:80", "http://wiki.example"),
        ("http://wiki.example:443/", "http://wiki.example:443"),
        ("https://wiki.example:8443", "https://wiki.example:8443"),
        ("https://wiki.example:", "https://wiki.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://127.1:8080/", "http://127.0.0.1:8080"),
        ("http://[0:0::1]/", "http://[::1]"),
        ("http://[::1]:81/", "http://[::1]:81"),
        ("https://user:canary@wiki.example/", "https://wiki.example"),
    ],
)
def test_origin_of_a_url_is_canonical(url: str, origin: str) -> None:
    """Scheme and host are in lower case, the port is there unless it is the scheme's own."""
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    ["", "wiki.example", "ftp://wiki.example", "file:///etc/passwd", "null", "http://", "http://a b", "http://a:x/"],
)
def test_origin_of_what_is_no_web_url_is_none(url: str) -> None:
    """What has another scheme, no host or a bad port has no origin."""
    assert origin_of(url) is None


@pytest.mark.parametrize("url", ["http://[::1", "http://a:99999/", "http://[canary]/", "http://a\ud800/"])
def test_origin_of_a_broken_url_is_none(url: str) -> None:
    """What the parser itself refuses has none either."""
    assert origin_of(url) is None


@pytest.mark.parametrize("text", ["https://wiki.example", "https://wiki.example/", "HTTPS://WIKI.example:443"])
def test_checked_origin_is_canonical(text: str) -> None:
    """An origin that a person writes may end in a slash and name the port that is meant anyway."""
    assert checked_origin(text) == "https://wiki.example"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("canary", "an origin is a scheme, host and port"),
        ("https://canary canary/", "an origin is a scheme, host and port"),
        ("https://wiki.example/canary", "write 'https://wiki.example'"),
        ("https://canary:canary@wiki.example", "write 'https://wiki.example'"),
        ("https://wiki.example?canary", "write 'https://wiki.example'"),
        ("https://wiki.example#canary", "write 'https://wiki.example'"),
    ],
)
def test_checked_origin_refuses_more_than_an_origin(text: str, said: str) -> None:
    """A path, a user or a query is refused and not quoted (I16)."""
    with pytest.raises(CredentialError, match=said) as caught:
        checked_origin(text)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("origin", "host"), [("https://wiki.example:8443", "wiki.example"), ("http://[::1]:81", "::1"), ("", "")]
)
def test_host_of_an_origin_has_no_port_and_no_brackets(origin: str, host: str) -> None:
    """The host is as cookies and sites have it."""
    assert host_of_origin(origin) == host
