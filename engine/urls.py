"""Owns what a URL means to a crawl: its canonical form and key, its host and site, and whether a link is followed.

The canonical form says which URLs are one page (I15); it is what a page is counted by and what patterns see, while the
URL as it was found is what the browser is sent to. Hosts are read as browsers read them (WHATWG URL, host parsing), so
that a name which looks like one site and leads to another is not taken for the first. No error quotes a URL: its
query may hold a token. Importing this module loads neither w3lib nor the public suffix list.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from .definition_rules import shown
from .errors import DefinitionError, UrlError
from .records import Record

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

CACHED_URLS = 8192  # a page's links are judged, keyed and spawned in turn, and the next page repeats most of them
CACHED_HOSTS = 4096
CACHED_SCOPES = 64
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_HOST_LENGTH = 253  # RFC 1035, 2.3.4, without the root's dot

C0_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_DOTS = re.compile("[\u3002\uff0e\uff61]")  # what IDNA reads as dots, RFC 3490, 3.1
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_DEVIATIONS = re.compile("[\u00df\u03c2\u200c\u200d]")  # kept by UTS 46 and browsers, mapped away by RFC 3490

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
        return canonicalize_url(f"{parts.scheme}://{netloc}{path}?{parts.query}")
    except UnicodeError:
        raise UrlError("expected a URL, found one with half of a surrogate pair in it") from None


def url_key(url: str) -> str:
    """Return 22 characters that stand for the canonical form of *url*; raises ``UrlError``."""
    digest = hashlib.blake2b(canonical_url(url).encode(), digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def host_of(url: str) -> str:
    """Return the host of *url* in its canonical form: no port, and no brackets; raises ``UrlError``."""
    return _canonical_host(_split(url))


def same_site(host_a: str, host_b: str) -> bool:
    """Return whether two hosts belong to one registrable domain.

    An IP address, a single label and a public suffix are of the same site only as themselves; what is no host is of
    none.
    """
    try:
        return _site_of(_bare_host(host_a)) == _site_of(_bare_host(host_b))
    except UrlError:
        return False


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of a definition; raises ``DefinitionError``."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # the last two: absurd repeats, absurd nesting
        raise DefinitionError(f"expected a regular expression, found {shown(pattern)} ({error})") from None


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
        return _site_of(host) if self.by_site else host


@lru_cache(CACHED_SCOPES)
def _rules_of(scope: UrlScope) -> _Rules:
    seeds = frozenset(canonical for seed in scope.seeds if (canonical := _canonical_or_none(seed)) is not None)
    hosts = frozenset(map(host_of, seeds))
    places = {Scope.SITE: frozenset(map(_site_of, hosts)), Scope.HOST: hosts, Scope.ANY: None}
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
        return _ipv6(bracketed[1:])
    return _bare_host(parts.netloc.rpartition(":")[0] if ":" in parts.netloc else parts.netloc)


@lru_cache(CACHED_HOSTS)
def _bare_host(host: str) -> str:
    """Return *host*, a name or an address without port and brackets, in canonical form; raises ``UrlError``."""
    if ":" in host:
        return _ipv6(host)
    name = _DOTS.sub(".", unquote(host)).removesuffix(".")
    try:
        name = ".".join(map(_ascii_label, name.split(".")))
    except UnicodeError:
        raise UrlError("expected a host name, found one that IDNA does not allow") from None
    if not _HOST.fullmatch(name) or len(name) > MAX_HOST_LENGTH:
        raise UrlError("expected a host name, found something that cannot be one" if name else "the URL has no host")
    labels = name.split(".")
    return _ipv4(labels) if _NUMBER.fullmatch(labels[-1]) else name


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label.lower()
    if _DEVIATIONS.search(label):
        return "xn--" + label.lower().encode("punycode").decode()
    return label.encode("idna").decode().lower()


def _ipv4(labels: list[str]) -> str:
    """Return the address as four decimal numbers, from any spelling that browsers know (WHATWG URL, IPv4 parser)."""
    *first, last = map(_number, labels)
    is_address = (
        len(labels) <= 4
        and all(0 <= number <= 255 for number in first)
        and 0 <= last < 256 ** (5 - len(labels))  # the last number fills what the others leave
    )
    if not is_address:
        raise UrlError("expected a host, found one that ends in a number and is no IPv4 address")
    return str(ipaddress.IPv4Address(last + sum(number << 8 * (3 - index) for index, number in enumerate(first))))


def _number(label: str) -> int:
    """Return the number that *label* is, hexadecimal, octal or decimal, or -1."""
    digits, base = (label[2:] or "0", 16) if label.startswith("0x") else (label, 8 if label.startswith("0") else 10)
    try:
        return int(digits, base) if digits.isalnum() else -1  # int() itself passes underscores
    except ValueError:
        return -1


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise UrlError("expected an IPv6 address, found something else in its place") from None
    if address.scope_id is not None:
        raise UrlError("expected an IPv6 address without a zone, found one with it")
    if address.ipv4_mapped is not None:  # str() of it is not the same in every Python
        return f"::ffff:{int(address) >> 16 & 0xFFFF:x}:{int(address) & 0xFFFF:x}"
    return str(address)


@lru_cache(CACHED_HOSTS)
def _site_of(host: str) -> str:
    """Return the registrable domain of a canonical *host*, or the host where it has none."""
    if ":" in host or "." not in host or host.rpartition(".")[2].isdigit():
        return host
    return _suffixes().privatesuffix(host) or host


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
