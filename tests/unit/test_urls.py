"""What a URL means to a crawl."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bequest.engine.errors import DefinitionError, UrlError
from bequest.engine.hosts import same_site
from bequest.engine.urls import (
    Scope,
    UrlScope,
    canonical_url,
    compile_pattern,
    host_of,
    is_logout_url,
    is_page_url,
    route_names,
    url_key,
)

SITE = "https://www.example.com/"


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://WWW.Example.COM", "http://www.example.com/"),
        ("http://example.com/a#part", "http://example.com/a"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:443/a", "http://example.com:443/a"),
        ("http://example.com:/a", "http://example.com/a"),
        ("http://example.com./a", "http://example.com/a"),
        ("http://example.com/a/./b/../c", "http://example.com/a/c"),
        ("http://example.com/%7euser/%c3%a9", "http://example.com/~user/%C3%A9"),
        ("http://example.com/é a", "http://example.com/%C3%A9%20a"),
        ("http://example.com/a\\b", "http://example.com/a/b"),
        ("http://example.com/?b=2&a=1&b=1", "http://example.com/?a=1&b=1&b=2"),
        ("http://example.com/?q=a%20b", "http://example.com/?q=a+b"),
        ("http://example.com/?", "http://example.com/"),
        ("  http://example.com/\n", "http://example.com/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://straße.example/", "http://xn--strae-oqa.example/"),
        ("http://%65xample.com/", "http://example.com/"),
        ("http://example。com/", "http://example.com/"),
        ("http://my_host/", "http://my_host/"),
        ("http://[::0:1]:8080/", "http://[::1]:8080/"),
        ("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ("http://127.1/", "http://127.0.0.1/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.0.0x/", "http://127.0.0.0/"),
        ("http://0177.0.0.1/", "http://127.0.0.1/"),
        ("http://\uff11\uff12\uff17.0.0.1/", "http://127.0.0.1/"),
        ("http://0xg.example/", "http://0xg.example/"),
    ],
)
def test_canonical_url_is_one_spelling(url: str, canonical: str) -> None:
    """URLs that browsers take to one page have one canonical form."""
    assert canonical_url(url) == canonical


def test_canonical_url_keeps_what_makes_another_page() -> None:
    """Scheme, port, path case, trailing slash and parameter values tell pages apart."""
    urls = [
        "http://h/a",
        "https://h/a",
        "http://h:8080/a",
        "http://h/A",
        "http://h/a/",
        "http://h/a?x",
        "http://h/a?x=1",
    ]

    assert len({canonical_url(url) for url in urls}) == len(urls)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/a",
        "//example.com/a",
        "ftp://example.com/",
        "javascript:alert(1)",
        "http://",
        "http:///a",
        "http://?a",
        "http://a..b/",
        "http://a b/",
        "http://a\\b/",
        "http://" + "a" * 64 + "/",
        "http://" + ".".join(["a" * 63] * 4) + "/",
        "http://é" + "a" * 63 + "/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:x/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[v1.a]/",
        "http://[127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://1.2.3.256/",
        "http://256.2.3.4/",
        "http://1.2.3.4.5/",
        "http://1_0.2.3.4/",
        "http://09.1.1.1/",
        "http://example.08/",
        "http://h/?\ud800",
    ],
)
def test_canonical_url_refuses_what_cannot_be_crawled(url: str) -> None:
    """What is no http or https URL, or has a host or port that cannot be read, is an error."""
    with pytest.raises(UrlError):
        canonical_url(url)


@pytest.mark.parametrize("url", ["http://me:hunter2@h/?t=hunter2", "ftp://h/?hunter2", "http://h:hunter2/", "hunter2"])
def test_canonical_url_errors_show_nothing_of_the_url(url: str) -> None:
    """No error quotes a URL, for a password or a token may stand in it."""
    with pytest.raises(UrlError) as caught:
        canonical_url(url)

    assert "hunter2" not in str(caught.value)


def test_url_key_is_22_characters_fit_for_urls() -> None:
    """A key is short, of fixed length and needs no escaping."""
    key = url_key(SITE)

    assert len(key) == 22
    assert key.replace("-", "").replace("_", "").isalnum()


def test_url_key_does_not_change_between_releases() -> None:
    """A database written by one release is understood by the next."""
    assert url_key("https://example.com/?b=1&a=2#x") == "S60PpCbumSrMMxJkheKimg"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://WWW.Example.com:8443/a", "www.example.com"),
        ("http://[2001:DB8::1]:80/", "2001:db8::1"),
        ("http://localhost:8001/", "localhost"),
        ("http://127.0.0.1:8001/", "127.0.0.1"),
    ],
)
def test_host_of_is_bare_and_lower_case(url: str, host: str) -> None:
    """A host comes without port and brackets."""
    assert host_of(url) == host


def test_host_of_refuses_what_is_no_url() -> None:
    """Text without a host is an error, not an empty host."""
    with pytest.raises(UrlError):
        host_of("about:blank")


@pytest.mark.parametrize(
    ("host_a", "host_b"),
    [
        ("example.com", "www.example.com"),
        ("a.example.co.uk", "b.c.example.co.uk"),
        ("EXAMPLE.com.", "example.com"),
        ("bücher.example", "www.xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "0:0::1"),
        ("github.io", "github.io"),
    ],
)
def test_same_site_joins_hosts_of_one_registrable_domain(host_a: str, host_b: str) -> None:
    """Hosts below one registrable domain are one site, and each host is of its own."""
    assert same_site(host_a, host_b)


@pytest.mark.parametrize(
    ("host_a", "host_b"),
    [
        ("example.com", "example.org"),
        ("a.co.uk", "b.co.uk"),
        ("alice.github.io", "bob.github.io"),
        ("github.io", "alice.github.io"),
        ("notexample.com", "example.com"),
        ("127.0.0.1", "1.0.0.1"),
        ("10.0.0.1", "11.0.0.1"),
        ("::1", "::2"),
        ("localhost", "app.localhost"),
        ("com", "example.com"),
        ("straße.de", "strasse.de"),
        ("", ""),
        ("a b", "a b"),
    ],
)
def test_same_site_keeps_others_apart(host_a: str, host_b: str) -> None:
    """Public suffixes, IP addresses and single labels join nothing, and what is no host is of no site."""
    assert not same_site(host_a, host_b)


@pytest.mark.parametrize(
    "url",
    [
        "/logout",
        "/LOGOUT/",
        "/log-out",
        "/log_out?next=/",
        "/users/sign_out",
        "/sign-out",
        "/signout.php",
        "/logoff",
        "/Account/LogOff",
        "/-/logout",
        "/logout;jsessionid=1",
        "/%6Cogout",
        "/connect/endsession",
        "/wiki/Special:UserLogout",
        "/index.php?title=Special:UserLogout",
        "/wp-login.php?action=logout&_wpnonce=1",
        "/index.php?option=com_users&task=user.logout",
        "/?logout",
        "/?logout=1",
    ],
)
def test_logout_url_is_known_by_a_whole_name(url: str) -> None:
    """Links that end the session in well-known applications are known."""
    assert is_logout_url(f"https://example.com{url}")


@pytest.mark.parametrize(
    "url",
    ["/docs/logouts-explained", "/blogout", "/login?next=/logout", "/search?q=logout", "/out", "/#logout", "/?x=1"],
)
def test_logout_url_is_not_seen_in_part_of_a_name(url: str) -> None:
    """A logout word within another word, or in a parameter that chooses nothing, is content."""
    assert not is_logout_url(f"https://example.com{url}")


@pytest.mark.parametrize(
    "name", ["a.png", "A.JPG", "x.tar.gz", "site.css", "app.js", "b.woff2", "c.pdf", "d.mp4", "e.docx"]
)
def test_page_url_is_refused_for_files(name: str) -> None:
    """An extension that is plainly no page is refused, whatever the query says."""
    assert not is_page_url(f"https://example.com/files/{name}?size=large")


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "/a.html", "/a.php?file=b.pdf", "/v1.2", "/a.png/", "/.png", "/wiki/File:Map.png", "/a.b/c", "/b."],
)
def test_page_url_is_accepted_for_what_may_be_a_page(path: str) -> None:
    """Anything else may be a page, among it the page about a file."""
    assert is_page_url(f"https://example.com{path}")


def test_page_url_is_not_what_cannot_be_read() -> None:
    """Text that is no URL is no page, and chooses nothing."""
    assert not is_page_url("http://[")
    assert route_names("http://[") == ()


def test_compile_pattern_compiles() -> None:
    """A regular expression is compiled."""
    assert compile_pattern(r"/docs/\d+").search("https://example.com/docs/12")


@pytest.mark.parametrize("pattern", ["(", "a{99999999999999999999}", "[z-a]"])
def test_compile_pattern_says_what_was_expected(pattern: str) -> None:
    """A pattern that is none is a fault in the definition, and is shown."""
    with pytest.raises(DefinitionError, match="expected a regular expression, found"):
        compile_pattern(pattern)


@pytest.mark.parametrize("character", ["\u2028", "\n", "\x1b", "\x85"])
def test_compile_pattern_says_it_on_one_line(character: str) -> None:
    """What the reason quotes of the pattern neither ends the line nor reaches a terminal as an order."""
    with pytest.raises(DefinitionError) as raised:
        compile_pattern(f"(?{character}i)")

    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("scope", "url", "is_admitted"),
    [
        (Scope.SITE, "https://www.example.com/a", True),
        (Scope.SITE, "http://docs.example.com:8080/a", True),
        (Scope.SITE, "https://example.org/", False),
        (Scope.SITE, "https://example.com.evil.example/", False),
        (Scope.HOST, "http://www.example.com:8080/a", True),
        (Scope.HOST, "https://docs.example.com/a", False),
        (Scope.ANY, "https://example.org/", True),
        (Scope.ANY, "mailto:me@example.com", False),
        (Scope.ANY, "https://me@www.example.com/", False),
    ],
)
def test_url_scope_admits_by_place(scope: Scope, url: str, is_admitted: bool) -> None:
    """Links are followed within the seeds' sites, within their hosts, or anywhere."""
    url_scope = UrlScope(seeds=(SITE,), scope=scope)

    assert url_scope.admits(url) is is_admitted


def test_url_scope_takes_all_seeds_into_account() -> None:
    """Each seed opens its own site, and one that cannot be read opens none."""
    url_scope = UrlScope(seeds=("http://a..b/", SITE, "http://127.0.0.1:8001/"))

    assert url_scope.admits("https://example.com/a")
    assert url_scope.admits("http://127.0.0.1:9/a")
    assert not url_scope.admits("http://127.0.0.2/")
    assert not url_scope.admits("http://a..b/")


@pytest.mark.parametrize(
    ("path", "is_admitted"),
    [
        ("docs/a", True),
        ("blog/a", True),
        ("about", False),
        ("docs/private", False),
        ("docs/?b=1&a=1", False),
    ],
)
def test_url_scope_searches_patterns_in_the_canonical_url(path: str, is_admitted: bool) -> None:
    """One include must match, no exclude may, and both see sorted parameters."""
    url_scope = UrlScope(seeds=(SITE,), include=("/docs/", "/blog/"), exclude=("private$", r"\?a=1&b=1"))

    assert url_scope.admits(SITE + path) is is_admitted


def test_url_scope_admits_seeds_whatever_the_patterns_say() -> None:
    """A seed is what the crawl was asked for, however it is spelled."""
    url_scope = UrlScope(seeds=(SITE,), include=("/docs/",), exclude=("example",))

    assert url_scope.admits("HTTPS://www.example.com:443/#top")


def test_url_scope_never_admits_a_logout_link() -> None:
    """Not even a seed may end the session."""
    url_scope = UrlScope(seeds=(SITE, SITE + "logout"), include=("logout",), scope=Scope.ANY)

    assert not url_scope.admits(SITE + "logout")
    assert not url_scope.admits(SITE + "users/sign_out")


def test_url_scope_says_which_pattern_is_none() -> None:
    """A pattern that was never checked is an error of the definition."""
    with pytest.raises(DefinitionError, match=r"found '\['"):
        UrlScope(seeds=(SITE,), exclude=("[",)).admits(SITE)


def test_urls_module_is_light() -> None:
    """Importing the module loads neither w3lib nor the public suffix list."""
    check = "import sys, bequest.engine.urls; sys.exit(bool({'w3lib', 'publicsuffixlist'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
