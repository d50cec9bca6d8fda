"""The door: which addresses may be contacted, and that nothing slips past it."""

import ipaddress
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from shared.egress import Egress, IPNetwork, Pin, Refused, dns_resolver, own_addresses, special_use

LOOPBACK: tuple[IPNetwork, ...] = (ipaddress.ip_network("127.0.0.0/8"),)
EVERYTHING: tuple[IPNetwork, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@asynccontextmanager
async def web_server() -> AsyncIterator[int]:
    """Answers every path with the Host header it was given; yields the port."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/away":
            raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")
        return web.Response(text=request.headers["Host"])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def resolving(**names: Iterable[str]) -> Egress:
    async def resolve(name: str) -> Iterable[str]:
        return names[name.replace(".", "_")]

    return Egress(allow=LOOPBACK, resolver=resolve)


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:2800:220:1::1", "2a00:1450:4001::5"],
)
def test_public_addresses_are_contacted(address: str) -> None:
    Egress().vet(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.1.1", "172.16.0.1"),
        *("172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.7"),
        *("203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1"),
        *("2001:db8::1", "2002:808:808::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd12::1", "fec0::1"),
        *("ff02::1", "fe80::1", "fe80::1%lo", "2606:2800:220:1::1%1"),
        *("localhost", "127.1", "0x7f000001", "2130706433", "", "1.1.1.1 ", "1.1.1.1:80", "[::1]"),
    ],
)
def test_everything_else_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        Egress().vet(address)


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
        *("fd00:ec2::254", "fd20:ce::254", "fe80::a9fe:a9fe"),
        *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"),
    ],
)
def test_no_allow_list_opens_a_metadata_service(address: str) -> None:
    with pytest.raises(Refused):
        Egress(allow=EVERYTHING).vet(address)


def test_the_operator_may_open_and_close() -> None:
    ten = ipaddress.ip_network("10.0.0.0/8")
    Egress(allow=[ten]).vet("10.1.2.3")
    with pytest.raises(Refused, match="operator denies"):
        Egress(allow=[ten], deny=[ipaddress.ip_network("10.1.0.0/16")]).vet("10.1.2.3")
    with pytest.raises(Refused, match="operator denies"):
        Egress(deny=[ipaddress.ip_network("8.8.8.0/24")]).vet("8.8.8.8")


def test_this_machine_is_no_target_though_its_address_be_public() -> None:
    own = ipaddress.ip_address("8.8.8.8")
    with pytest.raises(Refused, match="this machine"):
        Egress(own=[own]).vet("8.8.8.8")
    Egress(own=[own], allow=[ipaddress.ip_network("8.8.8.8/32")]).vet("8.8.8.8")
    assert ipaddress.ip_address("127.0.0.1") in own_addresses()


@pytest.mark.parametrize("name", ["localhost", "a.localhost", "pr.local.", "x.INTERNAL", "y.onion", "in-addr.arpa"])
def test_special_use_names(name: str) -> None:
    assert special_use(name)


def test_lab_names_are_taken() -> None:
    assert not special_use("hardened.test")
    assert not special_use("www.example")


async def test_resolving_drops_what_is_not_public() -> None:
    egress = resolving(mixed_test=["10.0.0.1", "127.0.0.5", "93.184.216.34"], inner_test=["10.0.0.1"], none_test=[])
    assert await egress.resolve("mixed.test") == ("127.0.0.5", "93.184.216.34")
    with pytest.raises(Refused, match="not public"):
        await egress.resolve("inner.test")
    with pytest.raises(OSError, match="no address"):
        await egress.resolve("none.test")
    with pytest.raises(Refused):
        await egress.resolve("metadata.internal")


async def test_connecting_vets_first_and_maps_the_port() -> None:
    async with web_server() as port:
        with pytest.raises(Refused):
            await Egress(port_map={80: port}).connect("127.0.0.1", 80, 1)
        sock = await Egress(allow=LOOPBACK, port_map={80: port}).connect("127.0.0.1", 80, 1)
        assert sock.getpeername() == ("127.0.0.1", port)
        sock.close()


async def test_a_closed_port_says_so() -> None:
    async with web_server() as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        await Egress(allow=LOOPBACK).connect("127.0.0.1", port, 1)


async def test_a_session_reaches_only_what_was_vetted() -> None:
    egress = resolving(hook_test=["10.0.0.1", "127.0.0.1"], inner_test=["10.0.0.1"])
    async with web_server() as port, egress.session() as session:
        async with session.get(f"http://hook.test:{port}/") as response:
            assert await response.text() == f"hook.test:{port}"
        for url in (
            "http://inner.test/",
            "http://10.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://metadata.internal/",
        ):
            with pytest.raises(Refused):
                await session.get(url)


async def test_a_redirect_is_vetted_too() -> None:
    async with web_server() as port, resolving(hook_test=["127.0.0.1"]).session() as session:
        with pytest.raises(Refused, match="metadata"):
            await session.get(f"http://hook.test:{port}/away")


async def test_a_pinned_session_has_no_way_to_another_host() -> None:
    async with web_server() as port:
        egress = Egress(allow=LOOPBACK, port_map={80: port})
        async with egress.session(pin=Pin("site.test", "127.0.0.1")) as session:
            async with session.get("http://site.test/") as response:
                assert await response.text() == "site.test"
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get("http://other.test/")


async def test_environment_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with (
        web_server() as port,
        resolving(hook_test=["127.0.0.1"]).session() as session,
        session.get(f"http://hook.test:{port}/") as response,
    ):
        assert response.status == 200


async def test_without_servers_the_machine_resolves() -> None:
    assert "127.0.0.1" in await dns_resolver(())("localhost")
