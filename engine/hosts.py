"""Owns what a host is: its canonical spelling, the domain that it is registered under, and whether it is an address.

Hosts are read as browsers read them (WHATWG URL, host parsing), so that a name which looks like one site and leads to
another is not taken for the first. Importing this module does not load the public suffix list.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .errors import UrlError

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

CACHED_HOSTS = 4096
MAX_HOST_LENGTH = 253  # RFC 1035, 2.3.4, without the root's dot
MAX_LABEL_LENGTH = 63  # the same; the time that IDNA takes for one grows with its square

_DOTS = re.compile("[\u3002\uff0e\uff61]")  # what IDNA reads as dots, RFC 3490, 3.1
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_DEVIATIONS = re.compile("[\u00df\u03c2\u200c\u200d]")  # kept by UTS 46 and browsers, mapped away by RFC 3490


@lru_cache(CACHED_HOSTS)
def canonical_host(host: str) -> str:
    """Return *host*, a name or an address without port and brackets, in canonical form; raises ``UrlError``."""
    if ":" in host:
        return canonical_ipv6(host)
    name = _DOTS.sub(".", unquote(host)).removesuffix(".")
    if len(name) > MAX_HOST_LENGTH or any(len(label) > MAX_LABEL_LENGTH for label in name.split(".")):
        raise UrlError("expected a host name, found something longer than any")
    try:
        name = ".".join(map(_ascii_label, name.split(".")))
    except UnicodeError:
        raise UrlError("expected a host name, found one that IDNA does not allow") from None
    if not _HOST.fullmatch(name) or len(name) > MAX_HOST_LENGTH:
        raise UrlError("expected a host name, found something that cannot be one" if name else "the URL has no host")
    labels = name.split(".")
    return _ipv4(labels) if _NUMBER.fullmatch(labels[-1]) else name


@lru_cache(CACHED_HOSTS)
def registrable_domain(host: str) -> str:
    """Return the registrable domain of a canonical *host*, or the host where it has none."""
    if is_ip_address(host) or "." not in host:
        return host
    return _suffixes().privatesuffix(host) or host


def same_site(host_a: str, host_b: str) -> bool:
    """Return whether two hosts belong to one registrable domain.

    An IP address, a single label and a public suffix are of the same site only as themselves; what is no host is of
    none.
    """
    try:
        return registrable_domain(canonical_host(host_a)) == registrable_domain(canonical_host(host_b))
    except UrlError:
        return False


def is_ip_address(host: str) -> bool:
    """Return whether a canonical *host* is an address and no name."""
    return ":" in host or host.rpartition(".")[2].isdigit()


@lru_cache(CACHED_HOSTS)
def is_public_suffix(host: str) -> bool:
    """Return whether a canonical *host* is listed as one under which anybody can have a name; ``localhost`` is not."""
    return not is_ip_address(host) and _listed_suffixes().is_public(host)


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


def canonical_ipv6(text: str) -> str:
    """Return an IPv6 address in canonical form, without brackets; raises ``UrlError``."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise UrlError("expected an IPv6 address, found something else in its place") from None
    if address.scope_id is not None:
        raise UrlError("expected an IPv6 address without a zone, found one with it")
    if address.ipv4_mapped is not None:  # str() of it is not the same in every Python
        return f"::ffff:{int(address) >> 16 & 0xFFFF:x}:{int(address) & 0xFFFF:x}"
    return str(address)


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


@lru_cache(1)
def _listed_suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=False)
