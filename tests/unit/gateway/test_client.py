"""The client's address behind proxies that are trusted, and behind none."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from services.gateway.client import client_address
from services.gateway.rate_limit import network_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def seen(peer: str | None, *forwarded: str, trusted: bool = True) -> str | None:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    request = make_mocked_request("GET", "/", headers=None).clone(headers=[("Host", "x"), *headers], remote=peer or "")
    return client_address(request, TRUSTED if trusted else ())


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.7", (), "198.51.100.7"),
        ("198.51.100.7", ("203.0.113.1",), "198.51.100.7"),  # no proxy of ours: what it says counts nothing
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.1",), "203.0.113.1"),
        ("10.0.0.1", ("192.0.2.66, 203.0.113.1",), "203.0.113.1"),  # the first hop is what the client made up
        ("10.0.0.1", ("203.0.113.1, 10.0.0.2, 10.0.0.3",), "203.0.113.1"),
        ("10.0.0.1", ("203.0.113.1", "10.0.0.2"), "203.0.113.1"),  # two lines are one list
        ("10.0.0.1", ("10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("203.0.113.1, unknown, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("fd00::1", ("2001:db8::7",), "2001:db8::7"),
        ("::ffff:10.0.0.1", ("::ffff:203.0.113.1",), "203.0.113.1"),  # IPv4 by way of a dual-stack socket
    ],
)
def test_the_last_hop_that_is_no_trusted_proxy(peer: str, forwarded: tuple[str, ...], expected: str) -> None:
    assert seen(peer, *forwarded) == expected


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert seen("10.0.0.1", "203.0.113.1", trusted=False) == "10.0.0.1"


def test_a_peer_without_an_address_has_none() -> None:
    assert seen(None, "203.0.113.1") is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        (None, "unknown"),
    ],
)
def test_an_ipv6_client_is_counted_by_its_64(address: str | None, network: str) -> None:
    assert network_of(address) == network
