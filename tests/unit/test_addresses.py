"""Which addresses are public."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bequest.engine.addresses import is_public

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "2001:200::1",
]

NON_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - an address to judge, not one to bind
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "2001:10::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "2606:4700::1%eth0",
]

CARRYING = [
    ("::ffff:127.0.0.1", False),
    ("::ffff:10.0.0.1", False),
    ("::ffff:1.1.1.1", True),
    ("64:ff9b::7f00:1", False),
    ("64:ff9b::a9fe:a9fe", False),
    ("64:ff9b::101:101", True),
    ("2002:7f00:1::", False),
    ("2002:c0a8:101::1", False),
    ("2002:101:101::1", True),
]


@pytest.mark.parametrize("text", PUBLIC)
def test_is_public_accepts_addresses_of_the_internet(text: str) -> None:
    """Addresses just outside the special ranges, and well-known ones, are public."""
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", NON_PUBLIC)
def test_is_public_refuses_special_ranges(text: str) -> None:
    """Every special-purpose range is non-public."""
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(("text", "expected"), CARRYING)
def test_is_public_judges_a_carried_address(text: str, expected: bool) -> None:
    """An IPv6 address that carries an IPv4 one is judged by what it carries."""
    assert is_public(ip_address(text)) is expected
