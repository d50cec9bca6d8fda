"""Whose address it is: content delivery networks, by the ranges they publish (cdn.toml)."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


@dataclass(frozen=True, slots=True)
class Cdn:
    name: str
    ports: tuple[int, ...]  # open for every customer alike


def of(address: str) -> Cdn | None:
    """The network that serves from this address."""
    ip: IPv4Address | IPv6Address = ip_address(address)
    return next((cdn for network, cdn in _table()[ip.version] if ip in network), None)


@cache
def _table() -> dict[int, tuple[tuple[IPv4Network | IPv6Network, Cdn], ...]]:
    read = tomllib.loads((files(__package__) / "cdn.toml").read_text("utf-8"))
    networks = [
        (ip_network(cidr), Cdn(name, tuple(entry["ports"])))
        for name, entry in read.items()
        for cidr in entry["networks"]
    ]
    return {version: tuple(one for one in networks if one[0].version == version) for version in (4, 6)}
