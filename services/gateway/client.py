"""The client's address, seen through the proxies that the operator trusts."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from aiohttp import web


def client_address(request: web.Request, trusted: Sequence[IPv4Network | IPv6Network]) -> str | None:
    """The peer's address, or the last hop of X-Forwarded-For that is no trusted proxy, when the peer is one."""
    address = _parse(request.remote or "")
    if address is None:
        return None
    fields = request.headers.getall("X-Forwarded-For", []) if trusted else []
    hops = [hop for field in fields for hop in field.split(",")]
    while hops and any(address.version == network.version and address in network for network in trusted):
        hop = _parse(hops.pop().strip())
        if hop is None:
            break  # what comes before a hop that is no address cannot be believed
        address = hop
    return str(address)


@lru_cache(maxsize=1024)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address is one in either family's notation (RFC 4291, section 2.5.5.2)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
