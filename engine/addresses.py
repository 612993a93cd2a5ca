"""Owns the judgement of which IP addresses belong to the public internet.

The table holds what the IANA special-purpose address registries (RFC 6890) call not globally reachable, multicast and
the unassigned rest of IPv6, of which only ``2000::/3`` is global unicast. It is ours because ``ipaddress.is_global``
passes addresses that are not public: NAT64, site-local and multicast ones among them.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

NON_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private use, RFC 1918
        "100.64.0.0/10",  # shared address space of carriers, RFC 6598
        "127.0.0.0/8",  # loopback, RFC 1122
        "169.254.0.0/16",  # link local, cloud metadata among them, RFC 3927
        "172.16.0.0/12",  # private use, RFC 1918
        "192.0.0.0/24",  # protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.88.99.0/24",  # 6to4 relays, deprecated, RFC 7526
        "192.168.0.0/16",  # private use, RFC 1918
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved, limited broadcast among them, RFC 1112
    )
)

GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")  # all else is reserved, local or multicast, RFC 4291

NON_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID and more, RFC 2928
        "2001:db8::/32",  # documentation, RFC 3849
        "3fff::/20",  # documentation, RFC 9637
    )
)

NAT64 = IPv6Network("64:ff9b::/96")  # the last 32 bits are an IPv4 address, RFC 6052
SIX_TO_FOUR = IPv6Network("2002::/16")  # bits 16 to 47 are an IPv4 address, RFC 3056


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether *address* is on the public internet.

    An IPv6 address that carries an IPv4 address (IPv4-mapped, NAT64, 6to4) is judged by the one it carries, and one
    with a zone is never public.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NON_PUBLIC_V4)
    if address.scope_id is not None:
        return False
    carried = carried_v4(address)
    if carried is not None:
        return is_public(carried)
    return address in GLOBAL_UNICAST_V6 and not any(address in network for network in NON_PUBLIC_V6)


def carried_v4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that traffic to *address* ends at, or None when it carries none."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in SIX_TO_FOUR:
        return address.sixtofour
    return None
