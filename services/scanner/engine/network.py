"""All that a probe may use to reach the world: DNS, connections and HTTP, within the scan's bounds."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message

from services.scanner.engine import dns_client
from services.scanner.engine.dns_client import DnsAnswer as DnsAnswer
from services.scanner.engine.dns_client import Record as Record
from services.scanner.engine.dns_client import RecursiveClient
from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.facts import tables
from services.scanner.engine.places import Host, Hosts
from services.scanner.engine.settings import EngineSettings
from services.scanner.engine.sources import Sources
from services.scanner.engine.streams import ByteBudget, Stream
from services.scanner.engine.sweeping import PortState, sweep
from shared.clock import Clock
from shared.egress import Egress, Refused, own_addresses
from shared.trust import tls_context

SCAN_BYTES = 32 * 1024 * 1024
# No way out of here, whatever the target does: no route (mostly no IPv6), or no descriptor left.
_OURS = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EMFILE, errno.ENFILE})
_LEFT_TO_OTHERS = 8  # one in so many of an address's places for attempts, while a sweep holds the rest
_DATAGRAM = 65535  # bytes
_IN_FLIGHT = 100  # questions to the resolvers at once, over all scans


class HandshakeTimeout(TimeoutError):
    """The port takes connections, and what listens there shakes no hands."""


def fault_of(error: BaseException) -> Fault:
    """Whose doing it is that a connection failed."""
    return "ours" if isinstance(error, OSError) and error.errno in _OURS else "target"


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
    sources: Sources = field(default_factory=Sources)
    dns_lifetime: float = dns_client.LIFETIME  # seconds for a question to the resolvers, over all attempts

    @classmethod
    def from_settings(cls, settings: EngineSettings, version: str, clock: Clock | None = None) -> "World":
        """The one of this process; fetched tables of facts come into use with it."""
        if settings.facts_dir is not None:
            tables.prefer(settings.facts_dir)
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
        self.settings = world.settings
        self.sources = world.sources
        self.trust_ca_file: Path | None = world.settings.trust_ca_file
        self.contacted: set[tuple[str, int]] = set()  # (address, port) that a connection or question was tried at
        self.kept: dict[type, Any] = {}  # what a helper of the probes keeps for as long as the scan, by its type
        self._world = world
        self._hosts: dict[str, Host] = {}
        self._egress = world.egress
        self._dns = RecursiveClient(world.settings.dns_servers, world.questions, world.dns_lifetime)
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
        """Ask the recursive resolvers, once a scan and question. Retried for 5 s; in-flight capped."""
        return await self._dns.resolve(name, record_type)

    async def query(self, name: str, record_type: str) -> dns.message.Message | Unseen:
        """The whole answer of the recursive resolvers with its DNSSEC signatures, which nobody has validated.

        Once a scan and question, retried for 4 s. Whatever its rcode but REFUSED and NOTIMP.
        """
        return await self._dns.query(name, record_type)

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
    async def connect(
        self,
        address: str,
        port: int,
        *,
        timeout: float = 3.0,
        tls: str | None = None,
        verified: bool = False,
        waiting: bool = True,
    ) -> AsyncIterator[Stream]:
        """A vetted connection within the host's places. ConnectionRefusedError, TimeoutError, OSError, egress.Refused.

        `tls`: shake hands with that server name; certificates are `verified` for sources of ours alone, since the
        target's are the TLS probe's business. HandshakeTimeout where it takes longer than `timeout`, ssl.SSLError,
        EOFError where it fails.
        `waiting`: for a place; NoPlace at once otherwise, so that who holds one already need not wait for another.
        The first attempt at a port is one of the many that nobody may answer; once answered it needs one of the few
        established places. Whoever comes to that port meanwhile or later takes such a place first.
        """
        host = self._host(address)
        async with contextlib.AsyncExitStack() as stack:
            if port in host.tried:
                await stack.enter_async_context(host.established.hold(waiting=waiting))
                sock = await self._open(address, port, timeout)
                stack.callback(sock.close)
            else:
                sock = await self._first_attempt(host, address, port, timeout)
                stack.callback(sock.close)
                await stack.enter_async_context(host.established.hold(waiting=waiting))
            stream = Stream(sock, self._budget)
            if tls is not None:
                try:
                    stream = await stream.start_tls(tls, timeout, _verified(self.trust_ca_file) if verified else None)
                except TimeoutError:
                    raise HandshakeTimeout(f"no TLS handshake within {timeout:g} s") from None
            yield stream

    async def touch(self, address: str, port: int, *, timeout: float = 1.5) -> None:
        """Return once the port has taken a connection, which is closed at once. Raises as `connect`."""
        (await self._first_attempt(self._host(address), address, port, timeout)).close()

    async def sweep(self, address: str, ports: Collection[int], *, timeout: float = 1.5) -> dict[int, PortState]:
        """The state of each of these TCP ports, tried side by side within the places. OSError, egress.Refused."""
        host = self._host(address)
        self._egress.vet(address)
        self.contacted.update((address, port) for port in ports)
        connects = self.settings.host_connects
        window = max(1, min(len(ports), connects - connects // _LEFT_TO_OTHERS))
        async with host.unanswered.hold(window):
            states = await sweep(
                partial(self._egress.open, address),
                lambda port: (address, self._egress.port(port)),
                ports,
                window=window,
                timeout=timeout,
            )
        host.tried.update(port for port, state in states.items() if state == "open")
        return states

    async def datagram(
        self, address: str, port: int, question: bytes, *, tries: int = 2, timeout: float = 0.4
    ) -> bytes | None:
        """The first answer by UDP to a question that is asked `tries` times, each with `timeout` seconds to answer.

        None: silence. ConnectionRefusedError: the host said that nobody listens there. OSError, egress.Refused.
        """
        sock = await self._open(address, port, timeout, socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        try:
            for _ in range(tries):
                await loop.sock_sendall(sock, question)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        return self._budget.spend(await loop.sock_recv(sock, _DATAGRAM))
            return None
        finally:
            sock.close()

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


@cache
def _verified(extra_roots: Path | None) -> ssl.SSLContext:
    return tls_context(extra_roots)
