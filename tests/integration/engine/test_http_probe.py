"""The HTTP probes against servers that mean harm or do not work: they end in time, and say what was not seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.exposure import Exposure
from services.scanner.engine.evidence.http import Http
from services.scanner.engine.exchange import Exchange, Exchanges
from services.scanner.engine.network import Network, World
from services.scanner.engine.observations import Circumstances, Observations, load
from services.scanner.engine.probes.addresses import addresses
from services.scanner.engine.probes.exposure import exposure
from services.scanner.engine.probes.http import MAX_HOPS, http
from services.scanner.engine.target import parse
from shared.contracts.report import Profile
from tests.support.lab import Lab, hardened
from tests.support.lab.closing import Listener
from tests.support.lab.tls import TlsSpec
from tests.support.lab.web import Behaviour, WebSpec, neglected

TARGET = parse("hardened.test")
HTTP_BUDGET = 14.0  # seconds


@asynccontextmanager
async def served(web: WebSpec) -> AsyncIterator[Network]:
    async with Lab() as lab:
        await lab.serve(replace(hardened("hardened.test"), web=web))
        network = Network(World.from_settings(lab.engine_settings(), "test"))
        try:
            yield network
        finally:
            await network.close()


async def looked_at(network: Network) -> tuple[Http, Exposure]:
    where = await addresses(TARGET, network)
    async with asyncio.timeout(HTTP_BUDGET):
        seen = await http(TARGET, network, where)
    async with asyncio.timeout(HTTP_BUDGET):
        return seen, await exposure(TARGET, network, Profile.STANDARD, where)


@pytest.mark.parametrize("behaviour", ["hangs", "resets", "garbage", "drips"])
async def test_a_server_that_gives_no_answer_is_unseen_by_its_own_doing(behaviour: Behaviour) -> None:
    async with served(WebSpec(behaviour=behaviour)) as network:
        seen, exposed = await looked_at(network)
    assert len(seen.services) == 4
    assert {service.chain.fault for service in seen.services if isinstance(service.chain, Unseen)} == {"target"}
    assert all(isinstance(service.chain, Unseen) for service in seen.services)
    assert isinstance(seen.security_txt, Unseen)
    assert not exposed.surfaces
    assert {surface.reason.fault for surface in exposed.unseen} == {"target"}


async def test_an_endless_page_is_cut_and_judged_by_its_headers() -> None:
    async with served(WebSpec(behaviour="endless")) as network:
        seen, _ = await looked_at(network)
    assert [page.response.status for page in seen.pages] == [200] * 4


async def test_a_redirect_loop_ends_after_so_many_hops() -> None:
    async with served(WebSpec(secure_redirect="https://{host}/")) as network:
        seen, _ = await looked_at(network)
    service = seen.services_of("https")[0]
    assert isinstance(service.chain, tuple)
    assert len(service.chain) == MAX_HOPS + 1
    assert service.broken == Unseen(f"more than {MAX_HOPS} redirects", "target")
    assert not seen.pages


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "http://[::1]/", "http://[::ffff:10.0.0.1]/"],
)
async def test_a_redirect_to_the_inside_is_not_followed(location: str) -> None:
    async with served(WebSpec(secure_redirect=location)) as network:
        seen, _ = await looked_at(network)
        contacted = {address for address, _ in network.contacted}
    service = seen.services_of("https")[0]
    assert service.broken is not None
    assert "not public" in service.broken.reason
    assert len(contacted) == 1


@pytest.mark.parametrize(
    "location", ["https:", "javascript:alert(1)", "http://[broken/", "https://b\xfccher.test/", "http://:0/"]
)
async def test_a_location_that_leads_nowhere_breaks_the_chain(location: str) -> None:
    async with served(WebSpec(secure_redirect=location)) as network:
        seen, _ = await looked_at(network)
    service = seen.services_of("https")[0]
    assert service.broken is not None
    assert service.broken.fault == "target"


async def test_a_closed_port_is_no_service_and_no_failure_to_look() -> None:
    async with Lab() as lab:
        await lab.serve(replace(hardened("hardened.test"), tls=None, web=WebSpec(redirect=None)))
        network = Network(World.from_settings(lab.engine_settings(), "test"))
        seen, _ = await looked_at(network)
        await network.close()
    assert [service.chain for service in seen.services_of("https")] == [(), ()]


async def test_a_port_that_hangs_in_the_handshake_is_not_a_closed_one() -> None:
    async with Lab() as lab:
        site = replace(hardened("hardened.test"), tls=TlsSpec(behaviour="hang"), web=WebSpec(redirect=None))
        await lab.serve(site)
        network = Network(World.from_settings(lab.engine_settings(), "test"))
        async with asyncio.timeout(HTTP_BUDGET):
            seen = await http(TARGET, network, await addresses(TARGET, network))
        await network.close()
    assert {service.chain for service in seen.services_of("https")} == {Unseen("no TLS handshake within 4 s", "target")}
    assert all(service.chain for service in seen.services_of("http"))


@pytest.mark.parametrize("behaviour", ["flood", "long"])
async def test_an_answer_of_headers_without_end_is_not_kept(behaviour: str) -> None:
    """A server that sends header lines for ever, and one whose few lines are too long to keep."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
            if behaviour == "long":
                writer.write(b"".join(b"X-%d: %s\r\n" % (number, b"x" * 30_000) for number in range(4)) + b"\r\n")
            while behaviour == "flood":
                writer.write(b"X-Header: x\r\n" * 1000)
                await writer.drain()
        writer.close()

    async with Lab() as lab:
        await lab.serve(replace(hardened("hardened.test"), web=None, tls=None))
        listener = await Listener.start(serve, lab.place("hardened.test").web, lab.ports[80])
        network = Network(World.from_settings(lab.engine_settings(), "test"))
        async with asyncio.timeout(HTTP_BUDGET):
            seen = await http(TARGET, network, await addresses(TARGET, network))
        await network.close()
        await listener.aclose()
    reasons = {service.chain.reason for service in seen.services_of("http") if isinstance(service.chain, Unseen)}
    assert len(reasons) == 1
    assert "headers" in reasons.pop()


@pytest.mark.parametrize("ending", ["", "Connection: keep-alive\r\n"])
async def test_a_kept_connection_that_ended_meanwhile_is_opened_anew(ending: str) -> None:
    """A server that closes after each answer without having said so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\n{ending}Content-Length: 2\r\n\r\nok".encode())
            await writer.drain()
        writer.close()

    async with Lab() as lab:
        await lab.serve(replace(hardened("hardened.test"), web=None, tls=None))
        address = lab.place("hardened.test").web
        listener = await Listener.start(serve, address, lab.ports[80])
        network = Network(World.from_settings(lab.engine_settings(), "test"))
        async with Exchanges(network, seconds=5) as exchanges:
            replies = [await exchanges.ask(address, f"http://hardened.test/{number}") for number in range(5)]
        await network.close()
        await listener.aclose()
    assert [reply.body for reply in replies if isinstance(reply, Exchange)] == [b"ok"] * 5


async def test_no_more_connections_are_open_than_allowed() -> None:
    open_now, most = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(0)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        open_now -= 1
        writer.close()

    async with Lab() as lab:
        await lab.serve(replace(hardened("hardened.test"), web=None, tls=None))
        address = lab.place("hardened.test").web
        listener = await Listener.start(serve, address, lab.ports[80])
        network = Network(World.from_settings(lab.engine_settings(), "test"))
        async with Exchanges(network, seconds=10, connections=3, each=2) as exchanges:
            urls = [f"http://{host}.hardened.test/{number}" for number in range(20) for host in ("a", "b", "c")]
            replies = await asyncio.gather(*(exchanges.ask(address, url) for url in urls))
        await network.close()
        await listener.aclose()
    assert sum(isinstance(reply, Exchange) for reply in replies) == 60
    assert most <= 4, "three, and one whose end the server has not heard of yet"


async def test_what_was_seen_survives_its_way_through_json() -> None:
    async with served(neglected()) as network:
        seen, exposed = await looked_at(network)
    assert any(reply.proof for surface in exposed.surfaces for reply in surface.paths)
    circumstances = Circumstances(TARGET.domain, (), "here", seen.seen_at, seen.seen_at, 1, (), "test")
    observations = Observations(circumstances, {Http: seen, Exposure: exposed})
    assert load(observations.dump()) == observations
