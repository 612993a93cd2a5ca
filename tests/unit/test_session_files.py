"""Reading sessions from files, whatever they come as."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bequest.engine.cookies import Cookie
from bequest.engine.errors import CredentialFormatError
from bequest.engine.secret import Secret
from bequest.engine.session_files import read_session

MAGIC = "# Netscape HTTP Cookie File\n# https://curl.se/docs/http-cookies.html\n\n"
LINE = ".wiki.example\tTRUE\t/app\tTRUE\t1900000000\tsid\tcanary"
SID = Cookie(
    name="sid",
    value=Secret("canary"),
    domain="wiki.example",
    host_only=False,
    path="/app",
    expires=1_900_000_000.0,
    secure=True,
)
STATE = {
    "name": "sid",
    "value": "canary",
    "domain": ".wiki.example",
    "path": "/app",
    "expires": 1_900_000_000,
    "httpOnly": False,
    "secure": True,
}
EXTENSION = {
    "name": "sid",
    "value": "canary",
    "domain": ".wiki.example",
    "hostOnly": False,
    "path": "/app",
    "expirationDate": 1_900_000_000.0,
    "secure": True,
    "session": False,
    "sameSite": "unspecified",
    "storeId": "0",
}


def read_one(text: str) -> Cookie:
    (cookie,) = read_session(text, source="cookies.txt").cookies
    return cookie


def state_of(**changes: Any) -> str:  # Any: JSON
    return json.dumps({"cookies": [{**STATE, **changes}], "origins": []})


def extension_of(**changes: Any) -> str:  # Any: JSON
    return json.dumps([{**EXTENSION, **changes}])


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"{MAGIC}{LINE}\n",
        f"\ufeff{MAGIC}{LINE}\n",
        f"{MAGIC}{LINE}\n".replace("\n", "\r\n"),
        LINE.replace("\t", " "),
        LINE.replace("\t", "   "),
        f"# a comment\n\n   \n{LINE}\n\n",
        json.dumps({"cookies": [STATE], "origins": []}),
        "\ufeff \r\n" + json.dumps({"cookies": [STATE], "origins": []}),
        json.dumps([STATE]),
        json.dumps([EXTENSION]),
        json.dumps({"url": "https://wiki.example", "cookies": [EXTENSION]}),
    ],
)
def test_session_is_the_same_in_every_format(text: str) -> None:
    """One cookie is read alike from all formats and their variants."""
    assert read_one(text) == SID


def test_cookies_txt_knows_http_only() -> None:
    """A line that begins with #HttpOnly_ is a cookie and no comment."""
    cookie = read_one(f"#HttpOnly_{LINE}")

    assert cookie.http_only
    assert cookie.domain == "wiki.example"


@pytest.mark.parametrize(
    ("domain", "flag", "host_only"),
    [
        ("wiki.example", "FALSE", True),
        ("wiki.example", "TRUE", False),
        (".wiki.example", "FALSE", False),
        (".wiki.example", "true", False),
    ],
)
def test_cookies_txt_tells_host_only_by_flag_and_dot(domain: str, flag: str, host_only: bool) -> None:
    """A cookie is for one host when neither the flag nor a dot says that it has subdomains."""
    cookie = read_one(f"{domain}\t{flag}\t/\tFALSE\t0\tsid\tcanary")

    assert cookie.host_only is host_only


@pytest.mark.parametrize(("expiry", "expires"), [("0", None), ("1", 1.0), ("1900000000.5", 1_900_000_000.5)])
def test_cookies_txt_writes_session_cookies_with_expiry_0(expiry: str, expires: float | None) -> None:
    """0 is a session cookie; a time that has passed stays one that has passed."""
    cookie = read_one(f"wiki.example\tFALSE\t/\tFALSE\t{expiry}\tsid\tcanary")

    assert cookie.expires == expires


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("\tcan ary", "can ary"),
        ("\tcanary=1=", "canary=1="),
        ("\t canary ", "canary"),
        ("\t", ""),
        ("", ""),
        ("\ta\x85b\u2028c\x0cd", "a\x85b\u2028c\x0cd"),
        ("\ta\tb", "a\tb"),
    ],
)
def test_cookies_txt_keeps_the_value_whole(written: str, value: str) -> None:
    """What is in a value is kept, but not the white space around it; one that is missing is empty."""
    cookie = read_one(f"wiki.example\tFALSE\t/\tFALSE\t0\tsid{written}")

    assert cookie.value.reveal() == value


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("WIKI.Example", "wiki.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("wiki.example.", "wiki.example"),
        ("[::1]", "::1"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_session_domain_is_canonical(domain: str, host: str) -> None:
    """A domain is read as a browser reads a host, or the sites of a credential would not match it."""
    assert read_one(extension_of(domain=domain, hostOnly=True)).domain == host
    assert read_one(state_of(domain=domain)).domain == host


@pytest.mark.parametrize(
    ("found", "same_site"),
    [
        ("no_restriction", "None"),
        ("lax", "Lax"),
        ("strict", "Strict"),
        ("None", "None"),
        ("Strict", "Strict"),
        ("unspecified", None),
        ("", None),
        (None, None),
    ],
)
def test_json_same_site_is_the_browsers_word(found: str | None, same_site: str | None) -> None:
    """An extension's words are turned into the three that exist; unspecified is left out."""
    assert read_one(extension_of(sameSite=found)).same_site == same_site


def test_extension_without_flags_is_read_by_its_dot() -> None:
    """Where an extension leaves keys out, the defaults hold and the dot tells whether there are subdomains."""
    cookie = read_one(json.dumps([{"name": "sid", "value": "canary", "domain": "wiki.example"}]))

    assert cookie == Cookie(name="sid", value=Secret("canary"), domain="wiki.example", host_only=True)


@pytest.mark.parametrize(
    "text",
    [
        extension_of(session=True),
        extension_of(expirationDate=None),
        state_of(expires=-1),
        state_of(expires=None),
    ],
)
def test_json_session_cookies_have_no_expiry(text: str) -> None:
    """A session cookie is known by its flag, by -1 and by a missing time."""
    assert read_one(text).expires is None


@pytest.mark.parametrize("expires", [0, 5])
@pytest.mark.parametrize("key", ["expires", "expiry", "expirationDate"])
def test_json_expired_cookies_stay_expired(key: str, expires: int) -> None:
    """A cookie that has expired, if at the epoch itself, is not turned into a session cookie."""
    cookie = {name: value for name, value in STATE.items() if name != "expires"}

    assert read_one(json.dumps([{**cookie, key: expires}])).expires == float(expires)
    assert read_one(extension_of(expirationDate=expires)).expires == float(expires)
    assert read_one(state_of(expires=expires)).expires == float(expires)


@pytest.mark.parametrize(
    ("key", "partition_key"),
    [
        ("https://news.example", "https://news.example"),
        ({"topLevelSite": "https://news.example"}, "https://news.example"),
    ],
)
def test_json_partition_is_read(key: object, partition_key: str) -> None:
    """The top-level site of a partitioned cookie is read as a browser and as an extension writes it."""
    assert read_one(extension_of(partitionKey=key)).partition_key == partition_key


@pytest.mark.parametrize("key", [None, {}])
def test_json_partition_may_be_none(key: object) -> None:
    """An empty partition is none."""
    assert read_one(extension_of(partitionKey=key)).partition_key is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{LINE}\ncanary is no cookie\n", "f, line 2"),
        (f"{MAGIC}{LINE}\n{LINE}\r\ncanary\n", "f, line 6"),
        ("<!doctype html>\n<p>canary", "f, line 1"),
        ("wiki.example\tYES\t/\tFALSE\t0\tsid\tcanary", "f, line 1"),
        ("wiki.example\tTRUE\t/\tcanary\t0\tsid\tcanary", "f, line 1"),
        ("wiki.example\tTRUE\t/\tFALSE\tcanary\tsid\tcanary", "f, line 1: its expiry"),
        ("wiki.example\tTRUE\t/\tFALSE\tinf\tsid\tcanary", "f, line 1: its expiry"),
        ("wiki.example\tTRUE\t/\tFALSE\tnan\tsid\tcanary", "f, line 1: its expiry"),
        ("https://canary/\tTRUE\t/\tFALSE\t0\tsid\tcanary", "f, line 1"),
        ("canary:80\tTRUE\t/\tFALSE\t0\tsid\tcanary", "f, line 1"),
        ("", "f: expected cookies.txt"),
        (MAGIC, "f: expected cookies.txt"),
        ("[]", "f: expected cookies.txt"),
        ('{"cookies": [], "origins": []}', "f: expected cookies.txt"),
        ('{"cookies": "canary"}', "f: expected cookies.txt"),
        ('{"log": {"canary": 1}}', "f: expected cookies.txt"),
        ('[{"name": "canary', "f: expected cookies.txt"),
        ('[{"name": "canary\\ud800"}]', "f: expected cookies.txt"),
        ("[" * 100_000, "f: expected cookies.txt"),
        ('["canary"]', "f, cookie 1"),
        (json.dumps([STATE, {**STATE, "value": 1}]), "f, cookie 2: expected a text under 'value'"),
        (json.dumps([{"name": "canary", "value": "canary"}]), "f, cookie 1: expected a text under 'domain'"),
        (extension_of(sameSite="canary"), "f, cookie 1"),
        (extension_of(secure="canary"), "f, cookie 1: expected true or false under 'secure'"),
        (extension_of(hostOnly=1), "f, cookie 1: expected true or false under 'hostOnly'"),
        (extension_of(expirationDate="canary"), "f, cookie 1: its expirationDate"),
        (extension_of(expirationDate=10**400), "f, cookie 1: its expirationDate"),
        (state_of(expires=["canary"]), "f, cookie 1: its expires"),
        (state_of(domain="canary canary"), "f, cookie 1: expected a host"),
    ],
)
def test_session_error_names_the_place_and_quotes_nothing(text: str, place: str) -> None:
    """What cannot be read is named by file and line or index, and nothing of it is shown (I16)."""
    with pytest.raises(CredentialFormatError) as caught:
        read_session(text, source="f")

    assert place in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None or "canary" not in str(caught.value.__cause__)
