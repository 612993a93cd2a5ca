"""A recording is played to its end: the last writer wins, and what is not of the sites is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from bequest.engine.errors import CredentialFormatError
from bequest.engine.session_files import read_session
from bequest.engine.session_reading import Reading
from bequest.engine.sessions import Skipped

WIKI = "https://wiki.example/"


def entry(
    second: int | None,
    url: str = WIKI,
    *,
    sent: Sequence[tuple[str, str]] = (),
    got: Sequence[tuple[str, str]] = (),
    kind: str | None = "document",
    **parts: Any,  # Any: JSON
) -> dict[str, Any]:  # Any: JSON
    """Return one exchange of a HAR; *parts* go to the response."""
    return {
        "startedDateTime": "" if second is None else f"2026-01-01T00:00:{second:02}Z",
        "_resourceType": kind,
        "request": {"method": "GET", "url": url, "headers": [{"name": name, "value": text} for name, text in sent]},
        "response": {"status": 200, "headers": [{"name": name, "value": text} for name, text in got], **parts},
    }


def har_of(*entries: Any) -> str:  # Any: JSON
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": entries}})


def read(*entries: Any, sites: Sequence[str] = ()) -> Reading:  # Any: JSON
    return read_session(har_of(*entries), source="f", sites=sites)


def values_of(reading: Reading) -> dict[str, str]:
    return {cookie.name: cookie.value.reveal() for cookie in reading.cookies}


def test_har_last_writer_wins_by_time() -> None:
    """Entries are played in the order of their time, whatever order they lie in; one without a time keeps its place."""
    reading = read(
        entry(3, got=[("Set-Cookie", "sid=3; Path=/")]),
        entry(1, got=[("Set-Cookie", "sid=1; Path=/; HttpOnly")]),
        entry(None, got=[("Set-Cookie", "b=1; Path=/")]),
        entry(2, got=[("set-cookie", "sid=2; Path=/\nb=2; Path=/")]),
    )

    assert values_of(reading) == {"sid": "3", "b": "2"}
    assert reading.captured_at == 1767225603.0


def test_har_set_cookie_tells_more_than_a_request() -> None:
    """A request shows that there is a cookie; what the response says of it, before or after, is what counts."""
    wide = ("Set-Cookie", "sid=1; Domain=wiki.example; Path=/; Secure; Max-Age=60")
    sent = ("Cookie", "sid=1")

    before = read(entry(1, got=[wide]), entry(2, sent=[sent]))
    after = read(entry(1, "https://www.wiki.example/", sent=[sent]), entry(2, got=[wide]))

    assert [(one.domain, one.host_only, one.secure, one.expires) for one in before.cookies] == [
        ("wiki.example", False, True, 1767225661.0)
    ]
    assert [(one.domain, one.host_only) for one in after.cookies] == [("wiki.example", False)]


def test_har_cookie_that_a_script_changed_has_the_value_that_was_sent() -> None:
    """A script writes cookies too; its last value is in the next request, and its attributes are the known ones."""
    reading = read(
        entry(1, got=[("Set-Cookie", "sid=1; Path=/; Max-Age=60"), ("Set-Cookie", "sid=x; Path=/a/")]),
        entry(2, f"{WIKI}a/b", sent=[("Cookie", "sid=2; made=3")]),
        entry(3, f"{WIKI}other", sent=[("Cookie", "sid=1; made=4")]),
    )

    assert [(one.name, one.path, one.value.reveal()) for one in reading.cookies] == [
        ("sid", "/", "1"),
        ("sid", "/a/", "2"),
        ("made", "/", "4"),
    ]


@pytest.mark.parametrize("ending", ["Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_har_cookie_that_was_taken_away_is_gone(ending: str) -> None:
    """A logout within the recording ends the cookie."""
    reading = read(
        entry(1, got=[("Set-Cookie", "sid=1; Path=/"), ("Set-Cookie", "b=1; Path=/")]),
        entry(2, sent=[("Cookie", "old=1")], got=[("Set-Cookie", f"sid=; Path=/; {ending}")]),
        entry(3, got=[("Set-Cookie", f"old=; Path=/a; {ending}")]),
    )

    assert values_of(reading) == {"b": "1"}


def test_har_cookie_of_another_place_is_another_cookie() -> None:
    """Neither another host's cookie nor a guess on another host is changed by one of the same name."""
    reading = read(
        entry(1, sent=[("Cookie", "sid=1")]),
        entry(2, "https://shop.wiki.example/", got=[("Set-Cookie", "sid=2")]),
        entry(3, "https://www.wiki.example/", sent=[("Cookie", "sid=3")]),
    )

    assert {one.domain: one.value.reveal() for one in reading.cookies} == {
        "wiki.example": "1",
        "shop.wiki.example": "2",
        "www.wiki.example": "3",
    }


def test_har_is_read_for_the_site_of_its_first_document() -> None:
    """Without sites the first page says the site; cookies and headers of other hosts are left out and named."""
    reading = read(
        entry(0, "https://cdn.example/a.js", kind="script", got=[("Set-Cookie", "cdn=canary")]),
        entry(1, "https://www.wiki.example/", got=[("Set-Cookie", "sid=1")]),
        entry(2, "https://ads.example/", got=[("Set-Cookie", "ad=canary"), ("Set-Cookie", "more=canary")]),
        entry(3, "https://api.example/", sent=[("Authorization", "Bearer canary"), ("User-Agent", "Other/1")]),
        entry(4, "https://api.example/", sent=[("Authorization", "Bearer canary")]),
        entry(5, "data:text/plain,canary"),
    )

    assert (reading.sites, values_of(reading), reading.user_agent) == (("wiki.example",), {"sid": "1"}, None)
    assert [(one.kind, one.name) for one in reading.skipped] == [
        ("host", "api.example"),
        ("host", "ads.example"),
        ("host", "cdn.example"),
    ]
    assert {one.reason for one in reading.skipped} == {"outside the session's sites"}


@pytest.mark.parametrize("mime_type", ["text/html; charset=utf-8", "TEXT/HTML"])
def test_har_of_firefox_has_its_first_document_by_type(mime_type: str) -> None:
    """Where no kind is written, what is HTML is a document, and without any the first request is one."""
    script = entry(0, "https://cdn.example/a.js", kind=None, got=[("Set-Cookie", "cdn=1")])
    page = entry(1, kind=None, got=[("Set-Cookie", "sid=1")], content={"mimeType": mime_type})

    assert read(script, page).sites == ("wiki.example",)
    assert read(script, entry(1, kind="xhr", got=[("Set-Cookie", "sid=1")])).sites == ("cdn.example",)


def test_har_is_read_for_the_sites_that_are_given() -> None:
    """With sites the first page does not matter; a cookie of the parent domain that reaches them is kept."""
    reading = read(
        entry(1, got=[("Set-Cookie", "own=1"), ("Set-Cookie", "wide=1; Domain=wiki.example")]),
        entry(2, "https://api.example/", sent=[("Authorization", "Bearer a"), ("User-Agent", "Mine/1")]),
        entry(3, "https://api.example/", sent=[("authorization", "Bearer b"), ("User-Agent", "Mine/2")]),
        sites=["www.wiki.example", "api.example"],
    )

    assert values_of(reading) == {"wide": "1"}
    assert [(one.origin, one.value.reveal()) for one in reading.headers] == [("https://api.example", "Bearer b")]
    assert reading.user_agent == "Mine/2"
    assert reading.skipped == (Skipped(kind="host", name="wiki.example", reason="outside the session's sites"),)


def test_har_header_that_is_no_use_is_skipped() -> None:
    """What was made for one request, and what no header holds, is named once."""
    reading = read(
        entry(1, sent=[("Authorization", "Digest canary"), ("Cookie", "sid=1"), ("X-Api-Key", "\u20ac canary")]),
        entry(2, sent=[("Authorization", "Digest canary"), ("Authorization", "")]),
    )

    assert [(one.name, one.reason) for one in reading.skipped] == [
        ("Authorization", "made for one request"),
        ("X-Api-Key", "characters that a header cannot have"),
    ]


def test_har_cookie_that_a_browser_ignored_is_skipped() -> None:
    """A response cannot set a cookie for another host (I17)."""
    reading = read(entry(1, got=[("Set-Cookie", "sid=1"), ("Set-Cookie", " evil =canary; Domain=bank.example")]))

    assert values_of(reading) == {"sid": "1"}
    assert reading.skipped == (Skipped(kind="cookie", name="evil", reason="domain of another host"),)


def test_har_without_headers_is_read_by_its_lists_of_cookies() -> None:
    """Where a recorder writes cookies as objects alone, these are read."""
    sent = {
        **entry(1),
        "request": {"url": WIKI, "cookies": [{"name": "a", "value": "1"}, {"name": "b", "value": None}]},
    }
    cookie = {
        "name": "sid",
        "value": "1",
        "domain": ".wiki.example",
        "path": "/",
        "expires": "2026-01-02T00:00:00Z",
        "httpOnly": True,
        "secure": True,
        "sameSite": "Lax",
    }
    got = entry(2, cookies=[cookie, {"name": "bad", "value": "a;b"}, {"name": "far", "domain": "other.example"}])

    reading = read(sent, got)

    sid = reading.cookies[-1]
    assert values_of(reading) == {"a": "1", "b": "", "sid": "1"}
    assert (sid.domain, sid.host_only, sid.path, sid.expires) == ("wiki.example", False, "/", 1767312000.0)
    assert (sid.http_only, sid.secure, sid.same_site) == (True, True, "Lax")
    assert [(one.name, one.reason) for one in reading.skipped] == [
        ("bad", "bad value"),
        ("far", "domain of another host"),
    ]


@pytest.mark.parametrize("entries", [[], [entry(1)], [entry(1, sent=[("Accept", "canary")])]])
def test_har_that_was_cleaned_says_how_to_export_it(entries: list[Any]) -> None:  # Any: JSON
    """Browsers take cookies out of a HAR unless told, and the error says so."""
    with pytest.raises(CredentialFormatError, match=rf"none in {len(entries)} requests; .* with sensitive data"):
        read(*entries)


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        ("canary", "log.entries"),
        (["canary"], r"log.entries\[0\]"),
        ([{**entry(1), "request": {"url": ["canary"]}}], r"log.entries\[0\].request.url"),
        ([{"canary": 1}], r"log.entries\[0\]"),
    ],
)
def test_har_that_breaks_its_format_names_the_place(entries: Any, place: str) -> None:  # Any: JSON
    """The keys that lead to what is wrong are named, and nothing else is shown (I16)."""
    with pytest.raises(CredentialFormatError, match=place) as caught:
        read_session(json.dumps({"log": {"entries": entries}}), source="f")

    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_har_keeps_of_one_name_what_a_browser_would() -> None:
    """Of more cookies of a site and a name than a browser keeps the oldest are left out, and said to be."""
    lines = "\n".join(f"sid={number}; Path=/{number}" for number in range(182))
    other = entry(1, "https://shop.example/", got=[("Set-Cookie", "sid=x")])

    reading = read_session(har_of(other, entry(2, got=[("Set-Cookie", lines)])), source="f", sites=["wiki.example"])

    assert [one.path for one in reading.cookies] == [f"/{number}" for number in range(2, 182)]
    assert Skipped(kind="cookie", name="sid", reason="more than a browser keeps") in reading.skipped
    assert Skipped(kind="host", name="shop.example", reason="outside the session's sites") in reading.skipped
