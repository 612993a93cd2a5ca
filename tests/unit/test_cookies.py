"""Which cookies may be used, where they go, and how a browser spells them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bequest.engine.cookies import MAX_AGE_S, Cookie, admit, domain_matches, from_playwright, to_playwright
from bequest.engine.secret import Secret

NOW = 1_000_000.0
SITES = ("wiki.example",)
PLAIN = Cookie(name="sid", value=Secret("canary"), domain="wiki.example", host_only=True)


def changed(**changes: Any) -> Cookie:  # Any: the fields are of many types
    return msgspec.structs.replace(PLAIN, **changes)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("wiki.example", "wiki.example"),
        ("a.b.wiki.example", "wiki.example"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("localhost", "localhost"),
    ],
)
def test_domain_matches_itself_and_what_is_under_it(host: str, domain: str) -> None:
    """A host is in a domain that it equals or ends in after a dot."""
    assert domain_matches(host, domain)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("wiki.example", "www.wiki.example"),
        ("evilwiki.example", "wiki.example"),
        ("wiki.example.evil.example", "wiki.example"),
        ("10.0.0.1", "0.0.1"),
        ("10.0.0.1", "1"),
        ("www.localhost", "localhost"),
        ("wiki.example", ""),
    ],
)
def test_domain_matches_no_other_host(host: str, domain: str) -> None:
    """A longer name, a parent, a part of an address and a name under a single label are not in the domain."""
    assert not domain_matches(host, domain)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"expires": NOW}, "expired"),
        ({"expires": 0.0}, "expired"),
        ({"name": "", "value": Secret("")}, "empty"),
        ({"value": Secret("v" * 4094)}, "too large"),
        ({"value": Secret("é" * 2047)}, "too large"),
        ({"value": Secret("a;b")}, "characters that a cookie cannot have"),
        ({"value": Secret("a\x01b")}, "characters that a cookie cannot have"),
        ({"value": Secret("a\tb")}, "characters that a cookie cannot have"),
        ({"value": Secret("a\ud800")}, "characters that a cookie cannot have"),
        ({"value": Secret(" a")}, "characters that a cookie cannot have"),
        ({"name": "a=b"}, "characters that a cookie cannot have"),
        ({"name": "a\r\nb"}, "characters that a cookie cannot have"),
        ({"path": "wiki"}, "bad path"),
        ({"path": ""}, "bad path"),
        ({"path": "/a;b"}, "bad path"),
        ({"path": "/" + "a" * 1024}, "bad path"),
        ({"partition_key": "https://news.example"}, "partitioned"),
        ({"same_site": "None"}, "SameSite=None without Secure"),
        ({"name": "__Secure-sid"}, "__Secure- without Secure"),
        ({"name": "__HOST-sid"}, "__Host- without Secure, for more than one host or not for the path /"),
        (
            {"name": "__Host-sid", "secure": True, "host_only": False},
            "__Host- without Secure, for more than one host or not for the path /",
        ),
        (
            {"name": "__Host-sid", "secure": True, "path": "/a"},
            "__Host- without Secure, for more than one host or not for the path /",
        ),
        ({"name": "", "value": Secret("__Secure-sid")}, "__Secure- without Secure"),
        ({"domain": "shop.example"}, "outside the credential's sites"),
        ({"domain": "evilwiki.example"}, "outside the credential's sites"),
    ],
)
def test_admit_skips_each_fault_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    """What a browser would refuse, drop or send elsewhere is named with one reason and not kept."""
    cookie = changed(**changes)

    admission = admit([cookie], sites=SITES, now=NOW)

    assert admission.kept == ()
    assert admission.skipped == ((cookie.name, reason),)


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": NOW + 1},
        {"value": Secret("v" * 4093)},
        {"value": Secret("")},
        {"name": ""},
        {"name": "sïd", "value": Secret('"é, \\ ☃ a=b')},
        {"path": "/" + "a" * 1023},
        {"same_site": "None", "secure": True},
        {"same_site": "Lax"},
        {"name": "__Secure-sid", "secure": True},
        {"name": "__Host-sid", "secure": True},
        {"domain": "www.wiki.example"},
        {"domain": "www.wiki.example", "host_only": False},
    ],
)
def test_admit_keeps_what_a_browser_takes(changes: dict[str, Any]) -> None:
    """A cookie at the edge of each rule is kept as it is."""
    cookie = changed(**changes)

    admission = admit([cookie], sites=SITES, now=NOW)

    assert admission.kept == (cookie,)
    assert admission.skipped == ()


@pytest.mark.parametrize("suffix", ["com", "co.uk", "github.io"])
def test_admit_skips_a_cookie_for_all_of_a_public_suffix(suffix: str) -> None:
    """A cookie that would go to everybody under a public suffix is not narrowed but skipped."""
    cookie = changed(domain=suffix, host_only=False)

    admission = admit([cookie], sites=(f"alice.{suffix}",), now=NOW)

    assert admission.skipped == (("sid", "public suffix"),)


def test_admit_narrows_a_cookie_of_a_parent_domain_to_each_site() -> None:
    """A cookie of ``.wiki.example`` becomes one of each site under it, so that no sibling gets it (I17)."""
    cookie = changed(host_only=False)

    admission = admit([cookie], sites=("a.wiki.example", "b.wiki.example", "shop.example"), now=NOW)

    assert admission.kept == (
        changed(domain="a.wiki.example", host_only=False),
        changed(domain="b.wiki.example", host_only=False),
    )


def test_admit_skips_a_cookie_of_the_parent_host_alone() -> None:
    """A cookie that a browser sends to the parent host alone never goes to a site under it."""
    admission = admit([PLAIN], sites=("a.wiki.example",), now=NOW)

    assert admission.skipped == (("sid", "outside the credential's sites"),)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_admit_makes_a_cookie_of_a_host_without_subdomains_host_only(host: str) -> None:
    """An address and a single label have no subdomains; a browser stores such a cookie for the host alone."""
    admission = admit([changed(domain=host, host_only=False)], sites=(host,), now=NOW)

    assert admission.kept == (changed(domain=host, host_only=True),)


def test_admit_keeps_the_last_of_two_alike() -> None:
    """Of cookies with one name, domain, path and reach the last wins, and the other is named."""
    first, last = changed(value=Secret("first")), changed(value=Secret("last"))

    admission = admit([first, last], sites=SITES, now=NOW)

    assert admission.kept == (last,)
    assert admission.skipped == (("sid", "repeated"),)


def test_admit_tells_a_host_only_cookie_from_one_for_subdomains() -> None:
    """Cookies that differ in their reach, path or domain are two, as they are in a browser."""
    cookies = [PLAIN, changed(host_only=False), changed(path="/a"), changed(domain="www.wiki.example")]

    admission = admit(cookies, sites=SITES, now=NOW)

    assert admission.kept == tuple(cookies)


def test_admission_shows_no_value() -> None:
    """Neither what is kept nor what is skipped shows the value of a cookie (I16)."""
    admission = admit([PLAIN, changed(expires=1.0)], sites=SITES, now=NOW)

    assert "canary" not in repr(admission)


@pytest.mark.parametrize(
    ("domain", "host_only", "spelled"),
    [
        ("wiki.example", True, "wiki.example"),
        ("wiki.example", False, ".wiki.example"),
        ("::1", True, "[::1]"),
        ("127.0.0.1", True, "127.0.0.1"),
    ],
)
def test_to_playwright_spells_the_domain(domain: str, host_only: bool, spelled: str) -> None:
    """A leading dot means subdomains too, and an IPv6 address has brackets, or the browser refuses it."""
    cookie = to_playwright(changed(domain=domain, host_only=host_only), now=NOW)

    assert cookie["domain"] == spelled


@pytest.mark.parametrize(
    ("expires", "spelled"),
    [(None, -1), (NOW + 60, NOW + 60), (NOW + 2 * MAX_AGE_S, NOW + MAX_AGE_S), (1e300, 35560000)],
)
def test_to_playwright_spells_the_expiry(expires: float | None, spelled: float) -> None:
    """A session cookie expires at -1, and no cookie later than 400 days from now."""
    cookie = to_playwright(changed(expires=expires), now=NOW)

    assert cookie["expires"] == spelled


def test_to_playwright_leaves_an_unknown_same_site_out() -> None:
    """Where SameSite is not known its key is missing, for the browser raises at anything else."""
    assert "sameSite" not in to_playwright(PLAIN, now=NOW)
    assert to_playwright(changed(same_site="Strict"), now=NOW)["sameSite"] == "Strict"


def test_from_playwright_reads_a_partitioned_cookie() -> None:
    """The site under which a cookie was set is kept, so that it is not taken for one without a partition."""
    cookie = from_playwright({**to_playwright(PLAIN, now=NOW), "partitionKey": "https://news.example"})

    assert cookie.partition_key == "https://news.example"


def test_from_playwright_takes_what_is_missing_for_the_default() -> None:
    """A cookie of name, value and domain alone is a session cookie for the path /."""
    assert from_playwright({"name": "sid", "value": "canary", "domain": "WIKI.example"}) == PLAIN
