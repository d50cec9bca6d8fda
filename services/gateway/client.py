"""The client's address, seen through the proxies that the operator trusts."""

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from aiohttp import web


def client_address(request: web.Request, trusted: Sequence[IPv4Network | IPv6Network]) -> str | None:
    """The peer's address, or the last hop of X-Forwarded-For that is no trusted proxy, when the peer is one."""
    address = request.remote
    if not trusted or not _is_trusted(address, trusted):
        return address
    for field in reversed(request.headers.getall("X-Forwarded-For", [])):
        for hop in reversed(field.split(",")):
            try:
                parsed = str(ipaddress.ip_address(hop.strip()))
            except ValueError:
                return address  # what comes before a hop that is no address cannot be believed
            address = parsed
            if not _is_trusted(address, trusted):
                return address
    return address


def _is_trusted(address: str | None, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return any(ip.version == network.version and ip in network for network in trusted)
