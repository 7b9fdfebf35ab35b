"""Which addresses a page may be fetched from: those of the public internet. Pure but for the look-up of names."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host name, as texts. Raises OSError."""

# Routed as if public, but in a cloud the machine's own: Azure's host agent, Alibaba's and Oracle's metadata.
_CLOUD = tuple(ip_network(text) for text in ("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32"))
# Addresses that carry an IPv4 address, and how far it stands from the right, in bits.
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = IPv6Network("::/96")


class ForbiddenAddress(Exception):
    """The host may not be fetched from. The text says why."""


@dataclass(frozen=True, slots=True)
class AddressFilter:
    """Lets the public internet through, and of everything else only what lies in `allowed`."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def allowing(cls, networks: Iterable[str]) -> AddressFilter:
        """With these networks, as "10.1.0.0/16" or a single address. Raises ValueError."""
        return cls(tuple(ip_network(text, strict=False) for text in networks))

    def lets_through(self, address: Address) -> bool:
        """Whether it may be connected to. An address that wraps another is as good as that one."""
        plain = _unwrapped(address)
        if any(plain.version == network.version and plain in network for network in self.allowed):
            return True
        return _is_public(plain)

    def check(self, host: str, addresses: Iterable[str]) -> list[str]:
        """The addresses, where all of them are let through. A name that also leads inside is no name of the public
        internet. Raises ForbiddenAddress."""
        found = [ip_address(text) for text in addresses]
        forbidden = [address for address in found if not self.lets_through(address)]
        if forbidden:
            raise ForbiddenAddress(
                f"{host} leads to {forbidden[0]}, which is not on the public internet. An operator can allow networks "
                "with ADE_FETCH_ALLOW."
            )
        if not found:
            raise ForbiddenAddress(f"{host} has no address.")
        return [str(address) for address in found]


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where there is one that packets would be sent to."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: Address) -> bool:
    if any(address.version == network.version and address in network for network in _CLOUD):
        return False
    if isinstance(address, IPv6Address) and (address in _LOCAL_NAT64 or address.teredo or address.is_site_local):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )
