"""The engine's network against real servers: DNS answers and silence, places, bounds."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import dns.message
import dns.rrset
import pytest
from aiohttp import web

from services.scanner.engine.dns_client import DnsAnswer, split_server
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.fetching import Document, fetch
from services.scanner.engine.network import Network, World
from services.scanner.engine.probes.addresses import addresses
from services.scanner.engine.streams import BudgetSpent, ByteBudget
from services.scanner.engine.target import Target
from shared.egress import Refused
from tests.support.lab import Lab, hardened
from tests.support.lab.dns import NameServerSpec

NAME = "hardened.test"


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as lab:
        yield await lab.serve(hardened(NAME))


@pytest.fixture
async def network(lab: Lab) -> AsyncIterator[Network]:
    network = Network(World.from_settings(lab.engine_settings(), "0.1"))
    yield network
    await network.close()


def data(answer: DnsAnswer | Unseen) -> list[str]:
    assert isinstance(answer, DnsAnswer)
    return sorted(record.data for record in answer.records)


async def test_records_come_in_presentation_form(lab: Lab, network: Network) -> None:
    assert data(await network.resolve(NAME, "A")) == [lab.place(NAME).web]
    assert data(await network.resolve(NAME, "MX")) == [f"10 mail.{NAME}."]
    assert data(await network.resolve(NAME, "NS")) == [f"ns1.{NAME}.", f"ns2.{NAME}."]
    assert '0 issue "ca.test"' in data(await network.resolve(NAME, "CAA"))
    assert "v=spf1 mx -all" in data(await network.resolve(NAME, "TXT"))
    assert len(data(await network.resolve(NAME, "SOA"))[0].split()) == 7


async def test_nothing_and_no_such_name_are_told_apart(network: Network) -> None:
    for kind in ("AAAA", "SSHFP", "TLSA"):  # aiodns and dnspython
        answer = await network.resolve(NAME, kind)
        assert isinstance(answer, DnsAnswer)
        assert (answer.rcode, answer.records) == ("NOERROR", ())
        missing = await network.resolve(f"nothing.{NAME}", kind)
        assert isinstance(missing, DnsAnswer)
        assert missing.rcode == "NXDOMAIN"


async def test_silence_is_the_zones_while_the_resolver_answers_others(lab: Lab) -> None:
    site = hardened("silent.test")
    await lab.serve(replace(site, zone=replace(site.zone, servfail=("a",), unanswered=("b",))))
    network = Network(World.from_settings(lab.engine_settings(), "0.1"))
    questions = (network.resolve("a.silent.test", "A"), network.resolve("b.silent.test", "TXT"))
    broken, silent = await asyncio.gather(*questions)
    await network.close()
    assert isinstance(broken, Unseen) and broken.fault == "target"
    assert isinstance(silent, Unseen) and silent.fault == "target"


async def test_a_resolver_that_is_slow_for_once_is_waited_for(lab: Lab) -> None:
    """After quick answers c-ares waits only a quarter of a second for one; a zone far away takes longer."""
    asked: list[bool] = []

    class Resolver(asyncio.DatagramProtocol):
        transport: Any

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
            query = dns.message.from_wire(data)
            answer = dns.message.make_response(query)
            answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.1"))
            slow = str(query.question[0].name).startswith("slow")
            asked.append(slow)
            asyncio.get_running_loop().call_later(1.0 if slow else 0.0, self.transport.sendto, answer.to_wire(), sender)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Resolver, local_addr=(str(lab.network[79]), 0))
    address, port = transport.get_extra_info("sockname")
    network = Network(World.from_settings(replace(lab.engine_settings(), dns_servers=(f"{address}:{port}",)), "0.1"))
    for number in range(5):
        assert data(await network.resolve(f"quick{number}.test", "A")) == ["192.0.2.1"]
    assert data(await network.resolve("slow.test", "A")) == ["192.0.2.1"]
    assert asked.count(True) > 1
    await network.close()
    transport.close()


async def test_a_dead_resolver_is_our_sources_fault(lab: Lab) -> None:
    settings = replace(lab.engine_settings(), dns_servers=("127.0.0.1:1",))
    network = Network(World.from_settings(settings, "0.1"))
    answer = await network.resolve(NAME, "A")
    assert isinstance(answer, Unseen) and answer.fault == "source"
    await network.close()


async def test_a_name_server_is_asked_directly(lab: Lab, network: Network) -> None:
    server = lab.place(NAME).nameservers[0]
    query = dns.message.make_query(NAME, "SOA")
    for tcp in (False, True):
        answer = await network.ask(server, query, tcp=tcp)
        assert isinstance(answer, dns.message.Message)
        assert answer.answer
    nobody = await network.ask(lab.place(NAME).web, query, timeout=0.5)
    assert isinstance(nobody, Unseen) and nobody.fault == "target"
    inner = await network.ask("10.0.0.1", query)
    assert isinstance(inner, Unseen) and "not contacted" in inner.reason


async def test_a_transfer_gives_its_records_or_says_no(lab: Lab, network: Network) -> None:
    site = hardened("open.test")
    servers = (NameServerSpec(transfer=True), NameServerSpec(network=1))
    await lab.serve(replace(site, zone=replace(site.zone, nameservers=servers)))
    generous, strict = lab.place("open.test").nameservers
    lines = [line async for line in network.transfer(generous, "open.test")]
    assert "SOA" in lines[0] and "SOA" in lines[-1] and len(lines) > 5
    assert len([line async for line in network.transfer(generous, "open.test", limit=3)]) == 3
    with pytest.raises((OSError, EOFError)):
        [line async for line in network.transfer(strict, "open.test")]


async def test_addresses_are_found_and_vetted(lab: Lab) -> None:
    site = hardened("mixed.test")
    records = (*site.zone.records, ("@", "A", "10.9.9.9"))
    await lab.serve(replace(site, zone=replace(site.zone, records=records)))
    network = Network(World.from_settings(lab.engine_settings(), "0.1"))
    found = await addresses(Target("mixed.test", "mixed.test"), network)
    await network.close()
    place = lab.place("mixed.test")
    assert found.domain.addresses == (place.web,)
    assert found.domain.refused == ("10.9.9.9",)
    assert not isinstance(found.mx, Unseen) and [host.name for host in found.mx] == ["mail.mixed.test"]
    assert not isinstance(found.nameservers, Unseen)
    assert [host.addresses for host in found.nameservers] == [(address,) for address in place.nameservers]


@asynccontextmanager
async def listening(lab: Lab, port: int) -> AsyncIterator[tuple[str, list[int]]]:
    """A server on an address of the lab that holds its connections open; the address, and [now, most]."""
    counts, done = [0, 0], asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts[0] += 1
        counts[1] = max(counts)
        await reader.read()
        counts[0] -= 1
        writer.close()

    address = str(lab.network[77])
    async with await asyncio.start_server(serve, address, lab.ports[port]):
        yield address, counts
        done.set()


async def test_an_address_sees_no_more_connections_than_it_has_places(lab: Lab) -> None:
    settings = replace(lab.engine_settings(), host_connections=3)
    world = World.from_settings(settings, "0.1")
    scans = [Network(world), Network(world)]
    async with listening(lab, 443) as (address, counts):

        async def visit(network: Network) -> None:
            async with network.connect(address, 443) as stream:
                await stream.write(b"x", 1)
                with pytest.raises(TimeoutError):
                    await stream.read(1, 0.01)

        async with asyncio.timeout(10):
            await asyncio.gather(*(visit(scans[number % 2]) for number in range(12)))
        assert counts[1] <= 3 + 2  # two scans each made a first attempt, which nobody knew would be answered
    for network in scans:
        assert (address, 443) in network.contacted
        await network.close()


async def test_connecting_tells_what_happened(lab: Lab, network: Network) -> None:
    with pytest.raises(ConnectionRefusedError):
        async with network.connect(lab.place(NAME).web, 3389):
            raise AssertionError
    with pytest.raises(Refused):
        async with network.connect("10.0.0.1", 443):
            raise AssertionError
    assert ("10.0.0.1", 443) not in network.contacted


async def test_bodies_are_undone_within_their_bound(lab: Lab, network: Network) -> None:
    async def bomb(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "gzip, deflate"
        assert request.headers["User-Agent"].startswith("ComplianceLayer/")
        return web.Response(body=gzip.compress(b"\0" * 20_000_000), headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.router.add_get("/", bomb)
    runner = web.AppRunner(app)
    await runner.setup()
    address = str(lab.network[78])
    await web.TCPSite(runner, address, lab.ports[80]).start()
    document = await fetch(network, f"http://{address}/", fault="source", limit=1000)
    assert isinstance(document, Document) and document.body == b"\0" * 1000
    await runner.cleanup()


def test_a_scans_bytes_are_counted() -> None:
    budget = ByteBudget(10)
    assert budget.spend(b"12345") == b"12345"
    budget.spend(b"12345")
    with pytest.raises(BudgetSpent):
        budget.spend(b"1")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("::1", ("::1", 53)),
    ],
)
def test_a_resolvers_address(text: str, server: tuple[str, int]) -> None:
    assert split_server(text) == server
