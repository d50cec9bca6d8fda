"""All that a probe may use to reach the world: DNS, connections and HTTP, within the scan's bounds."""

import asyncio
import contextlib
import errno
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
import dns.exception
import dns.flags
import dns.message

from services.scanner.engine import dns_client
from services.scanner.engine.decoding import decoder
from services.scanner.engine.dns_client import DnsAnswer as DnsAnswer
from services.scanner.engine.dns_client import Record as Record
from services.scanner.engine.dns_client import RecursiveClient
from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.places import Host, Hosts
from services.scanner.engine.settings import EngineSettings
from shared.clock import Clock
from shared.egress import Egress, Pin, Refused, own_addresses

SCAN_BYTES = 32 * 1024 * 1024
# No way out of here, whatever the target does: no route (mostly no IPv6), or no descriptor left.
_OURS = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EMFILE, errno.ENFILE})
_IN_FLIGHT = 100  # questions to the resolvers at once, over all scans


class BudgetSpent(OSError):
    """The scan has received all the bytes it may."""


def fault_of(error: BaseException) -> Fault:
    """Whose doing it is that a connection failed."""
    return "ours" if isinstance(error, OSError) and error.errno in _OURS else "target"


class Stream:
    """One TCP connection; every read has a deadline and a bound."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: "ByteBudget") -> None:
        self._reader = reader
        self._writer = writer
        self._budget = budget

    async def read(self, limit: int, timeout: float) -> bytes:
        """At most `limit` bytes as they come; b"" at the end. TimeoutError, OSError."""
        async with asyncio.timeout(timeout):
            return self._budget.spend(await self._reader.read(limit))

    async def read_exactly(self, count: int, timeout: float) -> bytes:
        """IncompleteReadError at an early end."""
        async with asyncio.timeout(timeout):
            return self._budget.spend(await self._reader.readexactly(count))

    async def write(self, data: bytes, timeout: float) -> None:
        self._writer.write(data)
        async with asyncio.timeout(timeout):
            await self._writer.drain()


class ByteBudget:
    def __init__(self, limit: int) -> None:
        self._left = limit

    def spend(self, data: bytes) -> bytes:
        """`data` itself. BudgetSpent once more has come than the scan may receive."""
        self._left -= len(data)
        if self._left < 0:
            raise BudgetSpent("the scan's byte budget is spent")
        return data


@dataclass(frozen=True)
class World:
    """What all scans of a process share."""

    settings: EngineSettings
    egress: Egress
    clock: Clock
    hosts: Hosts
    questions: asyncio.Semaphore
    user_agent: str
    vantage: str  # where the scans are made from

    @classmethod
    def from_settings(cls, settings: EngineSettings, version: str, clock: Clock | None = None) -> "World":
        contact = f" (+{settings.scan_contact_url})" if settings.scan_contact_url else ""
        return cls(
            settings=settings,
            egress=Egress(
                allow=settings.egress_allow,
                deny=settings.egress_deny,
                port_map=settings.scan_port_map,
                own=own_addresses(),
            ),
            clock=clock or Clock(),
            hosts=Hosts(settings.host_connections, settings.host_connects),
            questions=asyncio.Semaphore(_IN_FLIGHT),
            user_agent=f"ComplianceLayer/{version}{contact}",
            vantage=socket.gethostname(),
        )


class Network:
    """One scan's reach into the world. Close it at the scan's end."""

    def __init__(self, world: World) -> None:
        self.user_agent = world.user_agent
        self.trust_ca_file: Path | None = world.settings.trust_ca_file
        self.contacted: set[tuple[str, int]] = set()  # (address, port) that a connection or question was tried at
        self._world = world
        self._hosts: dict[str, Host] = {}
        self._egress = world.egress
        self._dns = RecursiveClient(world.settings.dns_servers, world.questions)
        self._budget = ByteBudget(SCAN_BYTES)

    async def close(self) -> None:
        await self._dns.close()

    def now(self) -> datetime:
        """UTC."""
        return self._world.clock.now()

    def allows(self, address: str) -> bool:
        """Whether the address may be contacted: it is public, or the operator allows it."""
        try:
            self._egress.vet(address)
        except Refused:
            return False
        return True

    async def resolve(self, name: str, record_type: str) -> DnsAnswer | Unseen:
        """Ask the recursive resolvers (aiodns; for types it lacks, dnspython). Retried for 5 s; in-flight capped."""
        return await self._dns.resolve(name, record_type)

    async def ask(
        self, address: str, query: dns.message.Message, *, tcp: bool = False, timeout: float = 3.0
    ) -> dns.message.Message | Unseen:
        """Ask one name server directly (over a vetted socket; UDP, TCP on truncation)."""
        try:
            if not tcp:
                answer = await self._ask_udp(address, query, timeout)
                if not answer.flags & dns.flags.TC:
                    return answer
            async with asyncio.timeout(timeout), self.connect(address, 53, timeout=timeout) as stream:
                return await dns_client.exchange_tcp(stream, query, timeout)
        except TimeoutError:
            return Unseen(f"{address} did not answer within {timeout:g} s", "target")
        except (OSError, EOFError, dns.exception.DNSException, Refused) as error:
            return Unseen(f"{address} gave no usable answer: {error or type(error).__name__}", fault_of(error))

    async def _ask_udp(self, address: str, query: dns.message.Message, timeout: float) -> dns.message.Message:
        sock = await self._open(address, 53, timeout, socket.SOCK_DGRAM)
        try:
            return await dns_client.exchange_udp(sock, query, timeout)
        finally:
            sock.close()

    async def transfer(self, address: str, zone: str, *, limit: int = 100, timeout: float = 5.0) -> AsyncIterator[str]:
        """Attempt AXFR; record lines, at most `limit`. DNSException, EOFError, TimeoutError; OSError when refused."""
        async with asyncio.timeout(timeout), self.connect(address, 53, timeout=timeout) as stream:
            async for line in dns_client.transfer(stream, zone, limit, timeout):
                yield line

    @asynccontextmanager
    async def connect(self, address: str, port: int, *, timeout: float = 3.0) -> AsyncIterator[Stream]:
        """A vetted connection within the host's places. ConnectionRefusedError, TimeoutError, OSError, egress.Refused.

        The first attempt at a port is one of the many that nobody may answer; once answered it needs one of the few
        established places. Whoever comes to that port meanwhile or later takes such a place first.
        """
        host = self._host(address)
        async with contextlib.AsyncExitStack() as stack:
            if port in host.tried:
                await stack.enter_async_context(host.established.hold())
                sock = await self._open(address, port, timeout)
                stack.callback(sock.close)
            else:
                sock = await self._first_attempt(host, address, port, timeout)
                stack.callback(sock.close)
                await stack.enter_async_context(host.established.hold())
            reader, writer = await asyncio.open_connection(sock=sock)
            stack.callback(writer.transport.abort)
            yield Stream(reader, writer, self._budget)

    async def touch(self, address: str, port: int, *, timeout: float = 1.5) -> None:
        """Return once the port has taken a connection, which is closed at once. Raises as `connect`."""
        (await self._first_attempt(self._host(address), address, port, timeout)).close()

    async def _first_attempt(self, host: Host, address: str, port: int, timeout: float) -> socket.socket:
        host.tried.add(port)
        try:
            async with host.unanswered.hold():
                return await self._open(address, port, timeout)
        except BaseException:
            host.tried.discard(port)
            raise

    def _host(self, address: str) -> Host:
        """Kept as long as the scan, which comes back to the same addresses."""
        if address not in self._hosts:
            self._hosts[address] = self._world.hosts.at(address)
        return self._hosts[address]

    async def _open(
        self, address: str, port: int, timeout: float, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> socket.socket:
        self._egress.vet(address)
        self.contacted.add((address, port))
        return await self._egress.connect(address, port, timeout, kind=kind)

    @asynccontextmanager
    async def http(self, host: str, address: str, *, connections: int = 4) -> AsyncIterator[aiohttp.ClientSession]:
        """A session pinned to `address` with `Host` and SNI of `host`, holding `connections` of the host's places.

        No cookies kept, no proxies, no automatic decompression, certificates not verified (trust is the TLS probe's
        business), no way to another host. Request with full URLs ("https://www.example.com/path") and
        `allow_redirects=False`; read bodies with `body`.
        """
        async with (
            self._host(address).established.hold(connections),
            self._egress.session(
                pin=Pin(host, address),
                connections=connections,
                context=_unverified(),
                timeout=aiohttp.ClientTimeout(total=10, sock_connect=3, sock_read=5),
                headers={"User-Agent": self.user_agent, "Accept-Encoding": "gzip, deflate"},
            ) as session,
        ):
            yield session

    async def body(self, response: aiohttp.ClientResponse, limit: int = 2 * 1024 * 1024) -> bytes:
        """At most `limit` bytes, gzip and deflate undone within that bound; counted against the scan's 32 MiB.

        ValueError when the compression is broken, aiohttp.ClientError, TimeoutError, BudgetSpent.
        """
        decode = decoder(response.headers.get("Content-Encoding", "")).decode
        decoded = bytearray()
        while len(decoded) < limit and (chunk := self._budget.spend(await response.content.readany())):
            decoded += decode(chunk, limit - len(decoded))
        return bytes(decoded)


def _unverified() -> ssl.SSLContext:
    """Speaks to any server: old protocols, weak suites, any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
