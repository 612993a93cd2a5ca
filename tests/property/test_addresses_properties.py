"""Laws of the address table."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from hypothesis import example, given
from hypothesis import strategies as st

from bequest.engine.addresses import NON_PUBLIC_V4, NON_PUBLIC_V6, carried_v4, is_public

Network = IPv4Network | IPv6Network

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)


@given(v4)
@example(IPv4Address("127.0.0.1"))
@example(IPv4Address("1.1.1.1"))
def test_is_public_agrees_for_all_spellings_of_one_v4_address(address: IPv4Address) -> None:
    """Mapped, NAT64 and 6to4 forms of an IPv4 address are public exactly when it is."""
    number = int(address)
    forms = [
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(int(IPv6Address("2002::")) | (number << 80)),
    ]

    assert {is_public(form) for form in forms} == {is_public(address)}


@given(st.one_of(v4, v6))
@example(ip_address("fe80::1%1"))
def test_is_public_is_never_looser_than_the_flags_of_ipaddress(address: IPv4Address | IPv6Address) -> None:
    """What the standard library calls private, loopback, link-local, multicast or reserved is never public."""
    carrying = isinstance(address, IPv6Address) and carried_v4(address) is not None
    flagged = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )

    assert carrying or not (flagged and is_public(address))


@given(st.data(), st.sampled_from(NON_PUBLIC_V4 + NON_PUBLIC_V6))
def test_is_public_refuses_every_address_of_a_listed_range(data: st.DataObject, network: Network) -> None:
    """No address inside a listed range is public, its first and last included."""
    inside = data.draw(st.integers(int(network[0]), int(network[-1])))

    assert not any(is_public(type(network[0])(number)) for number in (inside, int(network[0]), int(network[-1])))
