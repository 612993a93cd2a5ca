"""What holds for every session file: it is read as it was written, or refused without a word of what is in it."""

from __future__ import annotations

import json
import shlex
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from bequest.engine.cookies import Cookie, admit, domain_matches
from bequest.engine.credentials import Credential, covers
from bequest.engine.errors import CredentialError, CredentialFormatError
from bequest.engine.secret import Secret
from bequest.engine.session_files import read_session
from bequest.engine.sessions import OriginStorage, Session

NOW = 1_000_000.0
HOSTS = ["wiki.example", "www.wiki.example", "shop.example", "xn--bcher-kva.example", "10.0.0.1", "localhost"]
CANARY = "canary"

NAMES = st.text("abcXYZ-_.09", min_size=1, max_size=6)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp"), exclude_characters=';"\\,'))
VALUES = TEXTS.filter(lambda text: len(text) < 20)
COOKIES = st.builds(
    Cookie,
    name=NAMES,
    value=st.builds(Secret, VALUES),
    domain=st.sampled_from(HOSTS),
    host_only=st.booleans(),
    path=st.sampled_from(["/", "/a", "/a/b/"]),
    expires=st.none() | st.integers(1, 4_000_000_000).map(float),
    secure=st.booleans(),
    http_only=st.booleans(),
    same_site=st.sampled_from([None, "Strict", "Lax", "None"]),
)
LISTS = st.lists(COOKIES, min_size=1, max_size=4).map(tuple)
STORAGES = st.lists(
    st.builds(
        OriginStorage,
        origin=st.sampled_from(["https://wiki.example", "http://10.0.0.1:8080", "https://[::1]"]),
        local=st.dictionaries(st.text(max_size=4), st.builds(Secret, st.text(max_size=8)), min_size=1, max_size=3),
        indexed_db=st.none() | st.just(Secret('[{"name":"db"}]')),
    ),
    max_size=2,
    unique_by=lambda one: one.origin,
).map(tuple)


def spelled_domain(cookie: Cookie) -> str:
    return cookie.domain if cookie.host_only else f".{cookie.domain}"


def as_cookies_txt(cookies: tuple[Cookie, ...]) -> str:
    flags = {True: "TRUE", False: "FALSE"}
    return "".join(
        "#HttpOnly_" * one.http_only
        + "\t".join(
            (
                spelled_domain(one),
                flags[not one.host_only],
                one.path,
                flags[one.secure],
                f"{one.expires or 0:.0f}",
                one.name,
                one.value.reveal(),
            )
        )
        + "\n"
        for one in cookies
    )


def as_extension(cookie: Cookie) -> dict[str, Any]:  # Any: JSON
    same_site = {None: "unspecified", "None": "no_restriction", "Lax": "lax", "Strict": "strict"}
    spelled = {
        "name": cookie.name,
        "value": cookie.value.reveal(),
        "domain": spelled_domain(cookie),
        "hostOnly": cookie.host_only,
        "path": cookie.path,
        "secure": cookie.secure,
        "httpOnly": cookie.http_only,
        "session": cookie.expires is None,
        "sameSite": same_site[cookie.same_site],
        "storeId": "0",
    }
    return spelled if cookie.expires is None else {**spelled, "expirationDate": cookie.expires}


def as_playwright(cookie: Cookie) -> dict[str, Any]:  # Any: JSON
    spelled = {
        "name": cookie.name,
        "value": cookie.value.reveal(),
        "domain": spelled_domain(cookie),
        "path": cookie.path,
        "expires": -1 if cookie.expires is None else cookie.expires,
        "httpOnly": cookie.http_only,
        "secure": cookie.secure,
    }
    return spelled if cookie.same_site is None else {**spelled, "sameSite": cookie.same_site}


def as_state(cookies: tuple[Cookie, ...], storages: tuple[OriginStorage, ...]) -> str:
    origins = [
        {
            "origin": one.origin,
            "localStorage": [{"name": name, "value": text.reveal()} for name, text in one.local.items()],
            **({} if one.indexed_db is None else {"indexedDB": json.loads(one.indexed_db.reveal())}),
        }
        for one in storages
    ]
    return json.dumps({"cookies": list(map(as_playwright, cookies)), "origins": origins})


@given(LISTS)
def test_cookies_txt_is_read_as_it_was_written(cookies: tuple[Cookie, ...]) -> None:
    """All that the format knows of a cookie is read back; SameSite it does not know."""
    read = read_session(as_cookies_txt(cookies).encode(), source="f").cookies

    assert as_cookies_txt(read) == as_cookies_txt(cookies)
    assert all(one.same_site is None for one in read)


@given(LISTS)
def test_extension_json_is_read_as_it_was_written(cookies: tuple[Cookie, ...]) -> None:
    """Nothing of a cookie is lost on its way through an extension, in a list or in a payload."""
    items = list(map(as_extension, cookies))
    payload = {"cookies": items, "tokens": {}, "userAgent": "x", "baseUrl": "https://wiki.example/", "timestamp": 1}

    assert read_session(json.dumps(items), source="f").cookies == cookies
    assert read_session(json.dumps(payload), source="f").cookies == cookies


@given(LISTS, STORAGES)
def test_storage_state_is_read_as_it_was_written(
    cookies: tuple[Cookie, ...], storages: tuple[OriginStorage, ...]
) -> None:
    """Cookies and what scripts stored come back as they were."""
    reading = read_session(as_state(cookies, storages), source="f")

    assert (reading.cookies, reading.storages) == (cookies, storages)


PAIRS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)


@given(PAIRS)
def test_cookie_header_is_read_as_it_was_sent(pairs: dict[str, str]) -> None:
    """A header, a curl command that quotes it, and a HAR that recorded it hold the same names and values."""
    header = "; ".join(f"{name}={text}" for name, text in pairs.items())
    curl = f"curl {shlex.quote('https://wiki.example/')} -H {shlex.quote(f'Cookie: {header}')}"
    request = {"url": "https://wiki.example/", "headers": [{"name": "cookie", "value": header}]}
    har = json.dumps({"log": {"entries": [{"request": request}]}})

    for text in (f"Cookie: {header}", curl, har):
        reading = read_session(text, source="f", sites=["wiki.example"])

        assert {one.name: one.value.reveal() for one in reading.cookies} == pairs


ATTRIBUTES = st.sampled_from(["", "; Domain=wiki.example", "; Domain=example", "; Domain=shop.example", "; Max-Age=9"])
EXCHANGES = st.lists(
    st.builds(
        lambda host, attributes, second: {
            "startedDateTime": f"2026-01-01T00:00:0{second}Z",
            "request": {
                "url": f"https://{host}/",
                "headers": [{"name": "Authorization", "value": f"Bearer {host}"}, {"name": "Cookie", "value": "a=1"}],
            },
            "response": {"headers": [{"name": "Set-Cookie", "value": f"sid=1{attributes}"}]},
        },
        st.sampled_from(HOSTS),
        ATTRIBUTES,
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=6,
)


@given(EXCHANGES, st.sampled_from(HOSTS), st.sampled_from(HOSTS))
def test_nothing_of_a_har_reaches_a_host_outside_the_sites(
    entries: list[dict[str, Any]],
    site: str,
    host: str,  # Any: JSON
) -> None:
    """Whatever a recording holds, neither cookie nor header of it is for a host outside the sites (I17)."""
    text = json.dumps({"log": {"entries": entries}})
    credential = Credential.from_text(text, auth_id="wiki", sites=[site])
    admission = credential.examined(NOW)

    reaching = [one for one in admission.cookies if host == one.domain or domain_matches(host, one.domain)]
    assert covers([site], host) or not any(not one.host_only or one.domain == host for one in reaching)
    assert all(one.origin == f"https://{site}" or one.origin.endswith(f".{site}") for one in credential.headers)


KEYS = st.sampled_from(
    [
        *("cookies", "name", "value", "path", "origins", "origin", "localStorage", "indexedDB", "log", "entries"),
        *("request", "response", "headers", "url", "tokens", "baseUrl", "timestamp", "domain"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(CANARY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            KEYS,
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
OPTIONAL = ("path", "expires", "expirationDate", "session", "sameSite", "secure", "partitionKey", "hostOnly")
ITEMS = st.fixed_dictionaries(
    {"name": st.just("sid"), "value": st.just(CANARY), "domain": st.sampled_from(HOSTS) | st.text(max_size=5)},
    optional={key: JSON for key in OPTIONAL},
)
HEADERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["Cookie", "set-cookie", "Authorization"]), "value": st.text()}),
    max_size=3,
)
ENTRIES = st.fixed_dictionaries(
    {
        "request": st.fixed_dictionaries({"url": st.sampled_from(["https://wiki.example/a", "x"]) | st.text()}),
        "response": st.fixed_dictionaries({"headers": HEADERS}),
        "startedDateTime": st.sampled_from(["2026-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"]) | st.text(max_size=4),
    }
)
PAYLOADS = st.fixed_dictionaries(
    {"baseUrl": st.just("https://wiki.example") | JSON, "tokens": JSON, "cookies": st.lists(ITEMS, max_size=2) | JSON},
    optional={"timestamp": JSON, "userAgent": JSON},
)
FIELDS = st.sampled_from(["wiki.example", ".", "TRUE", "FALSE", "0", "/", "", "1e999", "#HttpOnly_", "[::1]"])
LINES = st.lists(FIELDS | st.text(max_size=4), max_size=9).map("\t".join)
WORDS = st.sampled_from(
    [
        "-H",
        "-b",
        "-u",
        "--url",
        "https://wiki.example/",
        "'Cookie: a=1'",
        "$'a\\x41",
        '"a\\"b"',
        "^",
        '^"',
        "\\\n",
        "a:b",
    ]
)
COMMANDS = st.lists(WORDS | st.text(max_size=6), max_size=6).map(lambda words: f"curl {' '.join(words)}")
BLOCKS = st.lists(
    st.sampled_from(["Host: wiki.example", "Cookie: a=1", "GET / HTTP/1.1", "Authorization: x"]) | st.text(max_size=9),
    max_size=4,
).map("\n".join)
CONTENTS: st.SearchStrategy[str | bytes] = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40),
    st.text(st.characters(), max_size=20),  # halves of characters too
    st.lists(LINES, max_size=3).map("\n".join),
    COMMANDS,
    BLOCKS,
    JSON.map(json.dumps),
    st.lists(ITEMS, min_size=1, max_size=2).map(json.dumps),
    st.lists(ENTRIES, max_size=3).map(lambda entries: json.dumps({"log": {"entries": entries}})),
    PAYLOADS.map(json.dumps),
)


@given(CONTENTS, st.sampled_from([(), ("wiki.example",)]))
@example("curl https://wiki.example/ -u a:\ud800", ())
@example('["\ud800"]', ())
def test_session_files_raise_nothing_but_format_errors(content: str | bytes, sites: tuple[str, ...]) -> None:
    """Every content is a session that ``admit`` can judge, or refused by an error that names its source."""
    try:
        reading = read_session(content, source="f", sites=sites)
    except CredentialFormatError as error:
        assert str(error).startswith(("f", "asked to read a session from f"))  # noqa: PT017
        assert error.__cause__ is None  # noqa: PT017 - it could hold the content
    else:
        assert isinstance(reading, Session)
        assert not reading.is_empty or reading.skipped
        admit(reading.cookies, sites=["wiki.example"], now=NOW)


SPOILED = st.sampled_from(
    [
        f"wiki.example\tTRUE\t/\tFALSE\t0\tsid\t{CANARY}",
        json.dumps([{"name": "sid", "value": CANARY, "domain": "wiki.example", "secure": True}]),
        json.dumps({"cookies": [], "origins": [{"origin": "https://wiki.example", "localStorage": [[CANARY]]}]}),
        f"curl 'https://wiki.example/' -H 'Cookie: sid={CANARY}' -u 'ada:{CANARY}'",
        f"Host: wiki.example\nCookie: sid={CANARY}\n{CANARY}",
        json.dumps({"log": {"entries": [{"request": {"url": "https://wiki.example/", "headers": [CANARY]}}]}}),
        json.dumps({"baseUrl": "https://wiki.example", "tokens": [{"name": "token", "value": CANARY}]}),
    ]
)


@given(SPOILED, st.integers(0, 200), st.text(max_size=3), st.integers(0, 3))
def test_session_error_never_shows_the_value(text: str, at: int, added: str, removed: int) -> None:
    """However a file is spoiled, what is said of it does not hold the value (I16)."""
    spoiled = text[:at] + added + text[at + removed :]

    try:
        Credential.from_text(spoiled, auth_id="wiki")
    except CredentialError as error:
        assert CANARY not in f"{error!r} {error.__cause__!r}"  # noqa: PT017
