"""Owns what a URL means to a crawl: its canonical form and key, its host and site, and whether a link is followed.

The canonical form says which URLs are one page (I15); it is what a page is counted by and what patterns see, while the
URL as it was found is what the browser is sent to. No error quotes a URL: its query may hold a token. Importing this
module does not load w3lib.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from .definition_rules import on_one_line, shown
from .errors import DefinitionError, UrlError
from .hosts import canonical_host, canonical_ipv6, registrable_domain
from .records import Record

CACHED_URLS = 8192  # a page's links are judged, keyed and spawned in turn, and the next page repeats most of them
CACHED_SCOPES = 64
ANY_SITE = "http://any"  # in the site's place, for w3lib spells an address as the Python that it runs on does
DEFAULT_PORTS = {"http": 80, "https": 443}

C0_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))

_NO_PAGE = re.compile(  # a file name's extension
    r"""
      apng|avif|bmp|cur|eot|gif|hei[cf]|ico|jfif|jpe?g|otf|png|svgz?|tiff?|ttf|webp|woff2?  # images and fonts
    | css|less|scss|[cm]?js|map|wasm                                                        # styles and scripts
    | atom|csv|db|gpx|ics|json|jsonl|ndjson|parquet|rss|sqlite|tsv|vcf|xml|ya?ml            # data
    | aac|avi|flac|flv|m3u8|m4[av]|midi?|mkv|mov|mp[34]|mpe?g|og[agv]|opus|srt|vtt|wav|web[am]|wm[av]  # media
    | 7z|apk|bin|br|bz2|cab|deb|dmg|exe|img|iso|jar|lz|lzma|msi|pkg|rar|rpm|tar|t?gz|war|whl|xz|zip|zst  # archives
    | ai|doc[mx]?|dotx?|eps|epub|key|mobi|od[gpst]|pdf|potx?|ppsx?|pptx?|ps|psd|rtf|xls[mx]?|xlt  # print and office
    """,
    re.VERBOSE,
)
_LOGOUT = re.compile(r"(?:user|account)?[-_]?(?:log|sign)[-_]?(?:out|off)|end[-_]?session")
_ROUTING_KEY = re.compile("_?action|_?task|act?|cmd|do|mode|op|page|r|route|title|view")
_SWITCHED_ON = frozenset(("", "1", "true", "yes"))


class Scope(enum.StrEnum):
    """Where links may lead."""

    SITE = "site"  # the registrable domains of the seeds
    HOST = "host"  # exactly the hosts of the seeds
    ANY = "any"  # anywhere


class UrlScope(Record, frozen=True, kw_only=True):
    """Which links a crawl follows; patterns are regular expressions, searched in the canonical URL."""

    seeds: tuple[str, ...]
    include: tuple[str, ...] = ()  # a link must match one of them, if there are any
    exclude: tuple[str, ...] = ()  # a link must match none of them
    scope: Scope = Scope.SITE

    def admits(self, url: str) -> bool:
        """Return whether *url* is followed.

        Logout links never are, seeds are whatever the patterns say, and what is no URL to crawl is not. A seed that
        cannot be read counts for nothing. Raises ``DefinitionError`` for a pattern that is none.
        """
        try:
            canonical = canonical_url(url)
        except UrlError:
            return False
        rules = _rules_of(self)
        if is_logout_url(canonical):
            return False
        if canonical in rules.seeds:
            return True
        if rules.places is not None and rules.place_of(host_of(canonical)) not in rules.places:
            return False
        if rules.include and not any(pattern.search(canonical) for pattern in rules.include):
            return False
        return not any(pattern.search(canonical) for pattern in rules.exclude)


@lru_cache(CACHED_URLS)
def canonical_url(url: str) -> str:
    """Return the one spelling of all the URLs that name the same page.

    The host is lower-case ASCII, the query's parameters are sorted, percent-encodings are uniform; fragment, default
    port and dot segments are gone. Raises ``UrlError`` for anything but http and https, for a host or port that cannot
    be read and for a user name or password in the URL.
    """
    from w3lib.url import canonicalize_url

    parts = _split(url)
    host = _canonical_host(parts)
    netloc = f"[{host}]" if ":" in host else host
    port = _port(parts)
    if port not in (None, DEFAULT_PORTS[parts.scheme]):
        netloc = f"{netloc}:{port}"
    path = parts.path.replace("\\", "/")  # as browsers do, WHATWG URL, path state
    try:
        canonical = canonicalize_url(f"{ANY_SITE}{path}?{parts.query}#")  # without the "#" it trims the query
    except UnicodeError:
        raise UrlError("expected a URL, found one with half of a surrogate pair in it") from None
    return f"{parts.scheme}://{netloc}{canonical.removeprefix(ANY_SITE)}"


def url_key(url: str) -> str:
    """Return 22 characters that stand for the canonical form of *url*; raises ``UrlError``."""
    digest = hashlib.blake2b(canonical_url(url).encode(), digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def host_of(url: str) -> str:
    """Return the host of *url* in its canonical form: no port, and no brackets; raises ``UrlError``."""
    return _canonical_host(_split(url))


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of a definition; raises ``DefinitionError``."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # the last two: absurd repeats, absurd nesting
        raise DefinitionError(f"expected a regular expression, found {shown(pattern)} ({on_one_line(error)})") from None


def is_logout_url(url: str) -> bool:
    """Return whether following *url* would end the session: a whole name in it says log out."""
    return any(_LOGOUT.fullmatch(name) for name in route_names(url))


def is_page_url(url: str) -> bool:
    """Return whether *url* may be a page: its extension is not one of images, archives, media and the like.

    A name with a colon is the title of a page about the file (``/wiki/File:Map.png``).
    """
    try:
        name = urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        return False
    stem, _, extension = name.rpartition(".")
    return not stem or ":" in stem or not _NO_PAGE.fullmatch(extension.lower())


def route_names(url: str) -> tuple[str, ...]:
    """Return the names in *url* that choose what the server does, in lower case; none where it cannot be read.

    They are the path's segments without extension and parameters (``/User/logout.php;x=1``: user, logout), the last
    names in the parameters that choose an action (``?title=Special:UserLogout``: userlogout) and parameters that are
    switches (``?logout``).
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ()
    segments = [unquote(segment).lower() for segment in parts.path.split("/")]
    names = [re.split("[.;]", segment.rpartition(":")[2])[0] for segment in segments]
    for key, value in parse_qsl(parts.query.lower(), keep_blank_values=True) if parts.query else ():
        if _ROUTING_KEY.fullmatch(key):
            names.append(re.split("[/:.]", value)[-1])
        elif value in _SWITCHED_ON:
            names.append(key)
    return tuple(names)


class _Rules(NamedTuple):
    """A ``UrlScope`` made ready."""

    seeds: frozenset[str]  # canonical
    places: frozenset[str] | None  # hosts or sites, as the scope says; None is anywhere
    by_site: bool
    include: tuple[re.Pattern[str], ...]
    exclude: tuple[re.Pattern[str], ...]

    def place_of(self, host: str) -> str:
        """Return what of *host* must be among the places."""
        return registrable_domain(host) if self.by_site else host


@lru_cache(CACHED_SCOPES)
def _rules_of(scope: UrlScope) -> _Rules:
    seeds = frozenset(canonical for seed in scope.seeds if (canonical := _canonical_or_none(seed)) is not None)
    hosts = frozenset(map(host_of, seeds))
    places = {Scope.SITE: frozenset(map(registrable_domain, hosts)), Scope.HOST: hosts, Scope.ANY: None}
    return _Rules(
        seeds=seeds,
        places=places[scope.scope],
        by_site=scope.scope is Scope.SITE,
        include=tuple(map(compile_pattern, scope.include)),
        exclude=tuple(map(compile_pattern, scope.exclude)),
    )


def _canonical_or_none(url: str) -> str | None:
    try:
        return canonical_url(url)
    except UrlError:
        return None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip(C0_CONTROL_OR_SPACE))
    except ValueError:  # a bracket left open, a host that changes when it is normalized
        raise UrlError("expected a URL, found one whose host cannot be read") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise UrlError("expected a URL that begins with http:// or https://, found another")
    if "@" in parts.netloc:
        raise UrlError("expected a URL without a user name, found one; store it as a credential and name that")
    return parts


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise UrlError("expected a port from 1 to 65535, found one that is none")
    return port


def _canonical_host(parts: SplitResult) -> str:
    bracketed, _, rest = parts.netloc.partition("]")
    if bracketed.startswith("[") and rest[:1] in ("", ":"):
        return canonical_ipv6(bracketed[1:])
    return canonical_host(parts.netloc.rpartition(":")[0] if ":" in parts.netloc else parts.netloc)
