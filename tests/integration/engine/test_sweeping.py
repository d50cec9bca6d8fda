"""Which ports of an address are open: a listener, nobody, and a listener that drops what knocks."""

import errno
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
import pytest_asyncio

from services.scanner.engine.network import Network, World
from services.scanner.engine.settings import EngineSettings
from shared.egress import Refused
from tests.support.lab.closing import Listener
from tests.support.lab.ports import Dialogue, PortsSpec, serve

ADDRESS, ANOTHER = "127.83.0.9", "127.83.0.10"  # one a test: they may run side by side


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Network]:
    settings = EngineSettings(egress_allow=(ip_network("127.83.0.0/24"), ip_network("::1/128")))
    network = Network(World.from_settings(settings, "test"))
    yield network
    await network.close()


async def test_the_three_states_of_a_port(network: Network) -> None:
    ports = {port: port for port in (21_001, 21_002)}
    servers = await serve(PortsSpec({21_001: Dialogue()}, filtered=(21_002,)), ADDRESS, ports)
    try:
        states = await network.sweep(ADDRESS, (21_001, 21_002, 21_003), timeout=0.2)
    finally:
        await servers.aclose()

    assert states == {21_001: "open", 21_002: "filtered", 21_003: "closed"}
    assert (ADDRESS, 21_003) in network.contacted


async def test_more_ports_than_may_be_tried_at_once(network: Network) -> None:
    async def connected(reader: object, writer: object) -> None:
        """Takes the connection, and says nothing."""

    listener = await Listener.start(connected, ANOTHER, 21_010)
    try:
        states = await network.sweep(ANOTHER, range(21_000, 21_500))
    finally:
        await listener.aclose()

    assert [port for port, state in states.items() if state == "open"] == [21_010]
    assert sum(state == "closed" for state in states.values()) == 499


async def test_ipv6(network: Network) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with socket.socket(socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        listener.listen()
        port = listener.getsockname()[1]
        assert (await network.sweep("::1", (port,)))[port] == "open"


async def test_an_address_that_may_not_be_contacted_is_not_tried(network: Network) -> None:
    with pytest.raises(Refused):
        await network.sweep("127.84.0.1", (80,))

    assert not network.contacted


async def test_no_way_out_of_here_is_our_own_trouble(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.ENETUNREACH)

    with pytest.raises(OSError, match="unreachable"):
        await network.sweep(ADDRESS, (21_001, 21_002))


async def test_a_datagram_is_answered_refused_or_lost(network: Network) -> None:
    ports = {port: port for port in (21_020, 21_021)}
    answering = PortsSpec(datagrams={21_020: Dialogue(answers={b"hello": b"world"}), 21_021: Dialogue()})
    servers = await serve(answering, ADDRESS, ports)
    try:
        assert await network.datagram(ADDRESS, 21_020, b"hello") == b"world"
        assert await network.datagram(ADDRESS, 21_021, b"hello", timeout=0.05) is None
    finally:
        await servers.aclose()
    with pytest.raises(ConnectionRefusedError):
        await network.datagram(ADDRESS, 21_022, b"hello")
