"""``Cookie`` and ``Set-Cookie`` are read as a browser reads them."""

from __future__ import annotations

import pytest

from bequest.engine.cookie_dates import read_cookie_date
from bequest.engine.cookie_headers import default_path, read_cookie_pairs, read_set_cookie
from bequest.engine.cookies import Cookie
from bequest.engine.moments import read_moment
from bequest.engine.secret import Secret

HOST = "www.wiki.example"
AT = 1_000_000.0


def set_by(header: str, *, host: str = HOST, at: float | None = AT) -> Cookie:
    cookie = read_set_cookie(header, host=host, path="/a/b", at=at)
    assert isinstance(cookie, Cookie)
    return cookie


@pytest.mark.parametrize(
    ("header", "pairs"),
    [
        ("a=1", [("a", "1")]),
        ("a=1; b=2;c=3", [("a", "1"), ("b", "2"), ("c", "3")]),
        (' a = "x y" ;\tb=', [("a", '"x y"'), ("b", "")]),
        ("a=b=c==", [("a", "b=c==")]),
        ("bare; =also", [("", "bare"), ("", "also")]),
        (";; ; =", []),
        ("", []),
    ],
)
def test_cookie_header_is_split_at_semicolons(header: str, pairs: list[tuple[str, str]]) -> None:
    """A value keeps its equals signs and quotes, and what has none is a value without a name."""
    assert read_cookie_pairs(header) == pairs


def test_set_cookie_without_attributes_is_for_its_host_and_folder() -> None:
    """Without attributes it is a host's own session cookie for the folder of the page."""
    assert set_by("sid=canary") == Cookie(
        name="sid", value=Secret("canary"), domain=HOST, host_only=True, path="/a", expires=None
    )


def test_set_cookie_attributes_are_read() -> None:
    """Attributes come in any case and order."""
    cookie = set_by(" sid = canary ;DOMAIN=.Wiki.Example; path=/; SECURE; httponly; SameSite=lax; Max-Age=60")

    assert cookie == Cookie(
        name="sid",
        value=Secret("canary"),
        domain="wiki.example",
        host_only=False,
        path="/",
        expires=AT + 60,
        secure=True,
        http_only=True,
        same_site="Lax",
    )


@pytest.mark.parametrize(
    ("attributes", "expires"),
    [
        ("Max-Age=0", 0.0),
        ("Max-Age=-5", 0.0),
        ("Max-Age=soon", None),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", AT + 60),
        ("Expires=Thu, 01 Jan 1970 00:00:07 GMT", 7.0),
        ("Expires=never", None),
        ("Expires=Thu, 01 Jan 1970 00:00:07 GMT; Expires=Thu, 01 Jan 1970 00:00:08 GMT", 8.0),
        (f"Max-Age={'9' * 2000}", None),
    ],
)
def test_set_cookie_expiry_follows_the_rfc(attributes: str, expires: float | None) -> None:
    """Max-Age wins over Expires, the last of two alike wins, and what is none counts for nothing."""
    assert set_by(f"sid=canary; {attributes}").expires == expires


def test_set_cookie_lifetime_from_an_unknown_time_is_a_sessions() -> None:
    """Without a time to count from the cookie lives as long as the browser."""
    assert set_by("sid=canary; Max-Age=60", at=None).expires is None


@pytest.mark.parametrize(
    ("host", "domain", "reason"),
    [
        (HOST, "other.example", "domain of another host"),
        (HOST, "shop.wiki.example", "domain of another host"),
        (HOST, "a b", "domain of another host"),
        ("alice.github.io", "github.io", "public suffix"),
        ("www.wiki.co.uk", "co.uk", "public suffix"),
        ("127.0.0.1", "0.0.1", "domain of another host"),
    ],
)
def test_set_cookie_for_others_is_ignored(host: str, domain: str, reason: str) -> None:
    """No host sets a cookie for a host beside it, or for a public suffix (I17)."""
    assert read_set_cookie(f"sid=canary; Domain={domain}", host=host, path="/", at=AT) == reason


@pytest.mark.parametrize("attribute", ["Domain=", "Domain=.", "Domain", "Domain=github.io"])
def test_set_cookie_of_a_public_suffix_is_its_hosts_own(attribute: str) -> None:
    """An empty domain is none, and a suffix that is the host itself gets a cookie for itself."""
    cookie = set_by(f"sid=canary; {attribute}", host="github.io")

    assert (cookie.domain, cookie.host_only) == ("github.io", True)


def test_set_cookie_that_is_partitioned_says_so() -> None:
    """A partitioned cookie is not taken for one that goes everywhere."""
    assert set_by("sid=canary; Secure; Partitioned").partition_key == "https://wiki.example"


def test_set_cookie_without_equals_sign_has_no_name() -> None:
    """What has no equals sign is the value (RFC 6265bis, 5.6)."""
    cookie = set_by("canary; Path=relative")

    assert (cookie.name, cookie.value.reveal(), cookie.path) == ("", "canary", "/a")


@pytest.mark.parametrize(("path", "default"), [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("", "/")])
def test_default_path_is_the_folder(path: str, default: str) -> None:
    """The page's own name is cut off (RFC 6265bis, 5.1.4)."""
    assert default_path(path) == default


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thursday, 01-Jan-70 00:00:05 GMT", 5.0),
        ("Thu Jan  1 00:00:05 1970", 5.0),
        ("1 January 1970 0:0:5", 5.0),
        ("01-jan-2070 00:00:00", 3155760000.0),
        ("Wed, 02 Oct 2069 00:00:00 GMT", 3147897600.0),
        ("01 Jan 69 00:00:00", 3124224000.0),
    ],
)
def test_cookie_date_is_read_in_any_order(text: str, seconds: float) -> None:
    """Names of days and zones are passed over; two digits of a year mean 1970 to 2069."""
    assert read_cookie_date(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "01 Jan 1970",
        "00:00:00 Jan 1970",
        "01 1970 00:00:00",
        "30 Feb 1999 00:00:00",
        "1 Jan 1600 0:0:0",
        "1 \u017fep 2026 0:0:0",  # a long s, which is an s where letters have no case
    ],
)
def test_cookie_date_that_is_none_is_none(text: str) -> None:
    """A missing part, a day that no month has, a year before 1601 and other letters than ASCII's make no date."""
    assert read_cookie_date(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:00:07Z", 7.0), ("1970-01-01T01:00:07.5+01:00", 7.5), ("1970-01-01", 0.0), ("7", None), ("", None)],
)
def test_moment_without_zone_is_utc(text: str, seconds: float | None) -> None:
    """A moment is read with its zone, else in UTC; what is none is None."""
    assert read_moment(text) == seconds
