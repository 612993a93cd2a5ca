"""Owns the strategies for cookies and credentials."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..engine.cookies import MAX_AGE_S, Cookie, SameSite
from ..engine.credentials import Credential
from ..engine.secret import Secret
from ..engine.sessions import OriginHeader, OriginStorage
from .hypothesis_strategies import st

SITES = ("wiki.example", "shop.example", "wiki.co.uk", "alice.github.io", "10.0.0.1", "::1", "localhost")
START = 1_000_000_000.0  # where a ManualClock begins
PREFIXES = ("", "__Secure-", "__Host-", "__HOST-")
SAME_SITES: tuple[SameSite | None, ...] = (None, "Lax", "Strict", "None")
HEADERS = ("Authorization", "X-Api-Key", "x-access-token")


def cookies(*, domains: Sequence[str] = SITES, now: float = START, usable: bool = False) -> st.SearchStrategy[Cookie]:
    """Return cookies of *domains*, canonical hosts: for that host alone or those under it, prefixed, in any lifetime.

    *usable* leaves out those that have expired by *now* or are partitioned, which a browser is not given.
    """
    return _cookies(tuple(domains), now, usable)


def credentials(
    *, sites: Sequence[str] = SITES, now: float = START, usable: bool = False
) -> st.SearchStrategy[Credential]:
    """Return credentials of some of *sites*, canonical hosts, with cookies, headers, storages, secrets and user agents.

    A *usable* one has at least one cookie that a browser takes and is sent.
    """
    return _credentials(tuple(sites), now, usable)


@st.composite
def _cookies(draw: st.DrawFn, domains: tuple[str, ...], now: float, usable: bool) -> Cookie:
    domain = draw(st.sampled_from(domains))
    prefix = draw(st.sampled_from(PREFIXES))
    same_site = draw(st.sampled_from(SAME_SITES))
    is_host_prefixed = prefix.lower() == "__host-"
    is_secure, is_host_only = draw(st.booleans()), draw(st.booleans())
    path = draw(st.sampled_from(("/", "/a", "/a/b/", "/\u00e9")))  # always: what draws less counts as simpler
    lifetimes = st.none() | st.floats(1.0, 2 * MAX_AGE_S).map(lambda seconds: now + seconds)
    if not usable:
        lifetimes |= st.sampled_from((0.0, now - 1.0, now))
    keys = st.none() if usable else st.none() | st.just("https://news.example")
    return Cookie(
        name=f"{prefix}{draw(_tokens())}",
        value=Secret(draw(_values())),
        domain=domain,
        host_only=is_host_prefixed or is_host_only,
        path="/" if is_host_prefixed else path,
        expires=draw(lifetimes),
        secure=bool(prefix) or same_site == "None" or is_secure,
        http_only=draw(st.booleans()),
        same_site=same_site,
        partition_key=draw(keys),
    )


@st.composite
def _credentials(draw: st.DrawFn, sites: tuple[str, ...], now: float, usable: bool) -> Credential:
    own = draw(st.lists(st.sampled_from(sites), min_size=1, max_size=3, unique=True))
    origins = st.builds(
        _origin, st.sampled_from(("https", "http")), st.sampled_from(own), st.sampled_from(("", ":8443"))
    )
    secrets = st.builds(Secret, _values())
    headers = st.builds(
        OriginHeader,
        origin=origins,
        name=st.sampled_from(HEADERS),
        value=_tokens().map(lambda text: Secret(f"Bearer {text}")),
    )
    stored = st.dictionaries(_tokens(), secrets, max_size=2)
    databases = st.none() | st.just(Secret('[{"name":"db","version":1,"stores":[]}]'))
    storages = st.builds(OriginStorage, origin=origins, local=stored, session=stored, indexed_db=databases)
    kept = cookies(domains=own, now=now, usable=usable)
    return Credential(
        auth_id=draw(st.sampled_from(("wiki", "a b", "\u00fc")) | _tokens()),
        sites=tuple(own),
        cookies=tuple(draw(st.lists(kept, min_size=1 if usable else 0, max_size=3))),
        headers=tuple(draw(st.lists(headers, max_size=2, unique_by=lambda one: (one.origin, one.name.lower())))),
        storages=tuple(draw(st.lists(storages, max_size=2, unique_by=lambda one: one.origin))),
        secrets=draw(st.dictionaries(st.sampled_from(("password", "seed")), secrets, max_size=2)),
        user_agent=draw(st.none() | st.just("Mozilla/5.0 (X11; Linux x86_64)")),
    )


@cache
def _tokens() -> st.SearchStrategy[str]:
    """Return names of cookies, and values that a header can have."""
    return st.text("abcXYZ019-_.", min_size=1, max_size=8)


@cache
def _values() -> st.SearchStrategy[str]:
    """Return values that a cookie can have: no separators, no control characters, no white space around it."""
    characters = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters=";")
    return st.text(characters, max_size=12).filter(lambda text: text == text.strip())


def _origin(scheme: str, host: str, port: str) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}"
