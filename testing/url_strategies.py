"""Owns the strategies for hosts and URLs: all that a crawl can be sent to, in every spelling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from .hypothesis_strategies import st

NAMES = ("a.example", "www.a.example", "A.Example.", "wiki.co.uk", "alice.github.io", "my_host", "localhost")
IDNS = (
    "b\u00fccher.example",
    "xn--bcher-kva.example",
    "stra\u00dfe.example",
    "\u043f\u0440\u0438\u043c\u0435\u0440.example",
)
ADDRESSES = ("10.0.0.1", "127.1", "0x7f.0.0.1", "[::1]", "[2001:DB8::1]", "[::ffff:10.0.0.1]")
PORTS = ("", ":", ":80", ":443", ":1", ":8080", ":65535")
PIECES = (
    "a",
    "B",
    "1",
    "-",
    "~",
    "%20",
    "%2f",
    "%2F",
    "%25",
    "%c3%a9",
    "%E9",
    "\u00e9",
    "\U0001f512",
    "+",
    "=",
    ";",
    ":",
    "@",
)


@cache
def hosts() -> st.SearchStrategy[str]:
    """Return hosts as a URL spells them: names, names beyond ASCII, IPv4 in odd spellings, IPv6 in brackets."""
    return st.sampled_from((*NAMES, *IDNS, *ADDRESSES)) | st.from_regex(r"[a-z][a-z0-9]{0,8}\.example", fullmatch=True)


def urls(
    *, schemes: Sequence[str] = ("http", "https"), at: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[str]:
    """Return URLs that can be crawled, at the hosts *at*; the simplest is the first page of the first host.

    Ports, percent-encodings in either case, dot segments, empty segments, letters beyond ASCII, queries with repeated
    and empty parameters, and fragments are among them.
    """
    return st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(tuple(schemes)),
        hosts() if at is None else at,
        st.sampled_from(PORTS),
        _rests(),
    )


@cache
def _rests() -> st.SearchStrategy[str]:
    """Return what comes after the port; it is made once, for to make and check it costs more than to draw from it."""
    words = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
    segments = words | st.sampled_from((".", "..", "%2e", "%2E%2e", "", "index.html", "a.png", "logout"))
    paths = st.lists(segments, max_size=4).map(lambda found: "".join(f"/{one}" for one in found))
    parameters = st.builds("{}{}".format, words, st.just("") | words.map("={}".format))
    queries = st.just("") | st.lists(parameters, max_size=3).map(lambda found: "/?" + "&".join(found))
    fragments = st.just("") | words.map("#{}".format)
    return st.builds("{}{}{}".format, paths, queries, fragments)
