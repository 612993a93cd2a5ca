"""What holds for every URL, and for every text that is none."""

from __future__ import annotations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from bequest.engine.errors import UrlError
from bequest.engine.hosts import same_site
from bequest.engine.login_pages import is_login_url
from bequest.engine.urls import (
    Scope,
    UrlScope,
    canonical_url,
    host_of,
    is_logout_url,
    is_page_url,
    url_key,
)

NAMES = [
    "example.com",
    "www.example.com",
    "EXAMPLE.com.",
    "a.co.uk",
    "b.co.uk",
    "alice.github.io",
    "localhost",
    "my_host",
]
ADDRESSES = ["127.0.0.1", "127.1", "10.0.0.1", "[::1]", "[::FFFF:7f00:1]"]
BEYOND_ASCII = ["bücher.example", "xn--bcher-kva.example", "straße.de"]
HOSTS = st.sampled_from([*NAMES, *ADDRESSES, *BEYOND_ASCII]) | st.from_regex(r"[a-z0-9.ßé-]{1,12}", fullmatch=True)
PORTS = st.sampled_from(["", ":", ":80", ":443", ":8080"])
CHARACTERS = st.sampled_from([*"ab/.;?&=+#%\\:@ ~é\ud800", "%2f", "%2F", "%25", "%41", "%e9", "%C3%A9", "..", "//"])
TAILS = st.lists(CHARACTERS, max_size=12).map(lambda pieces: "/" + "".join(pieces))
URLS = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "HTTPS"]), HOSTS, PORTS, TAILS)
PARAMETERS = st.lists(CHARACTERS.filter(lambda piece: piece not in ("&", "#")), max_size=3).map("".join)
SHUFFLED = st.lists(PARAMETERS, max_size=5).flatmap(lambda some: st.tuples(st.just(some), st.permutations(some)))
TEXTS = st.text(max_size=40) | st.builds("{}{}".format, st.sampled_from(["http://", "https://[", "http:"]), st.text())


def canonical_or_none(url: str) -> str | None:
    try:
        return canonical_url(url)
    except UrlError:
        return None


@given(URLS | TEXTS)
@example("http://h/%2e%2e/a;b?c;d")
def test_canonical_url_is_idempotent(url: str) -> None:
    """The canonical form of a canonical form is itself, and printable ASCII without a fragment."""
    canonical = canonical_or_none(url)
    assume(canonical is not None)
    assert canonical is not None

    again = canonical_url(canonical)

    assert again == canonical
    assert canonical.isascii()
    assert canonical.isprintable()
    assert " " not in canonical
    assert "#" not in canonical


@given(URLS, URLS)
def test_url_keys_are_equal_iff_the_canonical_urls_are(url_a: str, url_b: str) -> None:
    """A key stands for one canonical URL (I15)."""
    forms = canonical_or_none(url_a), canonical_or_none(url_b)
    assume(None not in forms)

    keys = url_key(url_a), url_key(url_b)

    assert (keys[0] == keys[1]) == (forms[0] == forms[1])


@given(SHUFFLED)
@example((["", "", " "], ["", " ", ""]))
def test_canonical_url_does_not_know_the_order_of_parameters(queries: tuple[list[str], list[str]]) -> None:
    """Shuffled parameters name the same page."""
    url_a, url_b = (f"http://example.com/?{'&'.join(parameters)}#end" for parameters in queries)

    assert canonical_or_none(url_a) == canonical_or_none(url_b)


@given(st.lists(URLS, min_size=1, max_size=3), URLS | TEXTS)
def test_url_scope_admits_only_the_seeds_sites(seeds: list[str], url: str) -> None:
    """Under SITE, what is admitted is of the same site as a seed."""
    is_admitted = UrlScope(seeds=tuple(seeds)).admits(url)

    if is_admitted:
        readable = [seed for seed in seeds if canonical_or_none(seed) is not None]
        assert any(same_site(host_of(url), host_of(seed)) for seed in readable)
        assert not is_logout_url(url)


@given(st.lists(URLS, min_size=1, max_size=3), URLS)
def test_url_scopes_nest(seeds: list[str], url: str) -> None:
    """What HOST admits SITE does, and what SITE admits ANY does."""
    scopes = (UrlScope(seeds=tuple(seeds), scope=scope) for scope in (Scope.HOST, Scope.SITE, Scope.ANY))

    by_host, by_site, by_any = (scope.admits(url) for scope in scopes)

    assert by_host <= by_site <= by_any


@given(TEXTS | URLS, TEXTS)
def test_urls_raise_nothing_but_url_errors(text: str, other: str) -> None:
    """Every text is either understood or refused with ``UrlError``."""
    for function in (canonical_url, url_key, host_of):
        try:
            function(text)
        except UrlError as error:
            assert str(error)  # noqa: PT017  # what it says does not matter here, only that it is one

    assert isinstance(UrlScope(seeds=(other,)).admits(text), bool)
    assert isinstance(same_site(text, other), bool)
    assert isinstance(is_logout_url(text), bool)
    assert isinstance(is_login_url(text), bool)
    assert isinstance(is_page_url(text), bool)
