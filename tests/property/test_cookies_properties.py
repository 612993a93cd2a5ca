"""What holds for every cookie: it goes to no host outside the sites, and every text is understood or refused."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from bequest.engine.cookies import MAX_AGE_S, Cookie, admit, domain_matches, from_playwright, to_playwright
from bequest.engine.credentials import covers
from bequest.engine.hosts import is_public_suffix
from bequest.engine.secret import Secret
from bequest.engine.session_files import read_session

NOW = 1_000_000.0
HOSTS = st.sampled_from(  # canonical, as cookies and sites hold them
    [
        "example.com",
        "www.example.com",
        "a.www.example.com",
        "shop.example.com",
        "evilexample.com",
        "co.uk",
        "wiki.co.uk",
        "com",
        "github.io",
        "alice.github.io",
        "localhost",
        "www.localhost",
        "10.0.0.1",
        "10.0.0.2",
        "::1",
    ]
)
SITES = st.lists(HOSTS.filter(lambda host: not is_public_suffix(host)), max_size=3)
NAMES = st.sampled_from(["sid", "__Host-sid", "__Secure-sid", "", "a=b"]) | st.text(max_size=5)
COOKIES = st.builds(
    Cookie,
    name=NAMES,
    value=st.builds(Secret, st.text(max_size=8)),
    domain=HOSTS,
    host_only=st.booleans(),
    path=st.sampled_from(["/", "/a", "a", "/\ud800"]),
    expires=st.none() | st.sampled_from([0.0, NOW, NOW + 1, NOW + 2 * MAX_AGE_S]),
    secure=st.booleans(),
    http_only=st.booleans(),
    same_site=st.sampled_from([None, "Strict", "Lax", "None"]),
    partition_key=st.none() | st.just("https://news.example"),
)
WIDE = Cookie(name="sid", value=Secret("v"), domain="example.com", host_only=False)


def reaches(cookie: Cookie, host: str) -> bool:
    """Say as RFC 6265bis, 5.8.3, whether a browser sends *cookie* to *host*."""
    return host == cookie.domain if cookie.host_only else domain_matches(host, cookie.domain)


@given(st.lists(COOKIES, max_size=4), SITES, HOSTS)
@example([WIDE], ["www.example.com"], "shop.example.com")
def test_admitted_cookies_reach_no_host_outside_the_sites(cookies: list[Cookie], sites: list[str], host: str) -> None:
    """Whatever a session holds, a browser sends nothing of it to a host that the sites do not cover (I17)."""
    kept = admit(cookies, sites=sites, now=NOW).kept

    assert covers(sites, host) or not any(reaches(cookie, host) for cookie in kept)


@given(COOKIES, SITES, HOSTS)
@example(WIDE, ["www.example.com"], "a.www.example.com")
def test_admitted_cookies_still_reach_the_sites(cookie: Cookie, sites: list[str], host: str) -> None:
    """Narrowing takes nothing away within the sites: a host there that the cookie reached it still reaches."""
    admission = admit([cookie], sites=sites, now=NOW)

    if admission.kept and covers(sites, host) and reaches(cookie, host):
        assert any(reaches(one, host) for one in admission.kept)


@given(st.lists(COOKIES, max_size=6), SITES)
def test_admit_accounts_for_every_cookie(cookies: list[Cookie], sites: list[str]) -> None:
    """Each cookie is kept under its name or skipped under it, none in silence, and no two kept are alike."""
    admission = admit(cookies, sites=sites, now=NOW)

    names = {one.name for one in admission.kept} | {name for name, _ in admission.skipped}
    places = [(one.name, one.domain, one.host_only, one.path) for one in admission.kept]

    assert names == {cookie.name for cookie in cookies}
    assert len(places) == len(set(places))


@given(st.lists(COOKIES, max_size=4), SITES)
def test_admit_changes_nothing_of_what_it_admitted(cookies: list[Cookie], sites: list[str]) -> None:
    """What was kept once is kept again, unchanged."""
    kept = admit(cookies, sites=sites, now=NOW).kept

    again = admit(kept, sites=sites, now=NOW)

    assert again.kept == kept
    assert again.skipped == ()


@given(COOKIES, SITES)
def test_playwright_spelling_is_read_back(cookie: Cookie, sites: list[str]) -> None:
    """A cookie that may be used is the same after the way to the browser's spelling and back, within 400 days."""
    for kept in admit([cookie], sites=sites, now=NOW).kept:
        again = from_playwright(to_playwright(kept, now=NOW))

        assert again == kept or (kept.expires is not None and again.expires == NOW + MAX_AGE_S < kept.expires)


@given(COOKIES, SITES)
def test_storage_state_is_read_as_it_was_written(cookie: Cookie, sites: list[str]) -> None:
    """What a browser writes as its ``storage_state`` is read as the browser meant it."""
    for kept in admit([cookie], sites=sites, now=NOW).kept:
        spelled = to_playwright(kept, now=NOW)
        text = json.dumps({"cookies": [spelled], "origins": []})

        assert read_session(text, source="f").cookies == (from_playwright(spelled),)
