"""What a host is: one spelling for each, the address that a browser would dial, and whose domain it is under."""

from __future__ import annotations

import pytest

from bequest.engine.errors import UrlError
from bequest.engine.hosts import (
    MAX_HOST_LENGTH,
    canonical_host,
    canonical_ipv6,
    is_ip_address,
    is_public_suffix,
    registrable_domain,
    same_site,
)

LONGEST = ".".join(["a" * 63] * 3 + ["a" * 61])


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("WIKI.Example", "wiki.example"),
        ("wiki.example.", "wiki.example"),
        ("wiki%2eexample", "wiki.example"),
        ("wiki\u3002example", "wiki.example"),
        ("wiki\uff0eexample", "wiki.example"),
        ("\uff57\uff49\uff4b\uff49.example", "wiki.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),  # as browsers do, not as RFC 3490
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a_b.example", "a_b.example"),
        ("localhost", "localhost"),
        (LONGEST, LONGEST),
    ],
)
def test_host_has_one_spelling(host: str, canonical: str) -> None:
    """Case, dots, escapes and letters of other scripts come to one ASCII name."""
    assert canonical_host(host) == canonical
    assert canonical_host(canonical) == canonical
    assert len(canonical) <= MAX_HOST_LENGTH


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7F.0.0.0x1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("10.258", "10.0.1.2"),
        ("10.1.258", "10.1.1.2"),
        ("0x", "0.0.0.0"),  # noqa: S104 - an address to read, not one to bind
        ("4294967295", "255.255.255.255"),
    ],
)
def test_number_is_the_address_that_a_browser_dials(host: str, address: str) -> None:
    """Every spelling of an IPv4 address is that address, so that none passes for a name."""
    assert canonical_host(host) == address
    assert is_ip_address(address)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a..b",
        "-" * 64 + ".example",
        LONGEST + "a",
        "wiki example",
        "wiki/example",
        "user@wiki.example",
        "wi\0ki.example",
        "256.0.0.1",
        "4294967296",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.65536",
        "08.0.0.1",  # neither octal nor decimal
        "a.0x1g.1",
        "wiki.example.123",
        "\u00ad",
        "\ud800.example",
    ],
)
def test_what_is_no_host_is_refused(host: str) -> None:
    """What no browser would take for a host is an error that does not quote it."""
    with pytest.raises(UrlError) as caught:
        canonical_host(host)

    assert not host.strip(".") or host not in str(caught.value)


@pytest.mark.parametrize("first", ["\u00df", "\u00e9", "a", "a.\u00e9"])
@pytest.mark.parametrize("count", [64, 1_000_000])
def test_host_that_no_name_can_be_is_refused_before_it_is_mapped(first: str, count: int) -> None:
    """A host of a million different letters, which would take IDNA years, is refused at once."""
    host = first + "".join(chr(0x4E00 + index % 20_000) for index in range(count))

    with pytest.raises(UrlError, match="longer than any"):
        canonical_host(host)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("::1", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("2001:DB8::A", "2001:db8::a"),
        ("::ffff:127.0.0.1", "::ffff:7f00:1"),
        ("::ffff:7f00:1", "::ffff:7f00:1"),
    ],
)
def test_ipv6_address_has_one_spelling(text: str, canonical: str) -> None:
    """Zeros, case and an IPv4 tail come to one form, the same in every Python."""
    assert canonical_ipv6(text) == canonical_host(text) == canonical


@pytest.mark.parametrize(
    ("text", "found"), [("fe80::1%eth0", "found one with it"), ("::g", "something else"), ("wiki:80", "something else")]
)
def test_what_is_no_ipv6_address_is_refused(text: str, found: str) -> None:
    """A zone means something on one machine only, and a port is no part of an address."""
    with pytest.raises(UrlError, match=found):
        canonical_host(text)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("a.b.wiki.co.uk", "wiki.co.uk"),
        ("wiki.co.uk", "wiki.co.uk"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("a.github.io", "a.github.io"),  # hosts of two people
    ],
)
def test_domain_is_what_somebody_registered(host: str, domain: str) -> None:
    """The registrable domain is one label under a public suffix, and a host without one is its own."""
    assert registrable_domain(host) == domain


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a.wiki.example", "B.WIKI.example", True),
        ("wiki.example", "wiki.example.evil.example", False),
        ("a.github.io", "b.github.io", False),
        ("127.0.0.1", "127.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("localhost", "localhost", True),
        ("", "", False),
        ("wiki.example", "no host", False),
    ],
)
def test_same_site_is_one_registrable_domain(one: str, other: str, expected: bool) -> None:
    """What is no host is of no site, not even its own (I17)."""
    assert same_site(one, other) is same_site(other, one) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("com", True),
        ("co.uk", True),
        ("github.io", True),
        ("wiki.co.uk", False),
        ("wiki.example", False),
        ("localhost", False),
        ("127.0.0.1", False),
        ("::1", False),
    ],
)
def test_public_suffix_is_one_that_is_listed(host: str, expected: bool) -> None:
    """Under a listed suffix anybody can have a host; a single label that is not listed is somebody's own."""
    assert is_public_suffix(host) is expected
